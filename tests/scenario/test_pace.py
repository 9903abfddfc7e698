"""A fast stream is read so often and no oftener; its beginning, and the dial, do not wait for that."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from proxy.backend.client import Upstream
from proxy.errors import BackendFailed
from proxy.request import inflow
from tests.clients import openai_client
from tests.fakes import Action, Chunk, Close, Pause, ScriptedBackend, Sse
from tests.scenario.harness import proxy_for
from tests.scenario.test_no_leak import chat_frames

WORDS = ["All is well here. And it goes on.", " For a while.", " And again."]


async def test_the_third_read_of_a_fast_stream_waits_and_a_kill_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflow, "PACE_S", 3600.0)
    frames = list(chat_frames(WORDS))
    begun, spoken = asyncio.Event(), asyncio.Event()
    script: list[Action] = [
        Sse(frames[:1], end=False),
        Pause(begun),
        Chunk(frames[1]),
        Pause(spoken),
        Chunk(b"".join(frames[2:])),
        Pause(),
    ]
    said = ""
    async with (
        ScriptedBackend(script) as backend,
        proxy_for(tmp_path, backend.url) as proxy,
        openai_client(proxy.url, max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "count"}], stream=True
        )
        finish = None
        async for chunk in stream:
            begun.set()
            said += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
            if said and not spoken.is_set():
                spoken.set()
                await proxy.dial("killed")
        assert finish == "content_filter"
        assert said.startswith(WORDS[0])
        assert WORDS[1] not in said
        assert (await proxy.finished())["outcome"] == "killed"


async def test_what_came_before_the_backend_failed_is_read_though_nobody_asked_for_it_in_time() -> None:
    frames = list(chat_frames(WORDS))
    async with (
        ScriptedBackend([Sse(frames, end=False), Close()]) as backend,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        response = await session.post(f"{backend.url}/v1/chat/completions", json={})
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.wait_eof()
        upstream = Upstream("main", response, None)
        assert await upstream.read() == b"".join(frames)
        with pytest.raises(BackendFailed):
            await upstream.read()
