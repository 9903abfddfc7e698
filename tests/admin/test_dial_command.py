"""The real commands, as processes, against a real admin listener."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from aiohttp import web
from rich.console import Console

from proxy.commands.admin_client import CallFailed, connect
from proxy.commands.options import table
from proxy.commands.turning import HELD, held
from proxy.settings import Role
from tests.admin.conftest import TOKENS, Admin
from tests.fakes import refused_url

ROOT = Path(__file__).parents[2]


ONLY_THESE = """
import typer
from proxy.commands import dial, patch, rollback, subjects
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.add_typer(dial.app_dial, name="dial")
app.add_typer(subjects.app_block, name="block")
app.add_typer(subjects.app_limit, name="limit")
app.add_typer(rollback.app_rollback, name="rollback")
app.add_typer(patch.app_patch, name="patch")
app.command()(dial.changes)
app()
"""


@dataclass
class Ran:
    status: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the command is started."""
    where = tmp_path / "cwd"
    where.mkdir()
    return where


async def run(
    folder: Path,
    *words: str,
    admin: str | None = None,
    role: Role | None = "operator",
    whole: bool = False,
    **env: str,
) -> Ran:
    """One command, with the token of that role in its environment. `whole` loads every other command too, as
    the installed script does."""
    token = {"GUARDRAIL_ADMIN_TOKEN": TOKENS[role]} if role is not None else {}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(("-m", "proxy.cli") if whole else ("-c", ONLY_THESE)),
        *words,
        *(("--admin", admin) if admin is not None else ()),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TZ": "UTC", **token, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    ran = Ran(process.returncode or 0, out.decode(), err.decode())
    assert "Traceback" not in ran.err
    assert all(secret not in ran.out + ran.err for secret in TOKENS.values())
    return ran


async def test_set_show_effective_clear_and_changes(admin: Admin, folder: Path) -> None:
    reason = "INC-42: [bold]leaks[/bold] keys"
    words = ("--scope", "model:org/bot", "--reason", reason)
    done = await run(folder, "dial", "set", "killed", *words, "--ttl", "30m", admin=admin.url)
    assert done.status == 0, done.err
    assert done.out.startswith("model:org/bot is set to killed, for another ")
    assert done.err.startswith("WARNING: is that the right name? no model `org/bot` is in the settings")

    shown = await run(folder, "dial", "show", admin=admin.url)
    for word in ("model:org/bot", "killed", "operator-token", reason):
        assert word in shown.out
    as_json = json.loads((await run(folder, "dial", "show", "--json", admin=admin.url)).out)
    assert [one["scope"] for one in as_json["settings"]] == ["model:org/bot"]

    asked = await run(folder, "dial", "effective", "--model", "org/bot", admin=admin.url)
    assert asked.out == f"killed (model:org/bot, set by operator-token: {reason})\n"

    words = ("--scope", "model:org/bot", "--reason", "fixed")
    cleared = await run(folder, "dial", "clear", *words, admin=admin.url)
    assert cleared.out == "model:org/bot is cleared.\n"
    again = await run(folder, "dial", "clear", *words, "--json", admin=admin.url)
    assert json.loads(again.out)["changed"] is False

    trail = await run(folder, "changes", "--limit", "1", admin=admin.url)
    assert "dial.clear" in trail.out
    assert "There are more: --cursor s" in trail.out
    trail = await run(folder, "changes", "--json", admin=admin.url)
    assert [one["action"] for one in json.loads(trail.out)["changes"]] == ["dial.clear", "dial.set"]


async def test_the_installed_command_has_them(admin: Admin, folder: Path) -> None:
    words = ("--scope", "global", "--reason", "x")
    done = await run(folder, "dial", "set", "killed", *words, admin=admin.url, whole=True)
    assert (done.status, done.out) == (0, "global is set to killed.\n")


async def test_an_empty_dial_is_said_in_words(admin: Admin, folder: Path) -> None:
    assert (
        await run(folder, "dial", "show", admin=admin.url)
    ).out == "Nothing is set: every exchange is at guarded.\n"
    assert (
        await run(folder, "dial", "effective", admin=admin.url)
    ).out == "guarded (by default: no setting matches)\n"


async def test_a_kill_that_is_not_durable_warns_and_is_done(admin: Admin, folder: Path) -> None:
    admin.store.broken = True
    done = await run(folder, "dial", "set", "killed", "--scope", "global", "--reason", "x", admin=admin.url)
    assert (done.status, done.out) == (0, "global is set to killed.\n")
    assert "could not be stored" in done.err


async def test_a_loosening_that_is_not_durable_fails(admin: Admin, folder: Path) -> None:
    words = ("--scope", "global", "--reason", "x")
    await run(folder, "dial", "set", "killed", *words, admin=admin.url)
    admin.store.broken = True
    done = await run(folder, "dial", "set", "guarded", *words, admin=admin.url)
    assert (done.status, done.out) == (1, "")
    assert "not_durable" in done.err


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("set", "dead", "--scope", "global", "--reason", "x"), 2, "invalid_level"),
        (("set", "killed", "--scope", "user:1", "--reason", "x"), 2, "invalid_scope"),
        (("set", "killed", "--scope", "global", "--reason", " "), 2, "reason_required"),
        (("set", "killed", "--scope", "global", "--reason", "x", "--ttl", "soon"), 2, "invalid_ttl"),
        (("set", "killed", "--scope", "global"), 2, "--reason"),
        (("set", "killed", "--reason", "x"), 2, "--scope"),
    ],
)
async def test_wrong_usage_is_2(
    admin: Admin, folder: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    done = await run(folder, "dial", *words, admin=admin.url)
    assert (done.status, done.out) == (status, "")
    assert says in done.err
    assert admin.dial.snapshot().settings == ()


async def test_a_wrong_or_missing_or_weak_token_is_one_line_and_a_hint(admin: Admin, folder: Path) -> None:
    done = await run(folder, "dial", "show", admin=admin.url, role=None)
    assert (done.status, done.out) == (1, "")
    assert "unauthenticated" in done.err
    assert "Set GUARDRAIL_ADMIN_TOKEN" in done.err
    done = await run(folder, "dial", "show", admin=admin.url, role=None, GUARDRAIL_ADMIN_TOKEN="of-yesterday")
    assert (done.status, done.out) == (1, "")
    assert "It does not know the token of GUARDRAIL_ADMIN_TOKEN" in done.err
    words = ("--scope", "global", "--reason", "x")
    done = await run(folder, "dial", "set", "killed", *words, admin=admin.url, role="viewer")
    assert done.status == 1
    assert "this needs the role operator" in done.err
    assert len(done.err.splitlines()) == 2


async def test_the_token_comes_from_a_file_or_from_a_proxy_in_this_folder(admin: Admin, folder: Path) -> None:
    elsewhere = folder / "my.token"
    elsewhere.write_text(TOKENS["viewer"] + "\n")
    done = await run(folder, "dial", "show", "--token-file", str(elsewhere), admin=admin.url, role=None)
    assert done.status == 0, done.err
    (folder / "data").mkdir()
    elsewhere.rename(folder / "data" / "admin.token")
    assert (await run(folder, "dial", "show", admin=admin.url, role=None)).status == 0
    done = await run(folder, "dial", "show", "--token-file", "no-such-file", admin=admin.url)
    assert (done.status, done.err) == (1, "guardrail-proxy: no-such-file: No such file or directory\n")


@pytest.mark.parametrize(("holds", "says"), [("", "is empty"), ("two words", "characters that no token has")])
def test_a_file_that_holds_no_token_is_named(tmp_path: Path, holds: str, says: str) -> None:
    file = tmp_path / "my.token"
    file.write_text(holds + "\n")
    with pytest.raises(CallFailed, match=f"my.token .*{says}"):
        connect("http://127.0.0.1:8081", file)


async def test_a_listener_without_tls_is_said_to_be_one(admin: Admin) -> None:
    api = connect(admin.url.replace("http:", "https:"), None)
    with pytest.raises(CallFailed, match="speaks no TLS"):
        await asyncio.to_thread(api.call, "GET", "/admin/v1/dial")


def test_no_word_of_a_table_is_lost_on_a_narrow_terminal() -> None:
    rows = table("Id", "Subject", *HELD)
    subject, reason = "ip:2001:db8:0:0:1234::/80", "INC-42: " + "probing " * 12
    one = {"actor": "oncall-of-the-night", "since": "2027-01-15T03:17:00Z", "expires": None, "reason": reason}
    rows.add_row("2aed947a", subject, *held(one))
    with StringIO() as shown:
        Console(file=shown, width=80).print(rows)
        text = shown.getvalue()
    assert "…" not in text
    assert "2aed947a" in text
    assert sum(text.count(char) for char in ":/") >= subject.count(":") + 1
    assert text.count("probing") == 12


async def test_proxy_variables_of_the_environment_do_not_catch_calls_to_this_machine(
    admin: Admin, folder: Path
) -> None:
    with refused_url() as nowhere:
        done = await run(folder, "dial", "show", admin=admin.url, http_proxy=nowhere, all_proxy=nowhere)
    assert done.status == 0, done.err


async def test_a_proxy_that_does_not_run(folder: Path) -> None:
    with refused_url() as nowhere:
        done = await run(folder, "dial", "show", admin=nowhere)
    assert done.status == 1
    assert "nothing listens there" in done.err
    assert len(done.err.splitlines()) == 2


@pytest.mark.parametrize(
    "url", ["localhost:8081", "ftp://localhost", "http://", "http://localhost:x", "http://h/path"]
)
async def test_what_is_no_admin_url_is_wrong_usage(folder: Path, url: str) -> None:
    done = await run(folder, "dial", "show", admin=url)
    assert done.status == 2
    assert "is no admin URL" in done.err


@pytest.fixture
async def stranger() -> AsyncIterator[tuple[str, list[str]]]:
    """Another HTTP server: pages at /admin/v1/dial, redirects elsewhere. Its URL, and the tokens it was sent."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", ""))
        if request.path == "/admin/v1/dial":
            return web.Response(text="<html>welcome</html>", content_type="text/html")
        if request.path == "/admin/v1/dial/effective":
            raise web.HTTPFound("/admin/v1/caught")
        return web.json_response({"detail": "teapot"}, status=418)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    await runner.cleanup()


async def test_what_is_no_admin_api_is_named_as_that_and_redirects_are_not_followed(
    stranger: tuple[str, list[str]], folder: Path
) -> None:
    url, seen = stranger
    for words in (("dial", "show"), ("dial", "effective"), ("changes",)):
        done = await run(folder, *words, admin=url)
        assert done.status == 1
        assert "is not a proxy's admin API" in done.err
    assert len(seen) == 3
