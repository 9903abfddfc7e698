"""The dial of a whole proxy: kill -9 at any moment, a disk that takes nothing, ten operators at once."""

from __future__ import annotations

import asyncio
import json
import resource
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from proxy.settings import Address, Admin, Token
from tests.fakes import Pause, ScriptedBackend, Sse
from tests.scenario.harness import post, proxy_for
from tests.scenario.test_crash import CHAT, Process
from tests.scenario.test_dial import STATIC
from tests.scenario.test_no_leak import chat_frames
from tests.waits import read_until, within

OPERATORS = 10
WINS = 3
"""How often each of the operators turns the dial."""


class Operated(Process):
    """A proxy in a process, and the operator of its admin API."""

    def __init__(self, folder: Path, backend_url: str) -> None:
        super().__init__(folder, backend_url)
        self._token = folder / "data" / "admin.token"

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self._token.read_text().strip()}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.request(method, f"{self.admin}/admin/v1{path}", json=body) as answer:
                return answer.status, await answer.json()

    async def turn(self, level: str, reason: str = "x") -> tuple[int, Any]:
        return await self.call("PUT", "/dial/global", {"level": level, "reason": reason})

    async def holds(self) -> tuple[str, str] | None:
        """The level that is set and its reason."""
        _, body = await self.call("GET", "/dial")
        return (body["settings"][0]["level"], body["settings"][0]["reason"]) if body["settings"] else None

    def fill_disk(self, *, full: bool) -> None:
        """Have the system refuse every byte that the process writes to a file, as a full disk does; or none."""
        hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (0 if full else hard, hard))


@pytest.mark.parametrize("turns", [1, 2, 5, 12])
async def test_kill_9_between_two_turns_or_within_one_leaves_the_last_answered(
    turns: int, tmp_path: Path
) -> None:
    async with ScriptedBackend([]) as backend:
        process = Operated(tmp_path, backend.url)
        await process.start()
        levels = ("killed", "guarded", "open")
        for number in range(turns):
            status, body = await process.turn(levels[number % 3], f"turn {number}")
            assert (status, body["durable"]) == (200, True)
        under_way = asyncio.ensure_future(process.turn(levels[turns % 3], f"turn {turns}"))
        await asyncio.sleep(0)
        await process.kill()
        answered = not isinstance((await asyncio.gather(under_way, return_exceptions=True))[0], BaseException)
        await process.start()
        found = await process.holds()
        assert found is not None
        last = (levels[(turns - 1) % 3], f"turn {turns - 1}")
        under = (levels[turns % 3], f"turn {turns}")
        assert found == under if answered else found in (last, under)
        _, trail = await process.call("GET", "/changes")
        reasons = [one["reason"] for one in trail["changes"]][::-1]
        assert reasons == [f"turn {number}" for number in range(int(found[1].split()[1]) + 1)]
        assert await process.stop() == 0


async def test_on_a_disk_that_takes_nothing_a_kill_holds_and_is_durable_once_it_does(tmp_path: Path) -> None:
    frames = list(chat_frames(["All is well here. And it goes on."]))
    async with ScriptedBackend([Sse(frames[:2], end=False), Pause()]) as backend:
        process = Operated(tmp_path, backend.url)
        await process.start()
        url = f"{process.url}/v1/chat/completions"
        async with aiohttp.ClientSession() as session:
            async with session.post(url, json={**CHAT, "stream": True}) as streaming:
                read = bytearray()
                await read_until(streaming.content, read, lambda: read)  # its beginning is on the log
                process.fill_disk(full=True)
                status, body = await process.turn("killed", "INC-42")
                assert (status, body["durable"], body["holds"]) == (200, False, "killed")
                assert STATIC in str(await within(streaming.read()))
        waiting = await post(url, CHAT)
        assert (waiting.status, waiting.json["error"]["code"]) == (503, "log_unavailable")
        assert len(backend.requests) == 1
        status, refused = await process.turn("guarded")
        assert (status, refused["error"]["code"]) == (503, "not_durable")
        assert await process.holds() == ("killed", "INC-42")
        process.fill_disk(full=False)
        await stored(process)
        await process.kill()
        await process.start()
        assert await process.holds() == ("killed", "INC-42"), "it was durable by then"
        static = await post(f"{process.url}/v1/chat/completions", CHAT)
        assert static.json["choices"][0]["message"]["content"] == STATIC
        outcomes = [record["outcome"] for record in await process.log()]
        assert outcomes == ["killed", "refused", "killed"]
        assert len(backend.requests) == 1
        assert await process.stop() == 0


async def stored(process: Operated) -> None:
    """Wait until what holds is stored, and the log is well."""
    async with asyncio.timeout(20):
        while True:
            _, status = await process.call("GET", "/status")
            if status["dial"]["unstored_changes"] == 0 and status["log"]["healthy"]:
                return
            await asyncio.sleep(0.02)  # the disk comes back behind the test's back


async def test_of_ten_operators_exactly_one_wins_each_version(tmp_path: Path) -> None:
    tokens = tuple(Token(f"op{n}", "operator", SecretStr(f"secret-{n}-{'x' * 20}")) for n in range(OPERATORS))
    admin = Admin(listen=Address("127.0.0.1", 0), tokens=tokens)
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url, admin=admin) as proxy:

        async def operate(number: int) -> list[int]:
            """Turn it until it was turned so often; the versions that were won."""
            won: list[int] = []
            headers = {"authorization": f"Bearer {tokens[number].token.get_secret_value()}"}
            url = f"{proxy.admin}/admin/v1/dial"
            async with aiohttp.ClientSession(headers=headers) as session:
                while len(won) < WINS:
                    async with session.get(url) as answer:
                        tag, seen = answer.headers["etag"], (await answer.json())["version"]
                    level = ("killed", "guarded", "open")[len(won) % 3]
                    body = {"level": level, "reason": f"op{number} after {seen}"}
                    async with session.put(f"{url}/global", json=body, headers={"if-match": tag}) as answer:
                        turned = await answer.json()
                        assert answer.status in (200, 412), turned
                        if answer.status == 200:
                            assert turned["version"] == seen + 1
                            won.append(turned["version"])
            return won

        won = await asyncio.gather(*(operate(number) for number in range(OPERATORS)))
        assert sorted(version for versions in won for version in versions) == list(
            range(1, OPERATORS * WINS + 1)
        )
        headers = {"authorization": f"Bearer {tokens[0].token.get_secret_value()}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.get(f"{proxy.admin}/admin/v1/changes") as answer:
                trail = json.loads(await answer.text())["changes"]
        held: list[tuple[str, str]] = []
        for one in reversed(trail):
            if one["action"] == "dial.set":
                held.append((one["actor"], one["reason"]))
            else:  # a loosening that was overtaken while it was being stored, and never held
                assert one["action"] == "dial.withdraw"
                held.remove(next(entry for entry in reversed(held) if entry[0] == one["actor"]))
        by_version = {version: number for number, versions in enumerate(won) for version in versions}
        winners = [f"op{by_version[version]}" for version in range(1, OPERATORS * WINS + 1)]
        assert held == [(name, f"{name} after {version}") for version, name in enumerate(winners)]
