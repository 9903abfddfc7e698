"""What a rule covers never reaches the client, wherever the backend cuts its stream, on both wires."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clients import anthropic_client, openai_client
from tests.fakes import ScriptedBackend, Sse, sse
from tests.scenario.harness import LEAK_RULES, Proxy, proxy_for

REDACTED = "Sure! You can write to jane.doe@example.com about it, or just call the office. Anything else?"
BLOCKED = "Of course. The code name is Project  Falcon, and nobody may know about it."
EXPECTED = {
    REDACTED: REDACTED.replace("jane.doe@example.com", "<EMAIL_ADDRESS>"),
    BLOCKED: "Of course. The code name is I can't talk about that.",
}


def cut(text: str, at: set[int]) -> list[str]:
    points = [0, *sorted(at), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(points)]


def chat_frames(pieces: list[str]) -> Iterator[bytes]:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def frame(delta: object, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return sse({**head, "choices": [choice]})

    yield frame({"role": "assistant", "content": ""})
    for piece in pieces:
        yield frame({"content": piece})
    yield frame({}, "stop")
    yield b"data: [DONE]\n\n"


def anthropic_frames(pieces: list[str]) -> Iterator[bytes]:
    def frame(name: str, **body: object) -> bytes:
        return f"event: {name}\ndata: {json.dumps({'type': name, **body})}\n\n".encode()

    message: dict[str, object] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 1},
    }  # fmt: skip
    yield frame("message_start", message=message)
    yield frame("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for piece in pieces:
        yield frame("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    yield frame("content_block_stop", index=0)
    yield frame(
        "message_delta",
        delta={"stop_reason": "end_turn", "stop_sequence": None},
        usage={"output_tokens": 9},
    )
    yield frame("message_stop")


async def chat(proxy: Proxy) -> tuple[str, str | None]:
    async with openai_client(proxy.url, max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        text, finish = "", None
        async for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
        return text, finish


async def messages(proxy: Proxy) -> tuple[str, str | None]:
    async with anthropic_client(proxy.url, max_retries=0) as client:
        async with client.messages.stream(
            model="m", max_tokens=50, messages=[{"role": "user", "content": "hi"}]
        ) as stream:
            message = await stream.get_final_message()
        text = "".join(block.text for block in message.content if block.type == "text")
        return text, message.stop_reason


WIRES = {
    "chat": (chat_frames, chat, "content_filter"),
    "anthropic": (anthropic_frames, messages, "refusal"),
}


@pytest.mark.parametrize("reply", EXPECTED)
@pytest.mark.parametrize("wire", WIRES)
def test_a_covered_text_never_shows_wherever_the_stream_is_cut(wire: str, reply: str, tmp_path: Path) -> None:
    frames, ask, filtered = WIRES[wire]
    runner = asyncio.Runner()
    backend = ScriptedBackend(lambda _: [Sse(script)])
    script: list[bytes] = []
    proxy_context = None

    async def start() -> Proxy:
        nonlocal proxy_context
        await backend.__aenter__()
        proxy_context = proxy_for(tmp_path, backend.url, rules=LEAK_RULES)
        return await proxy_context.__aenter__()

    async def stop() -> None:
        assert proxy_context is not None
        await proxy_context.__aexit__(None, None, None)
        await backend.__aexit__(None, None, None)

    proxy = runner.run(start())

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(at=st.sets(st.integers(1, len(reply) - 1), max_size=len(reply)))
    def any_cut(at: set[int]) -> None:
        nonlocal script
        script[:] = frames(cut(reply, at))
        text, finish = runner.run(ask(proxy))
        assert text == EXPECTED[reply]
        if reply == BLOCKED:
            assert finish == filtered

    try:
        any_cut()
        script[:] = frames(list(reply))  # one character a frame
        assert runner.run(ask(proxy))[0] == EXPECTED[reply]
        record = runner.run(proxy.finished())
        assert record["response"]["received"].startswith(reply[:40])
        assert record["response"]["delivered"] == EXPECTED[reply]
        assert record["outcome"] == ("redacted" if reply == REDACTED else "blocked_output")
    finally:
        runner.run(stop())
        runner.close()
