"""What several commands share: values of options, and the look of tables."""

from __future__ import annotations

from typing import Any

import typer
from rich import box
from rich.table import Table

from proxy.model.level import Direction


def _direction(word: str) -> Direction:
    words = [one.value for one in Direction]
    if word not in words:
        raise typer.BadParameter(f"must be one of {', '.join(words)}, not {word!r}")
    return Direction(word)


def direction_option(*names: str, help: str) -> Any:
    """An option that takes a direction. (Left to itself typer answers a wrong one in its validator's words.)"""
    return typer.Option(*names, help=help, parser=_direction, metavar="[input|output]")


def table(*columns: str) -> Table:
    """One whose words are never cut off, however narrow the terminal: what is read there is typed again."""
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        made.add_column(column, overflow="fold")
    return made
