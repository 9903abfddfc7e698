"""A model that is rolled back serves its other version from the next exchange on, however it is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from proxy.backend.route import Router
from proxy.errors import BadRequest
from proxy.settings import ModelSettings, Version
from tests.fakes import Chunk, Json, Pause, ScriptedBackend, Sse
from tests.scenario.harness import Proxy, Reply, post, proxy_for, settings_for
from tests.scenario.test_dial import STATIC
from tests.scenario.test_identity import CHAT, REPLY
from tests.scenario.test_no_leak import chat_frames

MODELS = MappingProxyType(
    {
        "support": ModelSettings({"v1": Version("main", "gpt-1"), "v2": Version("main", "acme/gpt-2")}, "v2"),
        "twin": ModelSettings({"a": Version("main", "acme/gpt-2"), "b": Version("main", "gpt-3")}, "a"),
        "other": ModelSettings({"v1": Version("main", "gpt-4")}, "v1"),
    }
)


async def roll_back(proxy: Proxy, model: str = "support", version: str = "v1") -> None:
    status, body = await proxy.admin_call("PUT", f"/rollbacks/{model}", {"version": version, "reason": "x"})
    assert status == 200, body


async def ask(proxy: Proxy, model: str) -> Reply:
    return await post(f"{proxy.url}/v1/chat/completions", {**CHAT, "model": model})


@pytest.mark.parametrize(
    ("asked", "before", "after"),
    [
        ("support", "acme/gpt-2", "gpt-1"),
        ("acme/gpt-2", "acme/gpt-2", "gpt-1"),
        ("gpt-2", "gpt-2", "gpt-1"),
        ("ACME/GPT-2", "ACME/GPT-2", "gpt-1"),
        ("twin", "acme/gpt-2", "gpt-1"),
        ("gpt-1", "gpt-1", "gpt-1"),
        ("other", "gpt-4", "gpt-4"),
        ("gpt-9", "gpt-9", "gpt-9"),
    ],
)
async def test_the_next_exchange_is_served_the_other_version_under_every_name(
    asked: str, before: str, after: str, tmp_path: Path
) -> None:
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, models=MODELS) as proxy,
    ):

        async def sent() -> Any:
            assert (await ask(proxy, asked)).status == 200
            return backend.requests[-1].json["model"]  # type: ignore[index]

        assert await sent() == before
        await roll_back(proxy)
        assert await sent() == after
        record = (await proxy.records())[0]
        assert (record["model"]["requested"], record["model"]["sent"]) == (asked, after)
        if asked in ("support", "acme/gpt-2"):
            assert record["model"]["version"] == "v1"
        assert (await proxy.admin_call("DELETE", "/rollbacks/support?reason=fixed"))[0] == 200
        assert await sent() == before


async def test_a_models_own_rollback_goes_before_anothers(tmp_path: Path) -> None:
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, models=MODELS) as proxy,
    ):
        await roll_back(proxy)
        await roll_back(proxy, "twin", "b")
        for asked, sent in (("twin", "gpt-3"), ("support", "gpt-1")):
            await ask(proxy, asked)
            assert backend.requests[-1].json["model"] == sent  # type: ignore[index]


async def test_the_dial_knows_what_is_rolled_back_by_the_names_that_it_now_has(tmp_path: Path) -> None:
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, models=MODELS) as proxy,
    ):
        await roll_back(proxy)
        await proxy.dial("killed", "model:acme/gpt-2")
        assert (await ask(proxy, "support")).headers["x-guardrail-level"] == "guarded", "it is gpt-1 now"
        assert (await ask(proxy, "acme/gpt-2")).json["choices"][0]["message"]["content"] == STATIC
        await proxy.dial("killed", "model:support")
        for name in ("support", "gpt-1", "acme/gpt-2"):
            assert (await ask(proxy, name)).headers["x-guardrail-level"] == "killed"


async def test_a_stream_under_way_goes_on(tmp_path: Path) -> None:
    frames = list(chat_frames(["All is well here. And it goes on."]))
    hang = Pause()
    async with (
        ScriptedBackend([Sse(frames[:2], end=False), hang, Chunk(b"".join(frames[2:]))]) as backend,
        proxy_for(tmp_path, backend.url, models=MODELS) as proxy,
    ):
        asking = asyncio.ensure_future(
            post(f"{proxy.url}/v1/chat/completions", {**CHAT, "model": "support", "stream": True})
        )
        await backend.received(1)
        await roll_back(proxy)
        hang.event.set()
        reply = await asking
        assert b"".join(frames) in reply.body
        assert (await proxy.finished())["model"]["version"] == "v2"


async def test_a_restart_keeps_a_rollback_as_long_as_the_settings_have_the_version(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url, models=MODELS) as proxy:
        await roll_back(proxy)
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, models=MODELS) as proxy,
    ):
        await ask(proxy, "support")
        assert backend.requests[-1].json["model"] == "gpt-1"  # type: ignore[index]
    assert "rollback_without_effect" not in "".join(capfd.readouterr())
    fewer = MappingProxyType({"support": ModelSettings({"v2": Version("main", "acme/gpt-2")}, "v2")})
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, models=fewer) as proxy,
    ):
        await ask(proxy, "support")
        assert backend.requests[-1].json["model"] == "acme/gpt-2"  # type: ignore[index]
    assert "rollback_without_effect" in "".join(capfd.readouterr())


async def test_a_model_that_is_not_named_might_be_the_one_that_was_rolled_back(tmp_path: Path) -> None:
    unnamed = {"messages": CHAT["messages"]}
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, models=MODELS) as proxy,
    ):
        url = f"{proxy.url}/v1/chat/completions"
        assert (await post(url, unnamed)).status == 200
        await roll_back(proxy)
        reply = await post(url, unnamed)
        assert (reply.status, reply.json["error"]["code"]) == (400, "model_required")
        assert len(backend.requests) == 1


def test_a_rollback_over_another_wire_is_refused_not_passed_around(tmp_path: Path) -> None:
    router = Router(settings_for(tmp_path, "http://127.0.0.1:1", models=MODELS))
    with pytest.raises(BadRequest, match="rolled back to v1"):
        router.route("anthropic", "gpt-2", {"support": "v1"})
