"""What the commands that turn things over the admin API share: their options, and how they speak."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import typer
from rich.console import Console
from rich.text import Text

from proxy import jsonio
from proxy.commands.admin_client import DEFAULT_ADMIN, TOKEN_ENV, AdminClient, CallFailed, connect
from proxy.commands.options import option, stands_for
from proxy.model.record import Json

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


@dataclass(frozen=True, slots=True)
class Caller:
    """Who typed a command: the API that they call, and whether they want its JSON."""

    api: AdminClient
    json: bool

    def call(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> Mapping[str, Json]:
        """The API's answer, for the command to put into words; with `--json` it is printed and all is done.
        A body's values that are None are not sent. Raises CallFailed."""
        sent = None if body is None else {key: value for key, value in body.items() if value is not None}
        return self.said(self.api.call(method, path, body=sent))

    def find(self, path: str, query: Mapping[str, str | None]) -> Mapping[str, Json]:
        """The same for a question. Raises CallFailed."""
        return self.said(self.api.call("GET", path, query=query))

    def remove(self, path: str, ids: Iterable[str], reason: str) -> list[Mapping[str, Json]]:
        """Delete each of those below that path; what the API says to each. Raises CallFailed."""
        gone: list[Json] = [
            self.api.call("DELETE", path + quote(id, safe=""), body={"reason": reason}) for id in ids
        ]
        return objects(self.said({"removed": gone}), "removed")

    def said(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        if self.json:
            typer.echo(jsonio.dumps(body))
            raise typer.Exit
        return body


def over_admin(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command call the admin API: in place of its first parameter it takes the options that say where and
    how, after its own; a call that fails is a line, a hint and an exit status."""

    def run(*, admin: str, token_file: Path | None, json: bool, **own: object) -> None:
        try:
            command(Caller(connect(admin, token_file), json), **own)
        except CallFailed as error:
            typer.echo(f"guardrail-proxy: {error}", err=True)
            if error.hint:
                typer.echo(f"  {error.hint}", err=True)
            raise typer.Exit(2 if error.usage else 1) from None

    return stands_for(run, command, _WHERE, led=False)


_WHERE: Final = (
    option("admin", DEFAULT_ADMIN, AdminOption),
    option("token_file", None, TokenOption),
    option("json", False, JsonOption),
)


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


def held(one: Mapping[str, Json]) -> tuple[Text | str, ...]:
    """The cells of what somebody turned: `HELD`."""
    return plain(one, "actor"), local(word(one, "since")), left(word(one, "expires")), plain(one, "reason")


HELD: Final = ("By", "Since", "Ends in", "Reason")


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
    """`2027-01-01 03:17:00`, by the clock on this machine's wall."""
    try:
        return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return moment


def left(moment: str) -> str:
    """How long until then: `29 m 30 s`; `never` for no moment."""
    if not moment:
        return "never"
    try:
        left_s = (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return moment
    minutes, seconds = divmod(max(0, round(left_s)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} m" if hours else f"{minutes} m {seconds} s" if minutes else f"{seconds} s"


def ends(body: Mapping[str, Json]) -> str:
    """`, for another 29 m 30 s, until 2027-01-01 03:17:00+00:00`; nothing for what does not end by itself."""
    moment = word(body, "expires")
    if not moment:
        return ""
    try:
        until = datetime.fromisoformat(moment).astimezone().isoformat(sep=" ", timespec="seconds")
    except ValueError:
        until = moment
    return f", for another {left(moment)}, until {until}"
