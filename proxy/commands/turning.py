"""What the commands that turn things over the admin API share: their options, and how they speak."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import quote

import typer
from rich.console import Console
from rich.text import Text

from proxy import jsonio
from proxy.commands.admin_client import TOKEN_ENV, AdminClient, CallFailed, connect
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
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why, in one line; kept on the trail of changes.")
]
TtlOption = Annotated[
    str | None, typer.Option("--ttl", help="Until it ends by itself: 90s, 30m, 2h, 7d. Without: never.")
]


def run(admin: str, token_file: Path | None, ask: Callable[[AdminClient], T]) -> T:
    try:
        return ask(connect(admin, token_file))
    except CallFailed as error:
        typer.echo(f"guardrail-proxy: {error}", err=True)
        if error.hint:
            typer.echo(f"  {error.hint}", err=True)
        raise typer.Exit(2 if error.usage else 1) from None


def remove_each(
    admin: str,
    token_file: Path | None,
    path: str,
    ids: Callable[[AdminClient], Sequence[str]],
    reason: str,
) -> Mapping[str, Json]:
    """Delete each of what `ids` finds below that path; the answers stand under `removed`."""

    def take(api: AdminClient) -> Mapping[str, Json]:
        return {
            "removed": [
                api.call("DELETE", path + quote(id, safe=""), body={"reason": reason}) for id in ids(api)
            ]
        }

    return run(admin, token_file, take)


def tell_unstored(body: Mapping[str, Json]) -> None:
    """Warn where what was asked for holds and would not outlive a restart."""
    if body.get("durable") is False:
        typer.echo(
            "WARNING: it holds now but could not be stored, so a restart would lose it. The proxy keeps trying;"
            " is the disk of data_dir full or read-only?",
            err=True,
        )


def out() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def print_json(body: Mapping[str, Json]) -> None:
    typer.echo(jsonio.dumps(body))


def objects(body: Mapping[str, Json], key: str) -> list[Mapping[str, Json]]:
    value = body.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def word(body: Mapping[str, Json], key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""


def plain(body: Mapping[str, Json], key: str) -> Text:
    """Text that people wrote, so that its brackets are not read as markup."""
    return Text(word(body, key))


def level_text(word: str) -> Text:
    return Text(word, style=_STYLES.get(word, ""))


def local(moment: str) -> str:
    try:
        return datetime.fromisoformat(moment).astimezone().isoformat(sep=" ", timespec="seconds")
    except ValueError:
        return moment


def until(moment: str) -> str:
    """`for another 29 m, until 2027-01-01 03:17:00+00:00`."""
    try:
        left_s = (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return moment
    minutes, seconds = divmod(max(0, round(left_s)), 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours} h {minutes} m" if hours else f"{minutes} m {seconds} s" if minutes else f"{seconds} s"
    return f"for another {left}, until {local(moment)}"
