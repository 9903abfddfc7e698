"""A log that is slow or cannot be written: a kill holds all the same, and the record says what happened."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.log.prepare import Entry
from proxy.log.store import Store
from proxy.model.record import Begun
from proxy.settings import LogSettings
from tests.fakes import Action, Chunk, End, Json, Pause, ScriptedBackend, Sse
from tests.scenario.harness import LEAK_RULES, Proxy, proxy_for
from tests.scenario.test_delivered import (
    HELD,
    KILL_BY_ERROR,
    SAID,
    STATIC,
    TEXTLESS,
    WIRES,
    asked,
    texts,
    wires,
)
from tests.scenario.test_failures import counted
from tests.waits import read_until

REPLY = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}],
}  # fmt: skip


class Disk:
    """The log's disk, which a test can make slow for begins or ends, or break."""

    def __init__(self) -> None:
        self.slow: str | None = None
        self.broken = False
        self.holds = False
        self.go_on = threading.Event()

    def touch(self, entries: Sequence[Entry]) -> None:
        kinds = {"begin" if isinstance(entry, Begun) else "end" for entry in entries}
        if self.broken:
            raise OSError("no space left")
        if self.slow in kinds:
            self.holds = True
            self.go_on.wait(20)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    append, probe = Store.append, Store.probe

    def touching(self: Store, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        disk.touch(entries)
        return append(self, entries, again=again)

    def probing(self: Store) -> None:
        disk.touch(())
        probe(self)

    monkeypatch.setattr(Store, "append", touching)
    monkeypatch.setattr(Store, "probe", probing)
    yield disk
    disk.go_on.set()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # the recorder tells nobody of its queue; it is asked
            await asyncio.sleep(0.005)


def waits(proxy: Proxy) -> bool:
    return proxy.app.recorder.queue_depth > 0


async def recovered(proxy: Proxy, disk: Disk) -> list[dict[str, Any]]:
    disk.broken = False
    disk.slow = None
    disk.go_on.set()
    await until(lambda: proxy.app.recorder.healthy and not waits(proxy))
    return await proxy.records()


@wires
@pytest.mark.parametrize("rules", [LEAK_RULES, LEAK_RULES + KILL_BY_ERROR], ids=["static", "error"])
@pytest.mark.parametrize("slow", ["begin", "end"])
async def test_a_kill_ends_a_stream_at_once_while_the_log_is_slow(
    wire: str, rules: str, slow: str, disk: Disk, tmp_path: Path
) -> None:
    loop = asyncio.get_running_loop()
    script = [Sse(list(WIRES[wire][1]([SAID, "Write to ", HELD])))]
    async with ScriptedBackend(script) as backend, proxy_for(tmp_path, backend.url, rules=rules) as proxy:
        disk.slow = slow
        asking = asyncio.ensure_future(_read_all(proxy, wire, read := bytearray()))
        await until(lambda: disk.holds and (slow == "begin" or SAID in texts(read)))
        before = texts(read)
        await proxy.dial("killed")
        killed_at = loop.time()
        status = await asking
        assert loop.time() - killed_at < 3.0, "it does not wait for the log, which does not answer at all"
        ending = STATIC if rules == LEAK_RULES else ""
        assert texts(read) == before + ending, "nothing of the reply goes out after the kill"
        assert status == (503 if slow == "begin" and not ending else 200)
        (record,) = await recovered(proxy, disk)
        assert record["outcome"] == "killed"
        assert record["response"]["delivered"] == before + ending
        assert await counted(proxy, "killed")
        assert not await counted(proxy, "released")


async def _read_all(proxy: Proxy, wire: str, read: bytearray) -> int:
    async with asked(proxy, wire) as (answer, _):
        async for data in answer.content.iter_any():
            read += data
        return answer.status


async def test_a_kill_replaces_a_whole_reply_that_waits_for_the_log(disk: Disk, tmp_path: Path) -> None:
    async with ScriptedBackend([Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        disk.slow = "end"
        asking = asyncio.ensure_future(_whole(proxy))
        await until(lambda: disk.holds)
        await proxy.dial("killed")
        assert (await asking)["choices"][0]["message"]["content"] == STATIC
        (record,) = await recovered(proxy, disk)
        assert (record["outcome"], record["response"]["received"]) == ("killed", SAID)
        assert record["response"]["delivered"] == STATIC


async def _whole(proxy: Proxy) -> Any:
    async with asked(proxy, "chat", stream=False) as (answer, _):
        return await answer.json()


async def test_a_client_that_leaves_while_the_end_waits_for_the_log_did_not_get_it(
    disk: Disk, tmp_path: Path
) -> None:
    async with ScriptedBackend([Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        disk.slow = "end"
        asking = asyncio.ensure_future(_whole(proxy))
        await until(lambda: disk.holds)
        asking.cancel()
        await until(lambda: proxy.app.front.in_flight == 0)
        (record,) = await recovered(proxy, disk)
        assert (record["outcome"], record["response"]["received"]) == ("client_closed", SAID)
        assert record["response"]["delivered"] == ""
        assert await counted(proxy, "client_closed")
        assert not await counted(proxy, "released")


async def test_a_whole_reply_that_the_log_failed_is_refused_on_the_log_too(
    disk: Disk, tmp_path: Path
) -> None:
    async with ScriptedBackend([Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        disk.broken = True
        assert (await _whole(proxy))["error"]["code"] == "log_unavailable"
        assert not await counted(proxy, "released")
        (record,) = await recovered(proxy, disk)
        assert (record["outcome"], record["response"]["received"]) == ("refused", SAID)
        assert record["response"]["delivered"] == ""
        assert "the exchange log cannot be written" in record["error"]
        assert await counted(proxy, "refused")


@wires
async def test_a_stream_that_the_log_failed_is_refused_with_what_went_out(
    wire: str, disk: Disk, tmp_path: Path
) -> None:
    go_on = asyncio.Event()
    frames = list(WIRES[wire][1]([SAID, "Write to ", HELD]))
    script: list[Action] = [Sse(frames[: TEXTLESS[wire] + 2], end=False), Pause(go_on)]

    async with ScriptedBackend([*script, *_rest(frames, wire)]) as backend:
        async with proxy_for(tmp_path, backend.url, rules=LEAK_RULES) as proxy:
            async with asked(proxy, wire) as (answer, read):
                await read_until(answer.content, read, lambda: texts(read))
                disk.broken = True
                go_on.set()
                read += await answer.content.read()
            assert b"log_unavailable" in read or b"api_error" in read
            (record,) = await recovered(proxy, disk)
            assert record["outcome"] == "refused"
            assert record["response"]["received"] == f"{SAID}Write to {HELD}"
            assert record["response"]["delivered"] == texts(read)
            assert await counted(proxy, "refused")
            assert not await counted(proxy, "redacted")


def _rest(frames: list[bytes], wire: str) -> list[Action]:
    return [Chunk(b"".join(frames[TEXTLESS[wire] + 2 :])), End()]


async def test_where_settings_allow_it_a_reply_goes_out_and_its_record_follows(
    disk: Disk, tmp_path: Path
) -> None:
    log = LogSettings(on_failure="allow")
    async with ScriptedBackend([Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url, log=log) as proxy:
        disk.broken = True
        assert (await _whole(proxy))["choices"][0]["message"]["content"] == SAID
        (record,) = await recovered(proxy, disk)
        assert (record["outcome"], record["response"]["received"]) == ("released", SAID)
        assert "delivered" not in record["response"]
        assert await counted(proxy, "released")
