"""Blocks and limits from a shell: `block` and `limit`, each `add`, `list`, `remove`, over the admin API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    remove_each,
    run,
    tell_unstored,
    until,
    word,
)
from proxy.errors import Invalid
from proxy.model.record import Json
from proxy.subjects import SubjectName

SubjectArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT", help="`user:ID`, `key:NAME`, `ip:ADDRESS`, `ip:RANGE`, `region:CC` or `app:NAME`."
    ),
]
WhichArgument = Annotated[
    str, typer.Argument(metavar="ID|SUBJECT", help="Its id, or a subject to take all of.")
]
RateArgument = Annotated[
    str, typer.Argument(metavar="RATE", help="So many calls in any such time: `10/minute`, `500/12 hours`.")
]

app_block = typer.Typer(name="block", no_args_is_help=True)
app_limit = typer.Typer(name="limit", no_args_is_help=True)


@app_block.callback()
def _block() -> None:
    """Block callers of a running proxy: their new exchanges are refused with 403, at every level of the dial.

    Example: guardrail-proxy block add ip:203.0.113.0/24 --reason "INC-42: probing" --ttl 2h
    """


@app_limit.callback()
def _limit() -> None:
    """Limit how often callers of a running proxy may call: what is too much gets 429 and when to come again.

    Example: guardrail-proxy limit add app:shop 100/minute --reason "INC-42: runaway loop" --ttl 2h
    """


@app_block.command("add")
def add_block(
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
    _add("block", {"subject": subject, "reason": reason}, ttl, admin, token_file, json=json)


@app_limit.command("add")
def add_limit(
    subject: SubjectArgument,
    rate: RateArgument,
    reason: ReasonOption,
    ttl: TtlOption = None,
    admin: AdminOption = DEFAULT_ADMIN,
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Limit a subject: all its calls together, in any time of that length.

    Example: guardrail-proxy limit add user:4711 10/minute --reason "INC-42: too eager" --ttl 1d
    """
    _add("limit", {"subject": subject, "rate": rate, "reason": reason}, ttl, admin, token_file, json=json)


@app_block.command("list")
def list_blocks(
    admin: AdminOption = DEFAULT_ADMIN, token_file: TokenOption = None, json: JsonOption = False
) -> None:
    """Who is blocked, by whom, until when and why.

    Example: guardrail-proxy block list
    """
    _list("block", "Nobody is blocked.", admin, token_file, json=json)


@app_limit.command("list")
def list_limits(
    admin: AdminOption = DEFAULT_ADMIN, token_file: TokenOption = None, json: JsonOption = False
) -> None:
    """Who is limited to what, by whom, until when and why.

    Example: guardrail-proxy limit list
    """
    _list("limit", "Nobody is limited.", admin, token_file, json=json)


@app_block.command("remove")
def remove_block(
    which: WhichArgument,
    reason: ReasonOption,
    admin: AdminOption = DEFAULT_ADMIN,
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Take a block away, or all blocks of a subject.

    Example: guardrail-proxy block remove user:4711 --reason "INC-42: it was a test of ours"
    """
    _remove("block", which, reason, admin, token_file, json=json)


@app_limit.command("remove")
def remove_limit(
    which: WhichArgument,
    reason: ReasonOption,
    admin: AdminOption = DEFAULT_ADMIN,
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Take a limit away, or all limits of a subject.

    Example: guardrail-proxy limit remove user:4711 --reason "INC-42: over"
    """
    _remove("limit", which, reason, admin, token_file, json=json)


def _add(
    kind: str, asked: dict[str, Json], ttl: str | None, admin: str, token_file: Path | None, *, json: bool
) -> None:
    if ttl is not None:
        asked["ttl"] = ttl
    body = run(admin, token_file, lambda api: api.call("POST", f"/admin/v1/{kind}s", body=asked))
    if json:
        print_json(body)
        return
    expires, rate = word(body, "expires"), word(body, "rate")
    done = f" is limited to {rate}" if rate else " is blocked"
    ends = f", {until(expires)}" if expires else ""
    out().print(Text.assemble(plain(body, "subject"), done, ends, "; its id is ", plain(body, "id"), "."))
    tell_unstored(body)


def _list(kind: str, none: str, admin: str, token_file: Path | None, *, json: bool) -> None:
    body = run(admin, token_file, lambda api: api.call("GET", f"/admin/v1/{kind}s"))
    if json:
        print_json(body)
        return
    found = objects(body, f"{kind}s")
    if not found:
        out().print(none)
        return
    rates = ("Rate",) if kind == "limit" else ()
    table = Table("Id", "Subject", *rates, "By", "Since", "Expires", "Reason")
    for one in found:
        expires = word(one, "expires")
        table.add_row(
            plain(one, "id"), plain(one, "subject"), *(plain(one, "rate") for _ in rates), plain(one, "actor"),
            local(word(one, "since")), until(expires) if expires else "never", plain(one, "reason"),
        )  # fmt: skip
    out().print(table)


def _remove(kind: str, which: str, reason: str, admin: str, token_file: Path | None, *, json: bool) -> None:
    body = remove_each(admin, token_file, f"/admin/v1/{kind}s/", lambda api: _ids(api, kind, which), reason)
    if json:
        print_json(body)
        return
    for one in objects(body, "removed"):
        out().print(
            Text.assemble(f"The {kind} ", plain(one, "id"), " of ", plain(one, "subject"), " is gone.")
        )


def _ids(api: AdminClient, kind: str, which: str) -> list[str]:
    if ":" not in which:
        return [which]
    try:
        subject = str(SubjectName.parse(which))
    except Invalid as error:
        raise CallFailed(str(error), usage=True) from None
    found = objects(api.call("GET", f"/admin/v1/{kind}s"), f"{kind}s")
    ids = [word(one, "id") for one in found if word(one, "subject") == subject]
    if not ids:
        raise CallFailed(f"there is no {kind} of {subject}", f"See `guardrail-proxy {kind} list`.")
    return ids
