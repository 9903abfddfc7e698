"""Blocks and limits from a shell: `block` and `limit`, each `add`, `list`, `remove`, over the admin API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.text import Text

from proxy.commands.admin_client import AdminClient, CallFailed
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
@over_admin
def add_block(
    caller: Caller,
    subject: SubjectArgument,
    reason: ReasonOption,
    ttl: TtlOption = None,
) -> None:
    """Block a subject.

    Example: guardrail-proxy block add user:4711 --reason "INC-42: jailbreaks" --ttl 1d
    """
    _add(caller, "block", {"subject": subject, "reason": reason, "ttl": ttl})


@app_limit.command("add")
@over_admin
def add_limit(
    caller: Caller,
    subject: SubjectArgument,
    rate: RateArgument,
    reason: ReasonOption,
    ttl: TtlOption = None,
) -> None:
    """Limit a subject: all its calls together, in any time of that length.

    Example: guardrail-proxy limit add user:4711 10/minute --reason "INC-42: too eager" --ttl 1d
    """
    _add(caller, "limit", {"subject": subject, "rate": rate, "reason": reason, "ttl": ttl})


@app_block.command("list")
@over_admin
def list_blocks(caller: Caller) -> None:
    """Who is blocked, by whom, until when and why.

    Example: guardrail-proxy block list
    """
    _list(caller, "block", "Nobody is blocked.")


@app_limit.command("list")
@over_admin
def list_limits(caller: Caller) -> None:
    """Who is limited to what, by whom, until when and why.

    Example: guardrail-proxy limit list
    """
    _list(caller, "limit", "Nobody is limited.")


@app_block.command("remove")
@over_admin
def remove_block(
    caller: Caller,
    which: WhichArgument,
    reason: ReasonOption,
) -> None:
    """Take a block away, or all blocks of a subject.

    Example: guardrail-proxy block remove user:4711 --reason "INC-42: it was a test of ours"
    """
    _remove(caller, "block", which, reason)


@app_limit.command("remove")
@over_admin
def remove_limit(
    caller: Caller,
    which: WhichArgument,
    reason: ReasonOption,
) -> None:
    """Take a limit away, or all limits of a subject.

    Example: guardrail-proxy limit remove user:4711 --reason "INC-42: over"
    """
    _remove(caller, "limit", which, reason)


def _add(caller: Caller, kind: str, asked: Mapping[str, Json]) -> None:
    body = caller.call("POST", f"/admin/v1/{kind}s", asked)
    rate = word(body, "rate")
    done = f" is limited to {rate}" if rate else " is blocked"
    out().print(
        Text.assemble(plain(body, "subject"), done, ends(body), "; its id is ", plain(body, "id"), ".")
    )
    tell_unstored(body)


def _list(caller: Caller, kind: str, none: str) -> None:
    found = objects(caller.call("GET", f"/admin/v1/{kind}s"), f"{kind}s")
    if not found:
        out().print(none)
        return
    rates = ("Rate",) if kind == "limit" else ()
    rows = table("Id", "Subject", *rates, *HELD)
    for one in found:
        rows.add_row(
            plain(one, "id"), plain(one, "subject"), *(plain(one, "rate") for _ in rates), *held(one)
        )
    out().print(rows)


def _remove(caller: Caller, kind: str, which: str, reason: str) -> None:
    for one in caller.remove(f"/admin/v1/{kind}s/", _ids(caller.api, kind, which), reason):
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
