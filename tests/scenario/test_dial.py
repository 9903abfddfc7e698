"""The dial reaches new exchanges and streams in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import openai
import pytest

from proxy.settings import ModelSettings, Version
from tests.clients import anthropic_client, openai_client
from tests.fakes import Action, Chunk, Json, Pause, ScriptedBackend, Sse
from tests.scenario.harness import proxy_for
from tests.scenario.test_no_leak import anthropic_frames, chat, chat_frames, messages

STATIC = "This assistant is offline for maintenance."
PLAIN = "All is well here. And it goes on."


async def test_a_kill_ends_a_running_chat_stream_in_its_own_form_and_guarded_brings_service_back(
    tmp_path: Path,
) -> None:
    frames = list(chat_frames([PLAIN]))
    scripts: Iterator[list[Action]] = iter([[Sse(frames[:2], end=False), Pause()], [Sse(frames)]])
    async with ScriptedBackend(lambda _: next(scripts)) as backend, proxy_for(tmp_path, backend.url) as proxy:
        async with openai_client(proxy.url, max_retries=0) as client:
            stream = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            texts: list[str] = []
            finish = None
            turned = 0.0
            loop = asyncio.get_running_loop()
            async for chunk in stream:
                texts.append(chunk.choices[0].delta.content or "")
                finish = chunk.choices[0].finish_reason or finish
                if texts[-1] and not turned:
                    await proxy.dial("killed")
                    turned = loop.time()
            assert loop.time() - turned < 0.5
        assert finish == "content_filter"
        assert "".join(texts).endswith(STATIC)
        await backend.closed(0)
        assert backend.closed_by_peer(0), "the backend's call is given up"
        record = await proxy.finished()
        assert (record["outcome"], record["level"]) == ("killed", "killed")

        assert await chat(proxy) == (STATIC, "content_filter"), "the next exchange gets the static reply"
        assert await messages(proxy) == (STATIC, "refusal")
        assert len(backend.requests) == 1, "a killed exchange asks no backend"

        await proxy.dial("guarded")
        assert await chat(proxy) == (PLAIN, "stop")


async def test_a_kill_ends_a_running_anthropic_stream_in_its_own_form(tmp_path: Path) -> None:
    frames = list(anthropic_frames(["Hello there, friend. "]))
    async with (
        ScriptedBackend([Sse(frames[:3], end=False), Pause()]) as backend,
        proxy_for(tmp_path, backend.url) as proxy,
        anthropic_client(proxy.url, max_retries=0) as client,
        client.messages.stream(
            model="m", max_tokens=50, messages=[{"role": "user", "content": "hi"}]
        ) as stream,
    ):
        async for event in stream:
            if event.type == "text":
                await proxy.dial("killed")
                break
        message = await stream.get_final_message()
        assert message.stop_reason == "refusal"
        text = "".join(block.text for block in message.content if block.type == "text")
        assert text.endswith(STATIC)


async def test_a_kill_before_the_first_byte_answers_a_waiting_whole_reply(tmp_path: Path) -> None:
    async with ScriptedBackend([Pause()]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        async with openai_client(proxy.url, max_retries=0) as client:
            waiting = asyncio.ensure_future(
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            )
            await backend.received(1)
            await proxy.dial("killed", "model:m")
            reply = await waiting
        assert reply.choices[0].message.content == STATIC
        assert reply.choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize("asked", ["support-bot", "gpt-2"])
async def test_a_model_scope_holds_however_the_model_is_asked_for(asked: str, tmp_path: Path) -> None:
    models = MappingProxyType({"support-bot": ModelSettings({"v1": Version("main", "gpt-2")}, "v1")})
    reply = {
        "id": "1", "object": "chat.completion", "created": 1, "model": "x",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": PLAIN}, "finish_reason": "stop"}],
    }  # fmt: skip
    async with (
        ScriptedBackend([Json(reply)]) as backend,
        proxy_for(tmp_path, backend.url, models=models) as proxy,
        openai_client(proxy.url, max_retries=0) as client,
    ):

        async def ask(model: str) -> str | None:
            answer = await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "hi"}]
            )
            return answer.choices[0].message.content

        assert await ask(asked) == PLAIN
        assert backend.requests[0].json["model"] == "gpt-2"  # type: ignore[index]
        await proxy.dial("killed", "model:support-bot")
        assert await ask(asked) == STATIC
        assert await ask("another") == PLAIN


async def test_a_killed_call_without_a_text_answer_is_refused(tmp_path: Path) -> None:
    async with (
        ScriptedBackend([]) as backend,
        proxy_for(tmp_path, backend.url) as proxy,
        openai_client(proxy.url) as client,
    ):
        await proxy.dial("killed")
        with pytest.raises(openai.InternalServerError) as raised:
            await client.embeddings.create(model="m", input="hi")
        assert raised.value.status_code == 503
        assert raised.value.code == "contained"
        records = await proxy.records()
        assert [record["outcome"] for record in records] == ["killed"], "not retried either"


async def test_a_chunk_that_waits_behind_the_kill_is_not_delivered(tmp_path: Path) -> None:
    """Text that was held back when the dial turned stays back; the log still has it."""
    frames = list(chat_frames(["Shown. ", "write to jane.doe@exam"]))
    hang = Pause()
    async with (
        ScriptedBackend([Sse(frames[:3], end=False), hang, Chunk(frames[3])]) as backend,
        proxy_for(
            tmp_path,
            backend.url,
            rules="rules: [{id: p, on: output, detect: {pii: {entities: [EMAIL_ADDRESS]}}, action: redact}]",
        ) as proxy,
        openai_client(proxy.url, max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        text = ""
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            if "Shown" in text and STATIC not in text:
                await proxy.dial("killed")
        assert text == f"Shown. {STATIC}"
        record = await proxy.finished()
        assert record["response"]["received"].endswith("jane.doe@exam")
        assert record["response"]["delivered"] == f"Shown. {STATIC}"


async def test_a_kill_frees_the_backend_of_a_client_that_does_not_read(tmp_path: Path) -> None:
    """The client's connection is full, and the proxy waits for it to take more."""
    frames = list(chat_frames(["word " * 2000 for _ in range(2000)]))
    async with ScriptedBackend([Sse(frames)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        where = urlsplit(proxy.url)
        body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
        reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1024)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await reader.readline()  # and then no more
        await proxy.dial("killed")
        loop = asyncio.get_running_loop()
        killed_at = loop.time()
        assert await backend.closed(0) - killed_at < 0.5
        record = await proxy.finished()
        assert record["outcome"] == "killed"
        writer.transport.abort()
