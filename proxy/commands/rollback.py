"""Rollbacks from a shell: `rollback set`, `list`, `clear`, over the admin API."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer
from rich.table import Table
from rich.text import Text

from proxy.commands.admin_client import DEFAULT_ADMIN
from proxy.commands.turning import (
    AdminOption,
    JsonOption,
    ReasonOption,
    TokenOption,
    TtlOption,
    local,
    objects,
    out,
    plain,
    print_json,
    run,
    tell_unstored,
    until,
    word,
)
from proxy.model.record import Json

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="The model's public name.")]

app_rollback = typer.Typer(name="rollback", no_args_is_help=True)


@app_rollback.callback()
def _rollback() -> None:
    """Serve another version of a model than the settings say, from the next exchange on.

    Example: guardrail-proxy rollback set support-bot v1 --reason "INC-42: v2 insults" --ttl 12h
    """


@app_rollback.command("set")
def set_version(
    model: ModelArgument,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="One of the model's versions in the settings.")
    ],
    reason: ReasonOption,
    ttl: TtlOption = None,
    admin: AdminOption = DEFAULT_ADMIN,
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Serve that version, under every name of the model.

    Example: guardrail-proxy rollback set support-bot v1 --reason "INC-42: v2 insults"
    """
    asked: dict[str, Json] = {"version": version, "reason": reason, **({} if ttl is None else {"ttl": ttl})}
    body = run(admin, token_file, lambda api: api.call("PUT", _path(model), body=asked))
    if json:
        print_json(body)
        return
    expires, serve = word(body, "expires"), plain(body, "serve")
    ends = f", {until(expires)}" if expires else ""
    served = Text.assemble(plain(body, "model"), " is served as ", plain(body, "version"))
    out().print(Text.assemble(served, " in place of ", serve, ends, "."))
    tell_unstored(body)


@app_rollback.command("list")
def show(
    admin: AdminOption = DEFAULT_ADMIN, token_file: TokenOption = None, json: JsonOption = False
) -> None:
    """Which models are rolled back to what, by whom, until when and why.

    Example: guardrail-proxy rollback list
    """
    body = run(admin, token_file, lambda api: api.call("GET", "/admin/v1/rollbacks"))
    if json:
        print_json(body)
        return
    rollbacks = objects(body, "rollbacks")
    if not rollbacks:
        out().print("No model is rolled back.")
        return
    table = Table("Model", "Version", "By", "Since", "Expires", "Reason")
    for one in rollbacks:
        expires = word(one, "expires")
        gone = "" if one.get("applies") is True else " (not in the settings: without effect)"
        table.add_row(
            plain(one, "model"), Text.assemble(plain(one, "version"), gone), plain(one, "actor"),
            local(word(one, "since")), until(expires) if expires else "never", plain(one, "reason"),
        )  # fmt: skip
    out().print(table)


@app_rollback.command()
def clear(
    model: ModelArgument,
    reason: ReasonOption,
    admin: AdminOption = DEFAULT_ADMIN,
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Serve the version that the settings say again.

    Example: guardrail-proxy rollback clear support-bot --reason "INC-42: v2 is fixed"
    """
    body = run(admin, token_file, lambda api: api.call("DELETE", _path(model), body={"reason": reason}))
    if json:
        print_json(body)
        return
    if body.get("changed") is False:
        out().print(Text.assemble(plain(body, "model"), " was not rolled back: nothing was changed."))
    else:
        out().print(Text.assemble(plain(body, "model"), " is served as ", plain(body, "serve"), " again."))


def _path(model: str) -> str:
    return f"/admin/v1/rollbacks/{quote(model, safe='')}"
