"""Tripwires from a shell: `tripwires show`, over the admin API."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from proxy.commands.options import table
from proxy.commands.turning import Caller, local, objects, out, over_admin, plain, word
from proxy.model.record import Json

_STYLES = {"pending": "yellow", "firing": "bold red", "cooling": "yellow"}

app_tripwires = typer.Typer(name="tripwires", no_args_is_help=True)


@app_tripwires.callback()
def _tripwires() -> None:
    """What watches the models of a running proxy.

    Example: guardrail-proxy tripwires show
    """


@app_tripwires.command()
@over_admin
def show(
    caller: Caller,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are well.")] = False,
) -> None:
    """Which tripwires fire, or are about to, for whom and since when.

    Example: guardrail-proxy tripwires show --all
    """
    tripwires = objects(caller.call("GET", "/admin/v1/tripwires"), "tripwires")
    shown = [one for one in tripwires if everything or word(one, "state") != "ok"]
    if not shown:
        ids = {word(one, "id") for one in tripwires}
        out().print(f"Nothing fires: {len(ids)} tripwires are well." if ids else "There are no tripwires.")
        return
    rows = table("Tripwire", "For", "State", "Since", "Value", "Limit", "Normal", "Samples")
    for one in shown:
        state, since = word(one, "state"), word(one, "since")
        few = " (too few)" if _number(one.get("samples")) < _number(one.get("min_samples")) else ""
        rows.add_row(
            plain(one, "id"), plain(one, "per"), Text(state, style=_STYLES.get(state, "green")),
            local(since) if since else "", _shown(one.get("value")), _shown(one.get("threshold")),
            _normal(one.get("baseline")), f"{_shown(one.get('samples'))}{few}",
        )  # fmt: skip
    out().print(rows)


def _number(value: Json) -> float:
    return value if isinstance(value, int | float) else 0.0


def _normal(baseline: Json) -> str:
    """What is normal at this hour, as `340 (290 to 390)`."""
    if not isinstance(baseline, dict):
        return ""
    said = f"{_shown(baseline['expected'])} ({_shown(baseline['low'])} to {_shown(baseline['high'])})"
    learning = f"learning, {_shown(baseline['learned_samples'])} samples"
    return (
        (learning if baseline["expected"] is None else f"{said}, {learning}")
        if baseline["learning"]
        else said
    )


def _shown(value: Json) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "none"
