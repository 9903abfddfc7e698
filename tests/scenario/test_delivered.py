"""The record says what the client got, whatever ended the reply."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.fakes import Action, Drip, Pause, ScriptedBackend, Sse, sse
from tests.fakes.actions import chunk
from tests.scenario.harness import LEAK_RULES, Proxy, proxy_for
from tests.scenario.test_no_leak import anthropic_frames, chat_frames
from tests.waits import read_until
from tests.wire.samples_responses import Events, response

SAID = "All is well here. And so on. "
HELD = "jane.doe@example.com"
STATIC = "This assistant is offline for maintenance."
KILL_BY_ERROR = "containment: {killed: {reply: error}}\n"
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


@wires
async def test_a_client_that_leaves_while_text_is_held_got_what_it_read(wire: str, tmp_path: Path) -> None:
    frames = list(WIRES[wire][1]([SAID, HELD]))
    script: list[Action] = [Sse(frames[: TEXTLESS[wire] + 2], end=False), Pause()]
    async with (
        ScriptedBackend(script) as backend,
        proxy_for(tmp_path, backend.url, rules=LEAK_RULES) as proxy,
    ):
        async with asked(proxy, wire) as (answer, read):
            await read_until(answer.content, read, lambda: texts(read))
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
                await read_until(answer.content, read, lambda: "Two. " in texts(read))
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
