"""Options that several commands take, written down once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

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
