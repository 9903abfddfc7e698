"""Tripwires from a shell: `tripwires show`, over the admin API."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from proxy.commands.options import table
from proxy.commands.turning import (
    Caller,
    ReasonOption,
    local,
    objects,
    out,
    over_admin,
    plain,
    tell_unstored,
    word,
)
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
    found = [one for one in tripwires if everything or word(one, "state") != "ok"]
    if not found:
        ids = {word(one, "id") for one in tripwires}
        out().print(f"Nothing fires: {len(ids)} tripwires are well." if ids else "There are no tripwires.")
        return
    rows = table("Tripwire", "For", "State", "Since", "Value", "Limit", "Normal", "Samples")
    for one in found:
        state, since = word(one, "state"), word(one, "since")
        few = " (too few)" if _number(one.get("samples")) < _number(one.get("min_samples")) else ""
        rows.add_row(
            plain(one, "id"), plain(one, "per"), Text(state, style=_STYLES.get(state, "green")),
            local(since) if since else "", shown(one.get("value")), shown(one.get("threshold")),
            normal(one.get("baseline")), f"{shown(one.get('samples'))}{few}",
        )  # fmt: skip
    out().print(rows)


@app_tripwires.command()
@over_admin
def relearn(
    caller: Caller,
    tripwire: Annotated[str, typer.Argument(metavar="TRIPWIRE", help="Its id.")],
    per: Annotated[str, typer.Argument(metavar="GROUP", help="Whose normal, as model:support-bot.")],
    reason: ReasonOption,
) -> None:
    """Have a tripwire learn anew what is normal, as after it learned from a fault. Until it has, it is silent.

    Example: guardrail-proxy tripwires relearn model-answers-otherwise model:support-bot --reason "INC-42"
    """
    body = {"tripwire": tripwire, "per": per, "reason": reason}
    done = caller.call("POST", "/admin/v1/baselines/relearn", body)
    forgot = shown(done["forgotten_samples"])
    out().print(
        Text.assemble(plain(done, "tripwire"), f" forgot {forgot} samples of ", plain(done, "per"), ".")
    )
    tell_unstored(done)


def _number(value: Json) -> float:
    return value if isinstance(value, int | float) else 0.0


def normal(baseline: Json) -> str:
    """What is normal at this hour, as `340 (290 to 390)`."""
    if not isinstance(baseline, dict):
        return ""
    said = f"{shown(baseline['expected'])} ({shown(baseline['low'])} to {shown(baseline['high'])})"
    learning = f"learning, {shown(baseline['learned_samples'])} samples"
    return (
        (learning if baseline["expected"] is None else f"{said}, {learning}")
        if baseline["learning"]
        else said
    )


def shown(value: Json) -> str:
    """A number, briefly."""
    return f"{value:.4g}" if isinstance(value, int | float) else "none"
