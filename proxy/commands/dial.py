"""The dial from a shell: `dial show`, `set`, `clear`, `effective`, and `changes`, over the admin API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proxy import jsonio
from proxy.commands.admin_client import DEFAULT_ADMIN, TOKEN_ENV, AdminClient, CallFailed, connect
from proxy.model.record import Json

T = TypeVar("T")

_STYLES: Final = {
    "open": "yellow",
    "guarded": "green",
    "degraded": "yellow",
    "restricted": "red",
    "killed": "bold red",
}
_PIPE_WIDTH: Final = 160
"""Columns where the output is no terminal and so has no width of its own."""

app_dial = typer.Typer(
    name="dial", help="Turn the containment dial of a running proxy.", no_args_is_help=True
)

AdminOption = Annotated[
    str, typer.Option("--admin", envvar="GUARDRAIL_ADMIN", metavar="URL", help="The proxy's admin listener.")
]
TokenOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file", help=f"A file with the token; else {TOKEN_ENV}, else data/admin.token in this folder."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the API's JSON instead of text.")]
ScopeOption = Annotated[
    str, typer.Option("--scope", metavar="SCOPE", help="`global`, `model:NAME` or `app:NAME`.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why, in one line; kept on the trail of changes.")
]


@app_dial.callback()
def _dial() -> None:
    """Turn the containment dial of a running proxy.

    Levels: open (rules watch, nothing is enforced), guarded (the default), killed (the model is off).

    Example: guardrail-proxy dial set killed --scope global --reason "INC-42: leaking keys"
    """


@app_dial.command()
def show(
    admin: AdminOption = DEFAULT_ADMIN, token_file: TokenOption = None, json: JsonOption = False
) -> None:
    """Every setting of the dial: what holds where, who set it, until when and why.

    Example: guardrail-proxy dial show
    """
    body = _run(admin, token_file, lambda api: api.call("GET", "/admin/v1/dial"))
    if json:
        _print_json(body)
        return
    settings = _objects(body, "settings")
    if not settings:
        _out().print(Text.assemble("Nothing is set: every exchange is at ", _level("guarded"), "."))
        return
    table = Table("Scope", "Level", "By", "Since", "Expires", "Reason")
    for one in settings:
        expires = _word(one, "expires")
        table.add_row(
            _plain(one, "scope"), _level(_word(one, "level")), _plain(one, "actor"), _local(_word(one, "since")),
            _until(expires) if expires else "never", _plain(one, "reason"),
        )  # fmt: skip
    _out().print(table)
    _out().print("The strictest setting that matches an exchange holds; with none it is at guarded.")


@app_dial.command("set")
def set_level(
    level: Annotated[str, typer.Argument(metavar="LEVEL", help="open, guarded or killed.")],
    scope: ScopeOption,
    reason: ReasonOption,
    ttl: Annotated[
        str | None, typer.Option("--ttl", help="Until it ends by itself: 90s, 30m, 2h, 7d. Without: never.")
    ] = None,
    admin: AdminOption = DEFAULT_ADMIN,
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Set your level at a scope, for new exchanges and for those under way.

    Example: guardrail-proxy dial set killed --scope model:support-bot --reason "leaks keys" --ttl 30m
    """
    asked: dict[str, Json] = {"level": level, "reason": reason}
    if ttl is not None:
        asked["ttl"] = ttl
    body = _run(admin, token_file, lambda api: api.call("PUT", _path(scope), body=asked))
    if json:
        _print_json(body)
        return
    expires = _word(body, "expires")
    set_to = _word(body, "level")
    _out().print(
        Text.assemble(
            _plain(body, "scope"), " is set to ", _level(set_to), f", {_until(expires)}." if expires else "."
        )
    )
    _tell_rest(body, set_to)


@app_dial.command()
def clear(
    scope: ScopeOption,
    reason: ReasonOption,
    admin: AdminOption = DEFAULT_ADMIN,
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Take the setting that people made at a scope away: back to the default, or to what else is set.

    Example: guardrail-proxy dial clear --scope model:support-bot --reason "fixed, see INC-42"
    """
    body = _run(admin, token_file, lambda api: api.call("DELETE", _path(scope), body={"reason": reason}))
    if json:
        _print_json(body)
        return
    if body.get("changed") is False:
        _out().print(Text.assemble("Nobody had set ", _plain(body, "scope"), ": nothing was changed."))
    else:
        _out().print(Text.assemble(_plain(body, "scope"), " is cleared."))
    _tell_rest(body, "guarded")


@app_dial.command()
def effective(
    model: Annotated[str | None, typer.Option("--model", help="The model's name.")] = None,
    app: Annotated[str | None, typer.Option("--app", help="The app's name.")] = None,
    admin: AdminOption = DEFAULT_ADMIN,
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """The level that an exchange of that model and app would have, and which setting decides.

    Example: guardrail-proxy dial effective --model support-bot --app shop
    """
    query = {"model": model, "app": app}
    body = _run(admin, token_file, lambda api: api.call("GET", "/admin/v1/dial/effective", query=query))
    if json:
        _print_json(body)
        return
    setting = body.get("setting")
    why: Text | str = "by default: no setting matches"
    if isinstance(setting, dict):
        why = Text.assemble(
            _plain(setting, "scope"), ", set by ", _plain(setting, "actor"), ": ", _plain(setting, "reason")
        )
    _out().print(Text.assemble(_level(_word(body, "level")), " (", why, ")"))


def changes(
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, the newest first.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="`next` of the page before.")] = None,
    admin: AdminOption = DEFAULT_ADMIN,
    token_file: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Who changed what, when and why, the newest first.

    Example: guardrail-proxy changes --limit 20
    """
    query = {"limit": str(limit), "cursor": cursor}
    body = _run(admin, token_file, lambda api: api.call("GET", "/admin/v1/changes", query=query))
    if json:
        _print_json(body)
        return
    lines = _objects(body, "changes")
    if not lines:
        _out().print("Nothing was ever changed.")
        return
    table = Table("At", "By", "Action", "Scope", "Before", "After", "Reason")
    for one in lines:
        table.add_row(
            _local(_word(one, "at")), _plain(one, "actor"), _plain(one, "action"), _plain(one, "scope"),
            _level(_word(one, "before") or "-"), _level(_word(one, "after") or "-"), _plain(one, "reason"),
        )  # fmt: skip
    _out().print(table)
    following = body.get("next")
    if isinstance(following, str):
        _out().print(f"There are more: --cursor {following}")


def _run(admin: str, token_file: Path | None, ask: Callable[[AdminClient], T]) -> T:
    try:
        return ask(connect(admin, token_file))
    except CallFailed as error:
        typer.echo(f"guardrail-proxy: {error}", err=True)
        if error.hint:
            typer.echo(f"  {error.hint}", err=True)
        raise typer.Exit(2 if error.usage else 1) from None


def _tell_rest(body: Mapping[str, Json], expected: str) -> None:
    holds = _word(body, "holds")
    if holds and holds != expected:
        _out().print(
            Text.assemble(
                "Another setting keeps the scope at ", _level(holds), ": see `guardrail-proxy dial show`."
            )
        )
    if body.get("durable") is False:
        typer.echo(
            "WARNING: it holds now but could not be stored, so a restart would lose it. The proxy keeps trying;"
            " is the disk of data_dir full or read-only?",
            err=True,
        )


def _path(scope: str) -> str:
    return f"/admin/v1/dial/{quote(scope, safe='')}"


def _out() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def _print_json(body: Mapping[str, Json]) -> None:
    typer.echo(jsonio.dumps(body))


def _objects(body: Mapping[str, Json], key: str) -> list[Mapping[str, Json]]:
    value = body.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _word(body: Mapping[str, Json], key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""


def _plain(body: Mapping[str, Json], key: str) -> Text:
    """Text that people wrote, so that its brackets are not read as markup."""
    return Text(_word(body, key))


def _level(word: str) -> Text:
    return Text(word, style=_STYLES.get(word, ""))


def _local(moment: str) -> str:
    try:
        return datetime.fromisoformat(moment).astimezone().isoformat(sep=" ", timespec="seconds")
    except ValueError:
        return moment


def _until(moment: str) -> str:
    """`for another 29 m, until 2027-01-01 03:17:00+00:00`."""
    try:
        left_s = (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return moment
    minutes, seconds = divmod(max(0, round(left_s)), 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours} h {minutes} m" if hours else f"{minutes} m {seconds} s" if minutes else f"{seconds} s"
    return f"for another {left}, until {_local(moment)}"
