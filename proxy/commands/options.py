"""What several commands share: options and their values, and the look of tables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import typer
from rich import box
from rich.table import Table

from proxy.model.level import Direction

Command = Callable[..., None]


def option(name: str, default: object, annotation: object) -> inspect.Parameter:
    """One of them, as a parameter of a function would say it to typer."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def stands_for(run: Command, command: Command, options: Sequence[inspect.Parameter], *, led: bool) -> Command:
    """Have typer read `run` as if it were `command` with these options in place of its first parameter: before the
    others (`led`) or behind them."""
    _, *rest = inspect.signature(command, eval_str=True).parameters.values()
    own = [one.replace(kind=one.KEYWORD_ONLY) for one in rest]
    signature = inspect.Signature([*options, *own] if led else [*own, *options])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


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
