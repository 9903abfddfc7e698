"""The dial from a shell: `dial show`, `set`, `clear`, `effective`, and `changes`, over the admin API."""

from __future__ import annotations

from collections.abc import Mapping
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
    level_text,
    local,
    objects,
    out,
    over_admin,
    plain,
    tell_unstored,
    word,
)
from proxy.model.record import Json

app_dial = typer.Typer(name="dial", no_args_is_help=True)

ScopeOption = Annotated[
    str, typer.Option("--scope", metavar="SCOPE", help="`global`, `model:NAME` or `app:NAME`.")
]


@app_dial.callback()
def _dial() -> None:
    """Turn the containment dial of a running proxy.

    Levels: open (rules watch, nothing is enforced), guarded (the default), degraded (less goes to the model),
    restricted (the same, and only for who is on a list), killed (the model is off).

    Example: guardrail-proxy dial set killed --scope global --reason "INC-42: leaking keys"
    """


@app_dial.command()
@over_admin
def show(caller: Caller) -> None:
    """Every setting of the dial: what holds where, who set it, until when and why.

    Example: guardrail-proxy dial show
    """
    body = caller.call("GET", "/admin/v1/dial")
    settings = objects(body, "settings")
    if not settings:
        out().print(Text.assemble("Nothing is set: every exchange is at ", level_text("guarded"), "."))
        return
    rows = table("Scope", "Level", *HELD)
    for one in settings:
        rows.add_row(plain(one, "scope"), level_text(word(one, "level")), *held(one))
    out().print(rows)
    out().print("The strictest setting that matches an exchange holds; with none it is at guarded.")


@app_dial.command("set")
@over_admin
def set_level(
    caller: Caller,
    level: Annotated[
        str, typer.Argument(metavar="LEVEL", help="open, guarded, degraded, restricted or killed.")
    ],
    scope: ScopeOption,
    reason: ReasonOption,
    ttl: TtlOption = None,
) -> None:
    """Set your level at a scope, for new exchanges and for those under way.

    Example: guardrail-proxy dial set killed --scope model:support-bot --reason "leaks keys" --ttl 30m
    """
    body = caller.call("PUT", _path(scope), {"level": level, "reason": reason, "ttl": ttl})
    set_to = word(body, "level")
    out().print(Text.assemble(plain(body, "scope"), " is set to ", level_text(set_to), ends(body), "."))
    doubt = word(body, "doubt")
    if doubt:
        typer.echo(f"WARNING: is that the right name? {doubt}", err=True)
    _tell_rest(body, set_to)


@app_dial.command()
@over_admin
def clear(
    caller: Caller,
    scope: ScopeOption,
    reason: ReasonOption,
) -> None:
    """Take the setting that people made at a scope away: back to the default, or to what else is set.

    Example: guardrail-proxy dial clear --scope model:support-bot --reason "fixed, see INC-42"
    """
    body = caller.call("DELETE", _path(scope), {"reason": reason})
    if body.get("changed") is False:
        out().print(Text.assemble("Nobody had set ", plain(body, "scope"), ": nothing was changed."))
    else:
        out().print(Text.assemble(plain(body, "scope"), " is cleared."))
    _tell_rest(body, "guarded")


@app_dial.command()
@over_admin
def effective(
    caller: Caller,
    model: Annotated[str | None, typer.Option("--model", help="The model's name.")] = None,
    app: Annotated[str | None, typer.Option("--app", help="The app's name.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="The user's name.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="The client key's name.")] = None,
    ip: Annotated[str | None, typer.Option("--ip", help="The caller's address.")] = None,
    region: Annotated[str | None, typer.Option("--region", help="The caller's region.")] = None,
) -> None:
    """What would hold for an exchange of that model, app and caller, and which setting decides.

    Example: guardrail-proxy dial effective --model support-bot --app shop
    """
    query = {"model": model, "app": app, "user": user, "key": key, "ip": ip, "region": region}
    body = caller.find("/admin/v1/dial/effective", query)
    setting = body.get("setting")
    why: Text | str = "by default: no setting matches"
    if isinstance(setting, dict):
        why = Text.assemble(
            plain(setting, "scope"), ", set by ", plain(setting, "actor"), ": ", plain(setting, "reason")
        )
    out().print(Text.assemble(level_text(word(body, "level")), " (", why, ")"))
    rollback = body.get("rollback")
    if isinstance(rollback, dict):
        served = Text.assemble(
            "served as ", plain(body, "version"), ": rolled back by ", plain(rollback, "actor")
        )
        out().print(Text.assemble(served, ": ", plain(rollback, "reason")))
    for one in objects(body, "limits"):
        who = Text.assemble(plain(one, "subject"), " to ", plain(one, "rate"), " by ", plain(one, "actor"))
        out().print(Text.assemble("limited: ", who, ": ", plain(one, "reason"), " (", plain(one, "id"), ")"))
    for one in objects(body, "blocks"):
        who = Text.assemble(plain(one, "subject"), " is blocked by ", plain(one, "actor"))
        out().print(Text.assemble("refused: ", who, ": ", plain(one, "reason"), " (", plain(one, "id"), ")"))


@over_admin
def changes(
    caller: Caller,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, the newest first.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="`next` of the page before.")] = None,
) -> None:
    """Who changed what, when and why, the newest first.

    Example: guardrail-proxy changes --limit 20
    """
    body = caller.find("/admin/v1/changes", {"limit": str(limit), "cursor": cursor})
    lines = objects(body, "changes")
    if not lines:
        out().print("Nothing was ever changed.")
        return
    rows = table("At", "By", "Action", "Scope", "Before", "After", "Reason")
    for one in lines:
        rows.add_row(
            local(word(one, "at")), plain(one, "actor"), plain(one, "action"), plain(one, "scope"),
            level_text(word(one, "before") or "-"), level_text(word(one, "after") or "-"), plain(one, "reason"),
        )  # fmt: skip
    out().print(rows)
    following = body.get("next")
    if isinstance(following, str):
        out().print(f"There are more: --cursor {following}")


def _tell_rest(body: Mapping[str, Json], expected: str) -> None:
    holds = word(body, "holds")
    if holds and holds != expected:
        out().print(
            Text.assemble(
                "Another setting keeps the scope at ", level_text(holds), ": see `guardrail-proxy dial show`."
            )
        )
    tell_unstored(body)


def _path(scope: str) -> str:
    return f"/admin/v1/dial/{quote(scope, safe='')}"
