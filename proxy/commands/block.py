"""Blocks from a shell: `block add`, `list`, `remove`, over the admin API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

import typer
from rich.table import Table
from rich.text import Text

from proxy.commands.admin_client import DEFAULT_ADMIN, AdminClient, CallFailed
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
from proxy.dial.restraint import SubjectName
from proxy.dial.setting import Invalid
from proxy.model.record import Json

SubjectArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT", help="`user:ID`, `key:NAME`, `ip:ADDRESS`, `ip:RANGE`, `region:CC` or `app:NAME`."
    ),
]

app_block = typer.Typer(name="block", help="Block callers of a running proxy.", no_args_is_help=True)


@app_block.callback()
def _block() -> None:
    """Block callers of a running proxy: their new exchanges are refused with 403, at every level of the dial.

    Example: guardrail-proxy block add ip:203.0.113.0/24 --reason "INC-42: probing" --ttl 2h
    """


@app_block.command()
def add(
    subject: SubjectArgument,
    reason: ReasonOption,
    ttl: TtlOption = None,
    admin: AdminOption = DEFAULT_ADMIN,
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Block a subject.

    Example: guardrail-proxy block add user:4711 --reason "INC-42: jailbreaks" --ttl 1d
    """
    asked: dict[str, Json] = {"subject": subject, "reason": reason, **({} if ttl is None else {"ttl": ttl})}
    body = run(admin, token_file, lambda api: api.call("POST", "/admin/v1/blocks", body=asked))
    if json:
        print_json(body)
        return
    expires = word(body, "expires")
    ends = f", {until(expires)}" if expires else ""
    out().print(
        Text.assemble(plain(body, "subject"), " is blocked", ends, "; its id is ", plain(body, "id"), ".")
    )
    tell_unstored(body)


@app_block.command("list")
def show(
    admin: AdminOption = DEFAULT_ADMIN, token_file: TokenOption = None, json: JsonOption = False
) -> None:
    """Who is blocked, by whom, until when and why.

    Example: guardrail-proxy block list
    """
    body = run(admin, token_file, lambda api: api.call("GET", "/admin/v1/blocks"))
    if json:
        print_json(body)
        return
    blocks = objects(body, "blocks")
    if not blocks:
        out().print("Nobody is blocked.")
        return
    table = Table("Id", "Subject", "By", "Since", "Expires", "Reason")
    for one in blocks:
        expires = word(one, "expires")
        table.add_row(
            plain(one, "id"), plain(one, "subject"), plain(one, "actor"), local(word(one, "since")),
            until(expires) if expires else "never", plain(one, "reason"),
        )  # fmt: skip
    out().print(table)


@app_block.command()
def remove(
    which: Annotated[
        str, typer.Argument(metavar="ID|SUBJECT", help="The block's id, or a subject to take all blocks of.")
    ],
    reason: ReasonOption,
    admin: AdminOption = DEFAULT_ADMIN,
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Take a block away, or all blocks of a subject.

    Example: guardrail-proxy block remove user:4711 --reason "INC-42: it was a test of ours"
    """

    def take(api: AdminClient) -> Mapping[str, Json]:
        path = "/admin/v1/blocks/"
        gone = [
            api.call("DELETE", path + quote(id, safe=""), body={"reason": reason}) for id in _ids(api, which)
        ]
        return {"removed": gone}

    body = run(admin, token_file, take)
    if json:
        print_json(body)
        return
    for one in objects(body, "removed"):
        out().print(Text.assemble("The block ", plain(one, "id"), " of ", plain(one, "subject"), " is gone."))


def _ids(api: AdminClient, which: str) -> list[str]:
    if ":" not in which:
        return [which]
    try:
        subject = str(SubjectName.parse(which))
    except Invalid as error:
        raise CallFailed(str(error), usage=True) from None
    blocks = objects(api.call("GET", "/admin/v1/blocks"), "blocks")
    ids = [word(one, "id") for one in blocks if word(one, "subject") == subject]
    if not ids:
        raise CallFailed(f"{subject} is not blocked", "`guardrail-proxy block list` shows who is.")
    return ids
