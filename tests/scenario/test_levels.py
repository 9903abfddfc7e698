"""Every cell of the table level × wire × stream or not, as the official client and the backend see it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import SecretStr

from proxy.settings import ClientSettings
from tests.clients import openai_client
from tests.fakes import Action, Json, ReceivedRequest, ScriptedBackend, Sse
from tests.fakes.strict import strict
from tests.scenario.harness import post, proxy_for
from tests.scenario.speaking import HISTORY, SPOKEN, SYSTEM, Answer, Spoken, answer_of
from tests.wire import samples

PROMPT = "Be careful."
STATIC = "Back at nine."
RULES = f"""\
rules:
  - {{id: eagles, on: output, detect: {{phrases: [eagle]}}, action: redact}}
  - {{id: falcons, on: output, detect: {{phrases: [falcon]}}, action: flag, levels: {{degraded: redact}}}}
containment:
  degraded: {{keep_messages: 2, system_prompt: {PROMPT}, temperature: 0.25, max_output_tokens: 100}}
  restricted: {{allow: ["app:shop"]}}
  killed: {{reply: static, message: {STATIC}}}
"""
CLIENTS = (
    ClientSettings("shop", "shop", SecretStr("shop-key")),
    ClientSettings("other", "other", SecretStr("other-key")),
)
SAID = "The falcon and the eagle fly."

CELLS = {  # level: (who asks, text, whether the reply is the backend's, whether it was cut down)
    "open": ("other", SAID, False),
    "guarded": ("other", "The falcon and the <PHRASE> fly.", False),
    "degraded": ("other", "The <PHRASE> and the <PHRASE> fly.", True),
    "restricted": ("shop", "The <PHRASE> and the <PHRASE> fly.", True),
    "restricted, not on the list": ("other", None, False),
    "killed": ("shop", STATIC, False),
}


def speaking(wire: Spoken) -> Any:
    def answer(request: ReceivedRequest) -> Sequence[Action]:
        body: Any = request.json
        if body.get("stream"):
            return [Sse(wire.frames(["The fal", "con and the e", "agle", " fly."]))]
        return [Json(wire.whole(SAID))]

    return strict(answer)


def reduced(wire: Spoken, body: dict[str, Any]) -> dict[str, Any]:
    """What is left of the request of `speaking.py` on that wire."""
    kept = HISTORY[-1:]
    match wire.name:
        case "chat":
            system = {"role": "system", "content": f"{PROMPT}\n\n{SYSTEM}"}
            return {**body, "messages": [system, *kept], "temperature": 0.25, "max_tokens": 100}
        case "completions":
            return {**body, "prompt": f"{PROMPT}\n\none", "temperature": 0.25, "max_tokens": 100}
        case "responses":
            front = {"instructions": f"{PROMPT}\n\n{SYSTEM}", "input": kept}
            return {**body, **front, "temperature": 0.25, "max_output_tokens": 100}
    front = {"system": f"{PROMPT}\n\n{SYSTEM}", "messages": kept}
    return {**body, **front, "temperature": 0.25, "max_tokens": 100}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", SPOKEN, ids=str)
@pytest.mark.parametrize("level", CELLS)
async def test_a_wire_that_speaks(level: str, wire: Spoken, stream: bool, tmp_path: Path) -> None:
    who, text, is_cut = CELLS[level]
    word = level.partition(",")[0]
    async with (
        ScriptedBackend(speaking(wire)) as backend,
        proxy_for(tmp_path, backend.url, rules=RULES, clients=CLIENTS) as proxy,
    ):
        await answer_of(wire.ask(proxy.url, "shop-key", stream, None))
        whole: Any = backend.requests[0].json
        await proxy.dial(word)
        answer = await answer_of(wire.ask(proxy.url, f"{who}-key", stream, None))
        record, *_ = await proxy.records()
    assert record["level"] == word
    if text is None:
        assert (answer.status, answer.code) == (503, "api_error" if wire.name == "messages" else "contained")
        assert (record["outcome"], len(backend.requests)) == ("contained", 1)
        return
    assert answer == Answer(text, wire.filtered if word == "killed" else wire.done)
    assert record["request"]["body"] == whole, "the log has what came"
    if word == "killed":
        assert (record["outcome"], len(backend.requests)) == ("killed", 1)
        return
    left = reduced(wire, whole) if is_cut else whole
    assert backend.requests[1].json == left
    if is_cut:
        assert record["request"]["sent"] == left, "and beside it what was sent"
    else:
        assert backend.requests[1].body == backend.requests[0].body
        assert "sent" not in record["request"]
    assert record["outcome"] == ("released" if word == "open" else "redacted")


COUNTED = {"model": "m", "system": SYSTEM, "messages": HISTORY}
SILENT: dict[str, tuple[str, Any, bytes]] = {
    "embeddings": ("/v1/embeddings", {"model": "m", "input": "hi"}, samples.embeddings_whole()),
    "count_tokens": ("/v1/messages/count_tokens", COUNTED, samples.count_tokens_whole()),
}


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize("level", CELLS)
async def test_a_wire_that_says_nothing(level: str, name: str, tmp_path: Path) -> None:
    path, body, reply = SILENT[name]
    who, text, is_cut = CELLS[level]
    async with (
        ScriptedBackend(strict([Json(reply)])) as backend,
        proxy_for(tmp_path, backend.url, rules=RULES, clients=CLIENTS) as proxy,
    ):
        await proxy.dial(level.partition(",")[0])
        key = (
            {"x-api-key": f"{who}-key"} if name == "count_tokens" else {"authorization": f"Bearer {who}-key"}
        )
        got = await post(proxy.url + path, body, key)
        record, *_ = await proxy.records()
    if text is None or level == "killed":
        assert got.status == 503
        assert (record["outcome"], backend.requests) == ("killed" if text else "contained", [])
        return
    assert (got.status, got.body) == (200, reply)
    sent: Any = backend.requests[0].json
    if name == "count_tokens" and is_cut:
        assert sent == {"model": "m", "system": f"{PROMPT}\n\n{SYSTEM}", "messages": HISTORY[-1:]}
    else:
        assert sent == body


@pytest.mark.parametrize("level", CELLS)
async def test_the_list_of_models(level: str, tmp_path: Path) -> None:
    who, text, _ = CELLS[level]
    async with (
        ScriptedBackend([Json(samples.openai_models())]) as backend,
        proxy_for(tmp_path, backend.url, rules=RULES, clients=CLIENTS) as proxy,
        openai_client(proxy.url, f"{who}-key") as client,
    ):
        await proxy.dial(level.partition(",")[0])
        if text is None or level == "killed":
            with pytest.raises(openai.InternalServerError, match="operators"):
                await client.models.list()
            assert backend.requests == [], "and not retried"
        else:
            assert [model.id async for model in client.models.list()] == ["gpt-test"]
