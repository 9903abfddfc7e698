"""Values of options that several commands take."""

from __future__ import annotations

from typing import Any

import typer

from proxy.model.level import Direction


def _direction(word: str) -> Direction:
    words = [one.value for one in Direction]
    if word not in words:
        raise typer.BadParameter(f"must be one of {', '.join(words)}, not {word!r}")
    return Direction(word)


def direction_option(*names: str, help: str) -> Any:
    """An option that takes a direction. (Left to itself typer answers a wrong one in its validator's words.)"""
    return typer.Option(*names, help=help, parser=_direction, metavar="[input|output]")
