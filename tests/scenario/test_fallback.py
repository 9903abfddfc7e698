"""A backend that fails before its answer: another version of the model answers, and the client sees one reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest

from proxy.request.fallback import ATTEMPTS_MAX
from proxy.settings import Api, BackendSettings, ModelSettings, Version
from tests.clients import anthropic_client, openai_client
from tests.fakes import Action, Close, Json, Pause, Reset, ScriptedBackend, Sse, refused_url
from tests.fakes.actions import Script
from tests.scenario.harness import AheadClock, Proxy, Reply, post, proxy_for
from tests.scenario.test_dial import STATIC
from tests.scenario.test_identity import CHAT, REPLY
from tests.scenario.test_no_leak import anthropic_frames, chat_frames
from tests.scenario.test_rollback import roll_back

ASK = {**CHAT, "model": "support"}
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "ok"}],
    "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip
BUSY = {"error": {"message": "overloaded", "type": "server_error", "code": "busy"}}
FAULTS: dict[str, tuple[Sequence[Action | type[Pause]], str]] = {
    "reset": ([Reset()], "broken"),
    "closed": ([Close()], "broken"),
    "silent": ([Pause], "timeout"),
    "500": ([Json(BUSY, status=500)], "status"),
    "503": ([Json(BUSY, status=503)], "status"),
    "529": ([Json(BUSY, status=529)], "status"),
    "429": ([Json(BUSY, status=429)], "status"),
}


def model(*fallback: str, serve: str = "v3") -> ModelSettings:
    versions = {
        "v3": Version("main", "gpt-3"),
        "v2": Version("spare", "gpt-2"),
        "v1": Version("last", "gpt-1"),
        "v0": Version("last", "gpt-0"),
        "same": Version("main", "gpt-1"),
    }
    return ModelSettings(MappingProxyType(versions), serve, fallback)


@asynccontextmanager
async def between(
    folder: Path,
    *scripts: Script,
    fallback: tuple[str, ...] = ("v2",),
    api: Api = "openai",
    urls: tuple[str, ...] = (),
    timeout_s: float = 5.0,
    **changes: Any,
) -> AsyncIterator[tuple[Proxy, list[ScriptedBackend]]]:
    """A proxy before the backends `main` (which may take `timeout_s`), `spare` and `last`; those without a script
    are at `urls`."""
    async with AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(ScriptedBackend(script)) for script in scripts]
        at = [*urls, *(backend.url for backend in backends)]
        settings = {
            name: BackendSettings(url, api, timeout_s=timeout_s if name == "main" else 10.0)
            for name, url in zip(("main", "spare", "last"), at, strict=False)
        }
        settings |= {name: settings["main"] for name in ("spare", "last") if name not in settings}
        changes.setdefault("models", MappingProxyType({"support": model(*fallback)}))
        proxy = await stack.enter_async_context(
            proxy_for(folder, at[0], backends=MappingProxyType(settings), **changes)
        )
        yield proxy, backends


async def ask(proxy: Proxy, **changes: Any) -> Reply:
    return await post(f"{proxy.url}/v1/chat/completions", {**ASK, **changes})


def made(actions: Sequence[Action | type[Pause]]) -> list[Action]:
    return [action if isinstance(action, Action) else action() for action in actions]


async def ask_officially(proxy: Proxy, api: str, *, stream: bool) -> str:
    """The text of one call by the API's own client, with the retries that it has by default."""
    if api == "openai":
        async with openai_client(proxy.url) as client:
            call: Any = {"model": "support", "messages": ASK["messages"], "stream": stream}
            reply: Any = await client.chat.completions.create(**call)
            if not stream:
                return str(reply.choices[0].message.content)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in reply])
    async with anthropic_client(proxy.url) as claude:
        call = {"model": "support", "max_tokens": 9, "messages": ASK["messages"]}
        if stream:
            async with claude.messages.stream(**call) as events:
                return await events.get_final_text()
        message = await claude.messages.create(**call)
        return str(message.content[0].text)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", ["openai", "anthropic"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_next_version_answers_and_an_official_client_sees_one_reply(
    fault: str, api: Api, stream: bool, tmp_path: Path
) -> None:
    whole = Json(REPLY if api == "openai" else MESSAGE)
    frames = list((chat_frames if api == "openai" else anthropic_frames)(["o", "k"]))
    actions, reason = FAULTS[fault]
    answer = Sse(frames) if stream else whole
    timeout_s = 0.2 if fault == "silent" else 5.0
    async with between(tmp_path, made(actions), [answer], api=api, timeout_s=timeout_s) as (proxy, backends):
        assert await ask_officially(proxy, api, stream=stream) == "ok"
        assert [len(backend.requests) for backend in backends] == [1, 1]
        sent = backends[1].requests[0]
        assert sent.json["model"] == "gpt-2"  # type: ignore[index]
        (record,) = await proxy.records()
        assert (record["outcome"], record["error"], record["backend"]) == ("released", None, "spare")
        assert (record["model"]["version"], record["model"]["sent"]) == ("v2", "gpt-2")
        assert record["request"]["sent"]["model"] == "gpt-2"
        (attempt,) = record["attempts"]
        assert (attempt["backend"], attempt["version"], attempt["sent"]) == ("main", "v3", "gpt-3")
        assert attempt["error"]
        assert attempt["ms"] > 0
        metrics = await proxy.metrics()
        assert f'guardrail_fallbacks_total{{model="support",reason="{reason}"}} 1.0' in metrics
        assert 'guardrail_backend_seconds_count{backend="main"} 1.0' in metrics


async def test_a_backend_that_nobody_listens_at_is_passed_over(tmp_path: Path) -> None:
    with refused_url() as nobody:
        async with between(tmp_path, [Json(REPLY)], urls=(nobody,)) as (proxy, _):
            assert (await ask(proxy)).json == REPLY
            (record,) = await proxy.records()
            assert "unreachable" in record["attempts"][0]["error"]


@pytest.mark.parametrize("status", [400, 401, 404, 413])
async def test_what_is_wrong_with_the_request_is_not_asked_twice(status: int, tmp_path: Path) -> None:
    async with between(tmp_path, [Json(BUSY, status=status)], [Json(REPLY)]) as (proxy, backends):
        assert (await ask(proxy)).status == status
        assert not backends[1].requests


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([Sse(list(chat_frames(["o"]))[:2], end=False), Reset()], id="stream cut"),
        pytest.param([Sse([], end=False), Reset()], id="nothing but the head"),
        pytest.param([Json(b"<html>")], id="no JSON"),
        pytest.param([Json({}, headers={"content-encoding": "lzma"})], id="will not open"),
        pytest.param([Json({}, status=302, headers={"location": "/"})], id="redirect"),
    ],
)
async def test_once_an_answer_has_begun_nobody_else_is_asked(script: list[Action], tmp_path: Path) -> None:
    async with between(tmp_path, script, [Json(REPLY)]) as (proxy, backends):
        with suppress(aiohttp.ClientError):
            await ask(proxy, stream="Sse" in str(script))
        assert (await proxy.finished())["outcome"] == "backend_error"
        assert not backends[1].requests


async def test_the_last_error_is_the_clients_whoever_made_it(tmp_path: Path) -> None:
    ours = {"error": {"message": "no quota", "type": "x", "code": "quota"}}
    async with between(tmp_path, [Reset()], [Json(ours, status=429)]) as (proxy, _):
        reply = await ask(proxy)
        assert (reply.status, reply.json) == (429, ours)
        record = await proxy.finished()
        assert (record["outcome"], record["error"]) == ("backend_error", "the backend answered 429")
    async with between(tmp_path, [Json(ours, status=503)], [Reset()]) as (proxy, _):
        reply = await ask(proxy)
        assert (reply.status, reply.json["error"]["code"]) == (502, "backend_error")
        assert reply.headers["x-should-retry"] == "false"
        record = await proxy.finished()
        assert (record["backend"], record["attempts"][0]["error"]) == ("spare", "the backend answered 503")


async def test_an_exchange_asks_a_few_backends_at_most(tmp_path: Path) -> None:
    everyone = ("v2", "v1", "v0", "same")
    busy = [Json(BUSY, status=503)]
    async with between(tmp_path, busy, busy, busy, fallback=everyone) as (proxy, backends):
        assert (await ask(proxy)).status == 503
        assert [len(backend.requests) for backend in backends] == [1, 1, 1]
        assert sum(len(backend.requests) for backend in backends) == ATTEMPTS_MAX
        record = await proxy.finished()
        assert [one["version"] for one in record["attempts"]] == ["v3", "v2"]
        refused = 'guardrail_fallbacks_refused_total{model="support",reason="attempts"} 1.0'
        assert refused in await proxy.metrics()


async def test_an_exchange_has_a_bounded_time_for_all_its_backends(tmp_path: Path) -> None:
    clock = AheadClock()

    def slow(_: object) -> list[Action]:
        clock.ahead_s += 301.0
        return [Json(BUSY, status=503)]

    async with between(tmp_path, slow, [Json(REPLY)], clock=clock) as (proxy, backends):
        assert (await ask(proxy)).status == 503
        assert not backends[1].requests
        assert 'guardrail_fallbacks_refused_total{model="support",reason="time"} 1.0' in await proxy.metrics()


async def test_a_client_that_leaves_asks_nobody_else(tmp_path: Path) -> None:
    async with between(tmp_path, [Pause()], [Json(REPLY)]) as (proxy, backends):
        async with aiohttp.ClientSession() as session:
            asking = asyncio.ensure_future(session.post(f"{proxy.url}/v1/chat/completions", json=ASK))
            await backends[0].received(1)
            asking.cancel()
        await backends[0].closed(0)
        assert (await proxy.finished())["outcome"] == "client_closed"
        assert not backends[1].requests


async def test_a_kill_while_the_second_is_asked_reaches_it(tmp_path: Path) -> None:
    async with between(tmp_path, [Reset()], [Pause()]) as (proxy, backends):
        asking = asyncio.ensure_future(ask(proxy))
        await backends[1].received(1)
        await proxy.dial("killed", "model:gpt-2")
        assert (await asking).json["choices"][0]["message"]["content"] == STATIC
        await backends[1].closed(0)
        record = await proxy.finished()
        assert (record["outcome"], record["model"]["version"]) == ("killed", "v2")


async def test_a_version_that_the_dial_holds_stricter_is_passed_over(tmp_path: Path) -> None:
    third: list[Action] = [Json(REPLY)]
    async with between(tmp_path, [Reset()], [], third, fallback=("v2", "v1")) as (proxy, backends):
        await proxy.dial("killed", "model:gpt-2")
        assert (await ask(proxy)).status == 200
        assert [len(backend.requests) for backend in backends] == [1, 0, 1]


async def test_what_was_rolled_back_is_not_fallen_back_to(tmp_path: Path) -> None:
    models = MappingProxyType({"support": model("v2", "v1"), "twin": model(serve="v1")})
    broken: list[Action] = [Reset()]
    async with between(tmp_path, broken, broken, broken, models=models) as (proxy, backends):
        await roll_back(proxy, "support", "v1")
        await ask(proxy)
        assert [len(backend.requests) for backend in backends] == [0, 0, 1], (
            "v2 stands before what was chosen"
        )
        await roll_back(proxy, "support", "v2")
        await ask(proxy)
        assert [len(backend.requests) for backend in backends] == [0, 1, 2]
        await roll_back(proxy, "twin", "v0")
        await ask(proxy)
        assert [len(backend.requests) for backend in backends] == [0, 2, 2], (
            "gpt-1 is what twin was rolled from"
        )


async def test_a_clients_credential_goes_to_the_backend_of_its_model_only(tmp_path: Path) -> None:
    async with between(tmp_path, [Json(BUSY, status=503)], [Json(REPLY)]) as (proxy, backends):
        headers = {"authorization": "Bearer sk-theirs", "x-api-key": "sk-theirs"}
        await post(f"{proxy.url}/v1/chat/completions", ASK, headers)
        assert backends[0].requests[0].header("authorization") == "Bearer sk-theirs"
        assert "sk-theirs" not in str(backends[1].requests[0].headers)


async def test_a_version_at_the_same_backend_gets_the_clients_credential(tmp_path: Path) -> None:
    scripts = iter([[Json(BUSY, status=503)], [Json(REPLY)]])
    async with between(tmp_path, lambda _: next(scripts), fallback=("same",)) as (proxy, (main,)):
        headers = {"authorization": "Bearer sk-theirs"}
        assert (await post(f"{proxy.url}/v1/chat/completions", ASK, headers)).status == 200
        assert [one.json["model"] for one in main.requests] == ["gpt-3", "gpt-1"]  # type: ignore[index]
        assert main.requests[1].header("authorization") == "Bearer sk-theirs"


async def test_vectors_of_another_model_are_no_answer(tmp_path: Path) -> None:
    async with between(tmp_path, [Json(BUSY, status=503)], []) as (proxy, backends):
        reply = await post(f"{proxy.url}/v1/embeddings", {"model": "support", "input": "hi"})
        assert (reply.status, len(backends[1].requests)) == (503, 0)


async def test_a_conversation_that_a_backend_keeps_goes_to_no_other(tmp_path: Path) -> None:
    body = {"model": "support", "input": "hi", "previous_response_id": "resp_1"}
    async with between(tmp_path, [Json(BUSY, status=503)], [], fallback=("v2", "same")) as (proxy, backends):
        assert (await post(f"{proxy.url}/v1/responses", body)).status == 503
        assert [len(backend.requests) for backend in backends] == [2, 0]


async def test_the_rules_of_the_version_that_answers_hold(tmp_path: Path) -> None:
    """What is sent to it was judged as its own requests are."""
    rules = """\
rules:
  - {id: names, on: input, detect: {phrases: [alice]}, action: redact}
  - {id: theirs, on: input, detect: {phrases: [falcon]}, action: block, when: {models: [twin]}}
"""
    models = MappingProxyType({"support": model("v2"), "twin": model(serve="v2")})
    async with between(tmp_path, [Reset()], [Json(REPLY)], models=models, rules=rules) as (proxy, backends):
        said = [{"role": "user", "content": "alice asks"}]
        assert (await ask(proxy, messages=said)).status == 200
        assert all(b"alice" not in backend.requests[0].body for backend in backends)
        (record,) = await proxy.records()
        assert [finding["rule"] for finding in record["findings"]] == ["names"], "told once"
        del said[0]
        said.append({"role": "user", "content": "tell of falcon"})
        only_there = {"support": model("v2"), "twin": ModelSettings({"a": Version("spare", "gpt-2")}, "a")}
    async with between(
        tmp_path, [Reset()], [Json(REPLY)], models=MappingProxyType(only_there), rules=rules
    ) as (proxy, backends):
        reply = await ask(proxy, messages=said)
        assert (reply.status, reply.json["error"]["code"]) == (400, "content_filter")
        assert [len(backend.requests) for backend in backends] == [1, 0]
        assert (await proxy.finished())["outcome"] == "blocked_input"
