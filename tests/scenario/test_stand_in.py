"""What is killed is answered by a backend that is no model, where the rules say so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import openai
import pytest

from proxy.errors import ConfigError
from proxy.model.observation import Observation
from proxy.settings import Api, BackendSettings, ModelSettings, Version
from proxy.watch.watch import Watch
from tests.clients import openai_client
from tests.fakes import Action, Chunk, Close, Json, Pause, Reset, ScriptedBackend, Sse
from tests.fakes.actions import Script
from tests.scenario.harness import Proxy, post, proxy_for
from tests.scenario.test_dial import STATIC
from tests.scenario.test_fallback import ASK, MESSAGE, ask_officially
from tests.scenario.test_identity import REPLY
from tests.scenario.test_no_leak import anthropic_frames, chat_frames

RULES = """\
rules:
  - {id: pii, on: output, detect: {pii: {entities: [EMAIL_ADDRESS]}}, action: redact}
  - {id: names, on: input, detect: {phrases: [alice]}, action: redact}
containment: {killed: {reply: {backend: calm}}}
"""
CHAT_URL = "/v1/chat/completions"


@asynccontextmanager
async def beside(
    folder: Path, calm: Script, model: Script = (), *, api: Api = "openai", rules: str = RULES
) -> AsyncIterator[tuple[Proxy, ScriptedBackend, ScriptedBackend]]:
    """A proxy before a model and, on the same API, a backend that is none."""
    versions = {"v2": Version("main", "gpt-2"), "v1": Version("spare", "gpt-1")}
    async with ScriptedBackend(model) as main, ScriptedBackend(calm) as none:
        urls = {"main": main.url, "spare": main.url, "calm": none.url}
        backends = {name: BackendSettings(url, api, timeout_s=5.0) for name, url in urls.items()}
        async with proxy_for(
            folder,
            main.url,
            rules=rules,
            backends=MappingProxyType(backends),
            models=MappingProxyType({"support": ModelSettings(MappingProxyType(versions), "v2", ("v1",))}),
        ) as proxy:
            yield proxy, none, main


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", ["openai", "anthropic"])
async def test_the_official_clients_read_its_answer(api: Api, stream: bool, tmp_path: Path) -> None:
    frames = (chat_frames if api == "openai" else anthropic_frames)(["o", "k"])
    answer: Action = Sse(list(frames)) if stream else Json(REPLY if api == "openai" else MESSAGE)
    async with beside(tmp_path, [answer], api=api) as (proxy, calm, main):
        await proxy.dial("killed", "model:support")
        assert await ask_officially(proxy, api, stream=stream) == "ok"
        assert (len(calm.requests), len(main.requests)) == (1, 0)
        (record,) = await proxy.records()
        assert (record["outcome"], record["level"], record["backend"]) == ("killed", "killed", "calm")
        assert (record["model"]["version"], record["model"]["sent"]) == (None, None)
        assert record["response"]["received"] == "ok"


async def test_what_it_is_sent_and_what_it_says_is_held_to_the_rules(tmp_path: Path) -> None:
    said = {**REPLY["choices"][0], "message": {"role": "assistant", "content": "Mail jane.doe@example.com"}}  # type: ignore[index]
    async with beside(tmp_path, [Json({**REPLY, "choices": [said]})]) as (proxy, calm, _):
        await proxy.dial("killed")
        asked = {**ASK, "messages": [{"role": "user", "content": "alice asks"}]}
        headers = {"authorization": "Bearer sk-theirs", "x-api-key": "sk-theirs"}
        reply = await post(f"{proxy.url}{CHAT_URL}", asked, headers)
        assert reply.json["choices"][0]["message"]["content"] == "Mail <EMAIL_ADDRESS>"
        assert reply.headers["x-guardrail-level"] == "killed"
        sent = calm.requests[0]
        assert (b"alice" not in sent.body, "sk-theirs" not in str(sent.headers)) == (True, True)
        record = await proxy.finished()
        assert record["outcome"] == "killed"
        assert {finding["rule"] for finding in record["findings"]} == {"pii", "names"}


async def test_it_is_no_sample_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Observation] = []
    monkeypatch.setattr(Watch, "observe", lambda _, one: seen.append(one))
    toxic = "  - {id: toxic, on: output, detect: {toxicity: {toxicity: 0.9}}, action: flag}\ncontainment:"
    async with beside(tmp_path, [Json(REPLY)], [Json(REPLY)], rules=RULES.replace("containment:", toxic)) as (
        proxy,
        calm,
        _,
    ):
        counted = 'guardrail_score_count{label="toxicity",model="support"} 1.0'
        await ask_officially(proxy, "openai", stream=False)
        assert (len(seen), counted in await proxy.metrics()) == (1, True)
        await proxy.dial("killed")
        await ask_officially(proxy, "openai", stream=False)
        assert len(calm.requests) == 1
        assert (len(seen), counted in await proxy.metrics()) == (1, True)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([Reset()], id="reset"),
        pytest.param([Close()], id="closed"),
        pytest.param([Json({}, status=503)], id="503"),
        pytest.param([Json({}, status=404)], id="404"),
        pytest.param([Json(b"<html>")], id="no JSON"),
        pytest.param([Json({}, status=302, headers={"location": "/"})], id="redirect"),
    ],
)
async def test_where_it_does_not_answer_the_message_does_and_no_model(
    script: Sequence[Action], tmp_path: Path
) -> None:
    async with beside(tmp_path, script) as (proxy, calm, main):
        await proxy.dial("killed", "model:support")
        assert await ask_officially(proxy, "openai", stream=False) == STATIC
        assert (len(calm.requests), len(main.requests)) == (1, 0), "no fallback of the model is one of a kill"
        record = await proxy.finished()
        assert (record["outcome"], record["level"]) == ("killed", "killed")
        assert record["error"].startswith("backend calm: ")


async def test_where_it_speaks_another_api_the_message_answers(tmp_path: Path) -> None:
    async with beside(tmp_path, []) as (proxy, calm, main):
        await proxy.dial("killed")
        reply = await post(f"{proxy.url}/v1/messages", {**ASK, "max_tokens": 5})
        assert (reply.status, len(calm.requests), len(main.requests)) == (400, 0, 0), "no such backend here"
    rules = RULES.replace("calm", "claude-calm")
    async with ScriptedBackend([]) as backend:
        claude = {
            "main": BackendSettings(backend.url, "openai"),
            "claude": BackendSettings(backend.url, "anthropic"),
            "claude-calm": BackendSettings(f"{backend.url}/calm", "anthropic"),
        }
        changes: dict[str, Any] = {"rules": rules, "backends": MappingProxyType(claude)}
        async with proxy_for(tmp_path, backend.url, **changes) as proxy:
            await proxy.dial("killed")
            assert await ask_officially(proxy, "openai", stream=True) == STATIC
            assert not backend.requests


async def test_a_call_without_a_text_answer_is_refused_as_ever(tmp_path: Path) -> None:
    async with beside(tmp_path, []) as (proxy, calm, main):
        await proxy.dial("killed")
        reply = await post(f"{proxy.url}/v1/embeddings", {"model": "support", "input": "hi"})
        assert (reply.status, reply.json["error"]["code"]) == (503, "contained")
        assert not calm.requests
        assert not main.requests


async def test_a_stream_in_flight_ends_as_contained_and_a_waiting_reply_becomes_the_message(
    tmp_path: Path,
) -> None:
    frames = list(chat_frames(["All is well here. And it goes on."]))
    async with beside(tmp_path, [], [Sse(frames[:2], end=False), Pause()]) as (proxy, calm, main):
        async with openai_client(proxy.url) as client:
            call: Any = {"model": "support", "messages": ASK["messages"], "stream": True}
            stream: Any = await client.chat.completions.create(**call)
            chunks = aiter(stream)
            await anext(chunks)
            await proxy.dial("killed")
            with pytest.raises(openai.APIError) as ended:
                [_ async for _ in chunks]
            assert ended.value.code == "contained"
        assert (await proxy.finished())["outcome"] == "killed"
        assert (len(calm.requests), len(main.requests)) == (0, 1)
    async with beside(tmp_path, [], [Pause()]) as (proxy, calm, main):
        await proxy.admin_call("DELETE", "/dial/global?reason=x")
        asking = asyncio.ensure_future(ask_officially(proxy, "openai", stream=False))
        await main.received(1)
        await proxy.dial("killed")
        assert await asking == STATIC
        assert not calm.requests


async def test_a_stream_of_its_own_that_breaks_ends_in_an_error(tmp_path: Path) -> None:
    begun: list[Action] = [
        Sse(list(chat_frames(["It begins. "]))[:2], end=False),
        Chunk(b"data: {no\n\n"),
        Pause(),
    ]
    async with beside(tmp_path, begun) as (proxy, _, main):
        await proxy.dial("killed")
        with pytest.raises(openai.APIError):
            await ask_officially(proxy, "openai", stream=True)
        record = await proxy.finished()
        assert (record["outcome"], len(main.requests)) == ("killed", 0)
        assert record["error"]


@pytest.mark.parametrize(
    ("name", "why"), [("main", "it serves `support`"), ("calmer", "did you mean `calm`")]
)
async def test_a_model_cannot_stand_in_for_itself(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"rules\.yaml:4:41: .*{why}"):
        async with beside(tmp_path, [], rules=RULES.replace("backend: calm", f"backend: {name}")):
            pass
