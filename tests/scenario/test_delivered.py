"""The record says what the client got, whatever ended the reply; and a kill holds while the log is slow."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.log.prepare import Entry
from proxy.log.store import Store
from proxy.model.record import Begun
from proxy.settings import LogSettings
from tests.fakes import Action, Chunk, Drip, End, Json, Pause, ScriptedBackend, Sse, sse
from tests.fakes.actions import chunk
from tests.scenario.harness import LEAK_RULES, Proxy, proxy_for
from tests.scenario.test_failures import counted
from tests.scenario.test_no_leak import anthropic_frames, chat_frames
from tests.wire.samples_responses import Events, response

SAID = "All is well here. And so on. "
HELD = "jane.doe@example.com"
STATIC = "This assistant is offline for maintenance."
KILL_BY_ERROR = "containment: {killed: {reply: error}}\n"
REPLY = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}],
}  # fmt: skip
CHAT = {"model": "m", "input": "hi", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def responses_frames(pieces: list[str]) -> Iterator[bytes]:
    events = Events()
    events.add("created", {"response": response([], "in_progress")})
    events.add("completed", {"response": response([events.message(0, pieces)], "completed")})
    for frame in events.out.split(b"\n\n")[:-1]:
        yield frame + b"\n\n"


WIRES = {
    "responses": ("/v1/responses", responses_frames),
    "chat": ("/v1/chat/completions", chat_frames),
    "anthropic": ("/v1/messages", anthropic_frames),
}
TEXTLESS = {"chat": 1, "anthropic": 2, "responses": 3}  # frames before the first text
wires = pytest.mark.parametrize("wire", WIRES)


class Disk:
    """The log's disk, which a test can make slow for begins or ends, or break."""

    def __init__(self) -> None:
        self.slow: str | None = None
        self.broken = False
        self.go_on = threading.Event()

    def touch(self, entries: Sequence[Entry]) -> None:
        kinds = {"begin" if isinstance(entry, Begun) else "end" for entry in entries}
        if self.broken:
            raise OSError("no space left")
        if self.slow in kinds:
            self.go_on.wait(20)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    write, probe = Store.write, Store.probe

    def touching(self: Store, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        disk.touch(entries)
        return write(self, entries, again=again)

    def probing(self: Store) -> None:
        disk.touch(())
        probe(self)

    monkeypatch.setattr(Store, "write", touching)
    monkeypatch.setattr(Store, "probe", probing)
    yield disk
    disk.go_on.set()


@asynccontextmanager
async def asked(
    proxy: Proxy, wire: str, *, stream: bool = True
) -> AsyncIterator[tuple[aiohttp.ClientResponse, bytearray]]:
    """A reply under way, and what of it was read."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{proxy.url}{WIRES[wire][0]}", json={**CHAT, "stream": stream}) as answer:
            yield answer, bytearray()


def texts(raw: bytes | bytearray) -> str:
    """What a client reads out of a stream of either wire."""
    out = ""
    for line in raw.split(b"\n"):
        if line.startswith(b"data: {"):
            body = json.loads(line[6:])
            for choice in body.get("choices", ()):
                out += choice["delta"].get("content") or ""
            if body.get("type") == "content_block_delta":
                out += body["delta"]["text"]
            if body.get("type") == "response.output_text.delta":
                out += body["delta"]
    return out


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
async def test_a_client_that_leaves_while_text_is_held_got_what_it_read(wire: str, tmp_path: Path) -> None:
    frames = list(WIRES[wire][1]([SAID, HELD]))
    script: list[Action] = [Sse(frames[: TEXTLESS[wire] + 2], end=False), Pause()]
    async with (
        ScriptedBackend(script) as backend,
        proxy_for(tmp_path, backend.url, rules=LEAK_RULES) as proxy,
    ):
        async with asked(proxy, wire) as (answer, read):
            while not texts(read):
                read += await answer.content.readany()
        await backend.closed(0)
        record = await proxy.finished()
        assert record["outcome"] == "client_closed"
        assert record["response"]["received"] == SAID + HELD
        assert record["response"]["delivered"] == texts(read)
        assert HELD not in texts(read)


@wires
@pytest.mark.parametrize("rules", [LEAK_RULES, LEAK_RULES + KILL_BY_ERROR], ids=["static", "error"])
async def test_a_kill_delivers_nothing_of_what_was_held(wire: str, rules: str, tmp_path: Path) -> None:
    frames = list(WIRES[wire][1]([HELD]))
    script: list[Action] = [Sse(frames[: TEXTLESS[wire] + 1], end=False), Pause()]
    async with ScriptedBackend(script) as backend, proxy_for(tmp_path, backend.url, rules=rules) as proxy:
        async with asked(proxy, wire) as (answer, read):
            read += await answer.content.readany()  # its first frames, without text
            await proxy.dial("killed")
            read += await answer.content.read()
        record = await proxy.finished()
        assert (record["outcome"], record["response"]["received"]) == ("killed", HELD)
        assert record["response"]["delivered"] == texts(read) == (STATIC if rules == LEAK_RULES else "")
        assert (b"contained" in read or b"api_error" in read) == (rules != LEAK_RULES)


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
        asking = asyncio.ensure_future(anext(aiter(_until_killed(proxy, wire, read := bytearray()))))
        await until(lambda: waits(proxy) and (slow == "begin" or SAID in texts(read)))
        before = texts(read)
        await proxy.dial("killed")
        killed_at = loop.time()
        status = await asking
        assert loop.time() - killed_at < 0.5
        ending = STATIC if rules == LEAK_RULES else ""
        assert texts(read) == before + ending, "nothing of the reply goes out after the kill"
        assert status == (503 if slow == "begin" and not ending else 200)
        (record,) = await recovered(proxy, disk)
        assert record["outcome"] == "killed"
        assert record["response"]["delivered"] == before + ending
        assert await counted(proxy, "killed")
        assert not await counted(proxy, "released")


async def _until_killed(proxy: Proxy, wire: str, read: bytearray) -> AsyncIterator[int]:
    async with asked(proxy, wire) as (answer, _):
        async for data in answer.content.iter_any():
            read += data
        yield answer.status


async def test_a_kill_speaks_only_in_the_choices_that_were_open(tmp_path: Path) -> None:
    def frame(index: int, text: str, finish: str | None = None) -> bytes:
        delta = {"content": text} if text else {}
        choice = {"index": index, "delta": delta, "finish_reason": finish}
        return sse({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]})

    frames = [frame(0, "One. "), frame(0, "", "stop"), frame(1, "Two. "), frame(1, HELD)]
    script: list[Action] = [Sse(frames, end=False), Pause()]
    async with (
        ScriptedBackend(script) as backend,
        proxy_for(tmp_path, backend.url, rules=LEAK_RULES) as proxy,
    ):
        async with aiohttp.ClientSession() as session:
            body = {**CHAT, "n": 2, "stream": True}
            async with session.post(f"{proxy.url}/v1/chat/completions", json=body) as answer:
                read = bytearray()
                while "Two. " not in texts(read):
                    read += await answer.content.readany()
                await proxy.dial("killed")
                read += await answer.content.read()
        assert texts(read) == f"One. Two. {STATIC}"
        record = await proxy.finished()
        assert record["response"]["received"][1]["text"] == f"Two. {HELD}"
        assert record["response"]["delivered"] == [
            {"index": 0, "text": "One. "},
            {"index": 1, "text": f"Two. {STATIC}"},
        ]


async def test_an_unread_reply_that_is_cut_is_delivered_as_far_as_it_went(tmp_path: Path) -> None:
    script: list[Action] = [Sse([], end=False), Drip(b"".join(chunk(b"more ") for _ in range(50))), Pause()]
    async with ScriptedBackend(script) as backend:
        async with proxy_for(tmp_path, backend.url, unknown_paths="pass") as proxy:
            async with aiohttp.ClientSession() as session:
                async with session.post(f"{proxy.url}/v1/unheard-of", data=b"{}") as answer:
                    read = await answer.content.readany()
                    await proxy.dial("killed")
                    with contextlib.suppress(aiohttp.ClientError):
                        while data := await answer.content.readany():
                            read += data
            record = await proxy.finished()
            assert record["outcome"] == "killed"
            assert record["response"]["delivered"].startswith(read.decode())
            assert record["response"]["received"].startswith(record["response"]["delivered"])
            assert record["response"]["received"] != record["response"]["delivered"], (
                "the last piece was kept back"
            )


async def test_a_kill_replaces_a_whole_reply_that_waits_for_the_log(disk: Disk, tmp_path: Path) -> None:
    async with ScriptedBackend([Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        disk.slow = "end"
        asking = asyncio.ensure_future(_whole(proxy))
        await until(lambda: waits(proxy))
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
        await until(lambda: waits(proxy))
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
                while not texts(read):
                    read += await answer.content.readany()
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
