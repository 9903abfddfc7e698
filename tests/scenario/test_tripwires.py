"""A running proxy whose model turns bad: its tripwire turns the dial, says so, and is well again after."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from proxy.settings import AlertTarget
from tests.admin.test_dial_command import run
from tests.fakes import Json, ScriptedBackend, Sse, sse
from tests.scenario.harness import ADMIN_TOKEN, Proxy, post, proxy_for, running
from tests.scenario.test_cards import MODELS
from tests.scenario.test_identity import CHAT, REPLY

CHUNK = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
RULES = """\
rules:
  - {id: rude, on: output, detect: {toxicity: {toxicity: 0.9}}, action: flag}
  - {id: mail, on: output, detect: {pii: {entities: [EMAIL_ADDRESS]}}, action: redact}
tripwires:
  - id: rude-model
    metric: toxicity
    stat: p50
    per: model
    window: 1h
    above: 0.5
    min_samples: 3
    for: 0s
    then: [{dial: {level: killed, ttl: 1h}}]
  - {id: leaks, metric: pii_rate, per: user, above: 0.5, min_samples: 3, for: 0s, then: [{block: {ttl: 1h}}]}
  - {id: failing, metric: error_rate, above: 0.5, min_samples: 3, for: 0s}
  - {id: longer, metric: reply_length, stat: mean, per: model, above_baseline: {sigmas: 4}}
"""


def saying(text: str) -> dict[str, Any]:
    reply: dict[str, Any] = {**REPLY}
    return {**reply, "choices": [{**reply["choices"][0], "message": {"role": "assistant", "content": text}}]}


async def ask(proxy: Proxy, model: str = "support", times: int = 3) -> list[int]:
    url = f"{proxy.url}/v1/chat/completions"
    return [(await post(url, {**CHAT, "model": model})).status for _ in range(times)]


async def tripwires(proxy: Proxy) -> dict[tuple[str, str], Any]:
    status, body = await proxy.admin_call("GET", "/tripwires")
    assert status == 200
    return {(one["id"], one["per"]): one for one in body["tripwires"]}


async def test_a_rude_model_is_killed_under_every_name(tmp_path: Path) -> None:
    rude = saying("You are a stupid fucking idiot, shut up.")
    async with (
        ScriptedBackend(lambda _: [Json(rude)]) as backend,
        proxy_for(tmp_path, backend.url, models=MODELS, rules=RULES) as proxy,
    ):
        assert {key: one["state"] for key, one in (await tripwires(proxy)).items()} == {
            ("rude-model", "model"): "ok",
            ("leaks", "user"): "ok",
            ("failing", "global"): "ok",
            ("longer", "model"): "ok",
        }
        await ask(proxy)
        await ask(proxy, "gpt-2")  # the same model
        await proxy.app.responder.round()

        found = await tripwires(proxy)
        one = found["rude-model", "model:support"]
        assert (one["state"], one["samples"], one["threshold"]) == ("firing", 6, 0.5)
        assert one["value"] > 0.9
        assert found["leaks", "ip:127.0.0.1"]["value"] == 0
        _, dial = await proxy.admin_call("GET", "/dial")
        (setting,) = dial["settings"]
        assert (setting["scope"], setting["level"], setting["actor"]) == (
            "model:support",
            "killed",
            "tripwire:rude-model",
        )
        assert setting["expires"] is not None
        metrics = await proxy.metrics()
        assert 'guardrail_tripwire_state{per="model:support",tripwire="rude-model"} 2.0' in metrics
        assert 'guardrail_tripwire_threshold{per="user",tripwire="leaks"} 0.5' in metrics
        assert 'guardrail_tripwire_value{per="global",tripwire="failing"} 0.0' in metrics

        reply = await post(f"{proxy.url}/v1/chat/completions", {**CHAT, "model": "gpt-2"})
        assert reply.json["choices"][0]["finish_reason"] == "content_filter"
        as_tester: Any = {"GUARDRAIL_ADMIN": proxy.admin, "GUARDRAIL_ADMIN_TOKEN": ADMIN_TOKEN}
        shown = await run(tmp_path, "tripwires", "show", whole=True, **as_tester)
        assert "rude-model" in shown.out
        assert "leaks" not in shown.out
        assert found["longer", "model:support"]["baseline"]["learning"] is True
        shown = await run(tmp_path, "tripwires", "show", "--all", whole=True, **as_tester)
        assert "learning" in shown.out
        settings = proxy.settings

    async with running(settings) as again:
        assert (await tripwires(again))["rude-model", "model:support"]["state"] == "firing"
        _, dial = await again.admin_call("GET", "/dial")
        assert [one["actor"] for one in dial["settings"]] == ["tripwire:rude-model"]


async def test_who_makes_it_leak_is_blocked(tmp_path: Path) -> None:
    async with (
        ScriptedBackend(lambda _: [Json(saying("Ask jane.doe@example.com."))]) as backend,
        proxy_for(tmp_path, backend.url, rules=RULES) as proxy,
    ):
        assert await ask(proxy, "anything") == [200] * 3
        await proxy.app.responder.round()
        assert await ask(proxy, "anything", 1) == [403]
        (block,) = (await proxy.admin_call("GET", "/blocks"))[1]["blocks"]
        assert (block["subject"], block["actor"]) == ("ip:127.0.0.1", "tripwire:leaks")


@pytest.mark.parametrize(("status", "state"), [(500, "firing"), (429, "firing"), (404, "ok")])
async def test_errors(tmp_path: Path, status: int, state: str) -> None:
    async with (
        ScriptedBackend(lambda _: [Json({"error": {"message": "no"}}, status=status)]) as backend,
        proxy_for(tmp_path, backend.url, rules=RULES) as proxy,
    ):
        assert await ask(proxy) == [status] * 3
        await proxy.app.responder.round()
        assert (await tripwires(proxy))["failing", "global"]["state"] == state


async def test_an_alert_that_hangs_delays_no_exchange(tmp_path: Path) -> None:
    """The target takes the connection and never answers; exchanges, the dial and the metrics go on."""
    reached = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    target = AlertTarget("oncall", SecretStr(f"http://127.0.0.1:{port}/hook"), SecretStr("signs"))
    rules = RULES.replace("then: [{dial", "then: [{alert: oncall}, {dial")
    async with (
        server,
        ScriptedBackend(lambda _: [Json(saying("You are a stupid fucking idiot, shut up."))]) as backend,
        proxy_for(tmp_path, backend.url, models=MODELS, rules=rules, alerts=(target,)) as proxy,
    ):
        await ask(proxy)
        await proxy.app.responder.round()
        await asyncio.wait_for(reached.wait(), 10)
        assert await ask(proxy, times=3) == [200] * 3
        assert (await tripwires(proxy))["rude-model", "model:support"]["state"] == "firing"
        assert 'guardrail_alerts_waiting{target="oncall"} 1.0' in await proxy.metrics()


SAID = """\
rules: [{id: rude, on: input, detect: {phrases: [darling]}, action: flag}]
tripwires:
  - {id: declines, metric: refusal_rate, per: model, above: 0.1}
  - {id: flagged, metric: flagged_rate, per: user, above: 0.9}
  - {id: new, metric: new_prompts, stat: sum, per: user, above: 100}
  - {id: first, metric: first_byte_s, stat: p95, above: 100}
"""


@pytest.mark.parametrize("stream", [False, True])
async def test_what_exchanges_tell(tmp_path: Path, stream: bool) -> None:
    """Of four replies two decline, of four requests two are flagged, and two say the same."""
    said = ["I'm sorry, but I can't help with that.", "Sure. I'm sorry that it took so long."]
    asked = ["hello", "hello", "dear darling", "darling"]

    def reply(text: str) -> Any:
        if not stream:
            return Json(saying(text))
        frames = [
            sse({**CHUNK, "choices": [{"index": 0, "delta": {"content": word + " "}}]})
            for word in text.split()
        ]
        end = sse({**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        return Sse([*frames, end, b"data: [DONE]\n\n"])

    turns = iter(said * 2)
    async with (
        ScriptedBackend(lambda _: [reply(next(turns))]) as backend,
        proxy_for(tmp_path, backend.url, rules=SAID) as proxy,
    ):
        for text in asked:
            body = {**CHAT, "stream": stream, "messages": [{"role": "user", "content": text}]}
            assert (await post(f"{proxy.url}/v1/chat/completions", body)).status == 200
        found = {id: one["value"] for (id, _), one in (await tripwires(proxy)).items()}
        assert (found["declines"], found["flagged"], found["new"]) == (0.5, 0.5, 3)
        assert 0 < found["first"] < 60


async def test_the_tone_of_replies(tmp_path: Path) -> None:
    """Read after the exchange has ended, at the next round; of the reply as received."""
    rules = """\
rules:
  - {id: mail, on: output, detect: {pii: {entities: [EMAIL_ADDRESS]}}, action: block}
tripwires:
  - {id: tone, metric: sentiment, stat: mean, per: model, below: -0.4, min_samples: 3, for: 0s}
"""
    hostile = saying("I hate you, you are worthless. Write to jane.doe@example.com instead.")
    async with (
        ScriptedBackend(lambda _: [Json(hostile)]) as backend,
        proxy_for(tmp_path, backend.url, models=MODELS, rules=rules) as proxy,
    ):
        await ask(proxy)
        assert (await tripwires(proxy))["tone", "model:support"]["samples"] == 0
        await proxy.app.responder.round()
        one = (await tripwires(proxy))["tone", "model:support"]
        assert (one["state"], one["samples"]) == ("firing", 3)
        assert one["value"] < -0.4
        text = await proxy.metrics()
        assert 'guardrail_tripwire_value{per="model:support",tripwire="tone"} -0.' in text
