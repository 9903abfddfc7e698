"""An official client makes one request for each block: it is told not to come again, or has nothing to come for.

With the retries that it has by default: without `x-should-retry: false` a block would be three exchanges on the
log, and trip every tripwire three times.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from pydantic import SecretStr

from proxy.settings import ClientSettings, Limits
from tests.clients import anthropic_client, openai_client
from tests.fakes import Action, Close, Json, Pause, Reset, ScriptedBackend, Sse
from tests.scenario.harness import LEAK_RULES, Proxy, proxy_for
from tests.scenario.test_fallback import MESSAGE
from tests.scenario.test_identity import REPLY
from tests.scenario.test_no_leak import anthropic_frames, chat_frames

RULES = (
    LEAK_RULES
    + """\
  - {id: forbidden, on: input, detect: {phrases: [forbidden]}, action: block}
"""
)
ERROR = RULES + "containment: {killed: {reply: error}}\n"
MODELS = {
    "object": "list",
    "data": [{"id": "project falcon", "object": "model", "created": 1, "owned_by": "x"}],
}
CLAUDES = {
    "data": [
        {"id": "project falcon", "type": "model", "display_name": "x", "created_at": "2027-01-01T00:00:00Z"}
    ],
    "has_more": False,
    "first_id": None,
    "last_id": None,
}

Act = Callable[[Proxy], Awaitable[object]]


async def nothing(proxy: Proxy) -> None: ...


async def kill(proxy: Proxy) -> None:
    await proxy.dial("killed")


async def restrict(proxy: Proxy) -> None:
    await proxy.dial("restricted")


async def block(proxy: Proxy) -> None:
    status, _ = await proxy.admin_call("POST", "/blocks", {"subject": "ip:127.0.0.1", "reason": "x"})
    assert status == 200


async def limit(proxy: Proxy) -> None:
    body = {"subject": "ip:127.0.0.1", "rate": "1/hour", "reason": "x"}
    assert (await proxy.admin_call("POST", "/limits", body))[0] == 200
    async with aiohttp.ClientSession() as session, session.get(f"{proxy.url}/v1/models"):
        pass  # that was the one of this hour


@dataclass(frozen=True)
class Case:
    """What the clients ask, what is so by then, and what they get: a status of an error, or none and the filtered
    finish of a whole reply or a stream."""

    outcome: str
    status: int = 200
    says: str = "hi"
    stream: bool = False
    call: str = "chat"
    act: Act = nothing
    rules: str = RULES
    backend: Sequence[Action | type[Pause]] = ()
    settings: dict[str, Any] = field(default_factory=dict)


LEAKS = "It is Project Falcon."
CASES = {
    "blocked input": Case("blocked_input", 400, says="a forbidden word"),
    "blocked input of a stream": Case("blocked_input", 400, says="a forbidden word", stream=True),
    "blocked output": Case("blocked_output"),
    "blocked output of a stream": Case("blocked_output", stream=True),
    "blocked output without a form": Case("blocked_output", 502, call="models"),
    "subject blocked": Case("subject_blocked", 403, act=block),
    "rate limited for long": Case("rate_limited", 429, act=limit),
    "killed": Case("killed", act=kill),
    "killed stream": Case("killed", stream=True, act=kill),
    "killed with an error": Case("killed", 503, act=kill, rules=ERROR),
    "killed stream with an error": Case("killed", 503, act=kill, rules=ERROR, stream=True),
    "killed without a text answer": Case("killed", 503, act=kill, call="models"),
    "not on the list": Case("contained", 503, act=restrict),
    "not on the list, streamed": Case("contained", 503, act=restrict, stream=True),
    "wrong key": Case(
        "refused", 401, settings={"clients": (ClientSettings("shop", None, SecretStr("another")),)}
    ),
    "too large": Case("refused", 413, says="x" * 2000, settings={"limits": Limits(max_body_bytes=1000)}),
    "no such model": Case("refused", 404, settings={"unlisted_models": "deny"}),
    "backend unreachable": Case("backend_error", 502, backend=[Reset()]),
    "backend closes": Case("backend_error", 502, backend=[Close()]),
    "backend too slow": Case("backend_error", 504, backend=[Pause], settings={"timeout_s": 0.2}),
    "backend makes no sense": Case("backend_error", 502, backend=[Json(b"<html>")]),
}


def backend_for(case: Case, api: str) -> list[Action]:
    if case.backend:
        return [action if isinstance(action, Action) else action() for action in case.backend]
    if case.call == "models":
        return [Json(MODELS if api == "openai" else CLAUDES)]
    if case.stream:
        return [Sse(list((chat_frames if api == "openai" else anthropic_frames)([LEAKS])))]
    if api == "openai":
        return [Json({**REPLY, "choices": [{**REPLY["choices"][0], "message": {"content": LEAKS}}]})]  # type: ignore[index]
    return [Json({**MESSAGE, "content": [{"type": "text", "text": LEAKS}]})]


async def ask_openai(client: openai.AsyncOpenAI, case: Case) -> str | None:
    if case.call == "models":
        await client.models.list()
        return None
    call: Any = {"model": "m", "messages": [{"role": "user", "content": case.says}], "stream": case.stream}
    reply: Any = await client.chat.completions.create(**call)
    if not case.stream:
        return str(reply.choices[0].finish_reason)
    finishes = [str(chunk.choices[0].finish_reason) async for chunk in reply if chunk.choices]
    return finishes[-1]


async def ask_anthropic(client: anthropic.AsyncAnthropic, case: Case) -> str | None:
    if case.call == "models":
        await client.models.list()
        return None
    call: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": case.says}]}
    if not case.stream:
        return str((await client.messages.create(**call)).stop_reason)
    async with client.messages.stream(**call) as events:
        return (await events.get_final_message()).stop_reason


@pytest.mark.parametrize("api", ["openai", "anthropic"])
@pytest.mark.parametrize("name", CASES)
async def test_an_official_client_makes_one_request(name: str, api: str, tmp_path: Path) -> None:
    case = CASES[name]
    async with (
        ScriptedBackend(backend_for(case, api)) as backend,
        proxy_for(tmp_path, backend.url, rules=case.rules, **case.settings) as proxy,
    ):
        await case.act(proxy)
        before = len(await proxy.records())
        status, finish = await asked(proxy, api, case)
        assert status == case.status
        if status == 200:
            assert finish == {"openai": "content_filter", "anthropic": "refusal"}[api]
        records = await proxy.records()
        assert [record["outcome"] for record in records[: len(records) - before]] == [case.outcome]


async def asked(proxy: Proxy, api: str, case: Case) -> tuple[int, str | None]:
    """The status of the error that the client raised, or 200 and the reply's finish reason."""
    try:
        if api == "openai":
            async with openai_client(proxy.url) as client:
                return 200, await ask_openai(client, case)
        async with anthropic_client(proxy.url) as claude:
            return 200, await ask_anthropic(claude, case)
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        return error.status_code, None
