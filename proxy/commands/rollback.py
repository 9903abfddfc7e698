"""Rollbacks from a shell: `rollback set`, `list`, `clear`, over the admin API."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer
from rich.text import Text

from proxy.commands.options import table
from proxy.commands.turning import (
    HELD,
    Caller,
    ReasonOption,
    TtlOption,
    ends,
    held,
    objects,
    out,
    over_admin,
    plain,
    tell_unstored,
)

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="The model's public name.")]

app_rollback = typer.Typer(name="rollback", no_args_is_help=True)


@app_rollback.callback()
def _rollback() -> None:
    """Serve another version of a model than the settings say, from the next exchange on.

    Example: guardrail-proxy rollback set support-bot v1 --reason "INC-42: v2 insults" --ttl 12h
    """


@app_rollback.command("set")
@over_admin
def set_version(
    caller: Caller,
    model: ModelArgument,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="One of the model's versions in the settings.")
    ],
    reason: ReasonOption,
    ttl: TtlOption = None,
) -> None:
    """Serve that version, under every name of the model.

    Example: guardrail-proxy rollback set support-bot v1 --reason "INC-42: v2 insults"
    """
    body = caller.call("PUT", _path(model), {"version": version, "reason": reason, "ttl": ttl})
    served = Text.assemble(plain(body, "model"), " is served as ", plain(body, "version"))
    out().print(Text.assemble(served, " in place of ", plain(body, "serve"), ends(body), "."))
    tell_unstored(body)


@app_rollback.command("list")
@over_admin
def show(caller: Caller) -> None:
    """Which models are rolled back to what, by whom, until when and why.

    Example: guardrail-proxy rollback list
    """
    body = caller.call("GET", "/admin/v1/rollbacks")
    rollbacks = objects(body, "rollbacks")
    if not rollbacks:
        out().print("No model is rolled back.")
        return
    rows = table("Model", "Version", *HELD)
    for one in rollbacks:
        gone = "" if one.get("applies") is True else " (not in the settings: without effect)"
        rows.add_row(plain(one, "model"), Text.assemble(plain(one, "version"), gone), *held(one))
    out().print(rows)


@app_rollback.command()
@over_admin
def clear(
    caller: Caller,
    model: ModelArgument,
    reason: ReasonOption,
) -> None:
    """Serve the version that the settings say again.

    Example: guardrail-proxy rollback clear support-bot --reason "INC-42: v2 is fixed"
    """
    body = caller.call("DELETE", _path(model), {"reason": reason})
    if body.get("changed") is False:
        out().print(Text.assemble(plain(body, "model"), " was not rolled back: nothing was changed."))
    else:
        out().print(Text.assemble(plain(body, "model"), " is served as ", plain(body, "serve"), " again."))


def _path(model: str) -> str:
    return f"/admin/v1/rollbacks/{quote(model, safe='')}"
