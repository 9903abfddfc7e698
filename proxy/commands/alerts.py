"""Alerts from a shell: `alerts test`, over the admin API."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from proxy import jsonio
from proxy.commands.turning import Caller, objects, out, over_admin, plain
from proxy.model.record import Json

app_alerts = typer.Typer(name="alerts", no_args_is_help=True)


@app_alerts.callback()
def _alerts() -> None:
    """Whether alerts arrive.

    Example: guardrail-proxy alerts test
    """


@app_alerts.command("test")
@over_admin
def send_drill(
    caller: Caller,
    target: Annotated[str | None, typer.Option(help="One target of the settings; without it all.")] = None,
    reason: Annotated[str, typer.Option(help="Why, in one line; it stands in the message.")] = "a drill",
) -> None:
    """Have the running proxy send a drill to its alert targets, and say whether it got there.

    Example: guardrail-proxy alerts test --target oncall --reason "the monthly drill"
    """
    asked: dict[str, Json] = {"reason": reason, **({} if target is None else {"target": target})}
    body = caller.api.call("POST", "/admin/v1/alerts/test", body=asked)
    results = objects(body, "results")
    if caller.json:
        typer.echo(jsonio.dumps(body))
    else:
        for one in results:
            reached = one.get("delivered") is True
            ended = "delivered" if reached else Text.assemble("FAILED: ", plain(one, "error"))
            out().print(Text.assemble(plain(one, "target"), ": ", ended))
    if not all(one.get("delivered") is True for one in results):
        raise typer.Exit(1)
