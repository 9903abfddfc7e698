"""A whole proxy under load while its scorer processes are killed at random: no covered text passes unscored, and
nobody has to help it up again. Sockets and processes are real; the engine is the odd one, which loads quickly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from proxy.scoring import service
from proxy.settings import Scoring
from tests.fakes import Action, Json, ReceivedRequest, ScriptedBackend, Sse
from tests.scenario.harness import Proxy, post, proxy_for
from tests.scenario.test_no_leak import chat_frames
from tests.scoring.support import kill, odd_spec, until

CLIENTS: Final = 6
EXCHANGES: Final = 12  # each
NAME: Final = re.compile(r"Jane\d+|Roe\d+")
POISON: Final = ("crash now.", "raise it.", "nonsense, all of it.")
RULES: Final = """\
rules:
  - {id: names, on: output, detect: {pii: {entities: [PERSON]}}, action: redact, on_error: ON_ERROR, message: STOP}
"""


def reply(text: str, stream: bool) -> list[Action]:
    if stream:
        return [Sse(list(chat_frames([text[at : at + 3] for at in range(0, len(text), 3)])))]
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return [Json({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})]


def echo(request: ReceivedRequest) -> list[Action]:
    """The backend says what the request's user said."""
    body = request.json
    assert isinstance(body, dict)
    return reply(body["messages"][0]["content"], bool(body.get("stream")))


@asynccontextmanager
async def proxy_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, on_error: str, workers: int = 2
) -> AsyncIterator[Proxy]:
    monkeypatch.setattr(service, "NER_SPEC", odd_spec(folder, name="ner"))
    async with ScriptedBackend(echo) as backend:
        rules = RULES.replace("ON_ERROR", on_error)
        scoring = Scoring(workers=workers, deadline_s=5.0)
        async with proxy_for(folder, backend.url, rules=rules, scoring=scoring) as proxy:
            yield proxy


async def said(proxy: Proxy, text: str, *, stream: bool) -> str:
    """What a client gets of a reply with this text."""
    body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]}
    answer = await post(f"{proxy.url}/v1/chat/completions", body)
    assert answer.status == 200, answer.body
    if not stream:
        return str(json.loads(answer.body)["choices"][0]["message"]["content"])
    lines = [
        line.removeprefix("data: ") for line in answer.body.decode().splitlines() if line.startswith("data: ")
    ]
    assert lines[-1] == "[DONE]"
    deltas = [choice["delta"] for line in lines[:-1] for choice in json.loads(line)["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


async def one_client(proxy: Proxy, number: int, got: list[tuple[str, str]]) -> None:
    chance = random.Random(number)
    for turn in range(EXCHANGES):
        at = number * EXCHANGES + turn
        text = f"our client Jane{at} is here. and so on, and on. then Roe{at} came too."
        if chance.random() < 0.2:
            text = (
                f"{chance.choice(POISON)} {text}"
                if chance.random() < 0.5
                else f"{text} {chance.choice(POISON)}"
            )
        got.append((text, await said(proxy, text, stream=chance.random() < 0.5)))


def gone(proxy: Proxy, pid: int) -> bool:
    return pid not in proxy.app.scorers.pids


async def kill_at_random(proxy: Proxy, killed: Counter[int]) -> None:
    """Kill one process whenever one is up: each gets some way, and none far."""
    chance = random.Random(7)
    while True:
        await until(lambda: proxy.app.scorers.fault is None)
        await asyncio.sleep(chance.uniform(0.0, 0.1))
        if pids := proxy.app.scorers.pids:
            pid = chance.choice(pids)
            killed[pid] += 1
            with contextlib.suppress(ProcessLookupError):
                kill(pid)
            await until(partial(gone, proxy, pid))


async def under_fire(proxy: Proxy) -> list[tuple[str, str]]:
    """Every text and what its client got of it, while processes are killed."""
    got: list[tuple[str, str]] = []
    killed: Counter[int] = Counter()
    killer = asyncio.create_task(kill_at_random(proxy, killed))
    await asyncio.gather(*(one_client(proxy, number, got) for number in range(CLIENTS)))
    killer.cancel()
    assert len(got) == CLIENTS * EXCHANGES
    assert len(killed) > 3, "processes were killed, and others took their place"
    return got


async def errors(proxy: Proxy) -> int:
    counted = re.findall(r'guardrail_scorer_errors_total\{.*scorer="ner".*\} (\d+)', await proxy.metrics())
    return sum(map(int, counted))


async def test_nothing_unscored_passes_and_it_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxy_of(tmp_path, monkeypatch, "block") as proxy:
        got = await under_fire(proxy)
        ends = Counter("cut" if text.endswith("STOP") else "whole" for _, text in got)
        for sent, text in got:
            assert not NAME.search(text), (sent, text)
            whole = NAME.sub("<PERSON>", sent)
            assert whole == text or (text.endswith("STOP") and whole.startswith(text.removesuffix("STOP")))
        assert ends["cut"] > 0
        assert ends["whole"] > 0
        assert await errors(proxy) > 0
        await until(lambda: proxy.app.scorers.fault is None)
        async with aiohttp.ClientSession() as session, session.get(f"{proxy.admin}/readyz") as ready:
            assert ready.status == 200
        assert await said(proxy, "and here is Jane1.", stream=True) == "and here is <PERSON>."


async def test_where_errors_are_allowed_all_passes_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxy_of(tmp_path, monkeypatch, "allow") as proxy:
        got = await under_fire(proxy)
        for sent, text in got:
            assert re.sub(r"<PERSON>", "_", text) == NAME.sub("_", sent) or NAME.search(text), (sent, text)
            assert "STOP" not in text
        assert await errors(proxy) > 0


async def test_a_scorer_that_is_down_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy_of(tmp_path, monkeypatch, "block", workers=1) as proxy:
        odd_spec(tmp_path, "broken", name="ner")
        for pid in proxy.app.scorers.pids:
            kill(pid)
        await until(lambda: "broken" in (proxy.app.scorers.fault or ""))
        async with aiohttp.ClientSession() as session, session.get(f"{proxy.admin}/readyz") as ready:
            assert ready.status == 503
            assert "the scorer ner is down: it cannot load" in await ready.text()
        _, status = await proxy.admin_call("GET", "/status")
        (shown,) = status["scorers"]
        assert (shown["engine"], shown["state"]) == ("ner", "down")
        odd_spec(tmp_path, "fine", name="ner")
        await until(lambda: proxy.app.scorers.fault is None)


async def test_a_reload_waits_for_the_scorer_that_it_needs_and_a_broken_one_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxy_of(tmp_path, monkeypatch, "block") as proxy:
        rules = proxy.settings.rules_dir / "rules.yaml"
        rules.write_text("rules: []\n", "utf-8")
        assert (await proxy.admin_call("POST", "/rules/reload"))[0] == 200
        assert proxy.app.scorers.pids, "kept for exchanges that began before"
        await proxy.app.scorers.retire(0.0)
        assert not proxy.app.scorers.pids
        odd_spec(tmp_path, "broken", name="ner")
        rules.write_text(RULES.replace("ON_ERROR", "block"), "utf-8")
        status, refused = await proxy.admin_call("POST", "/rules/reload")
        assert status == 422
        assert "the scorer ner does not start: it cannot load" in json.dumps(refused)
        odd_spec(tmp_path, "fine", name="ner")
        # The watcher saw the file too, and may just be starting the broken one.
        for _ in range(100):
            status, refused = await proxy.admin_call("POST", "/rules/reload")
            if status == 200:
                break
        assert status == 200, refused
        assert await said(proxy, "here is Jane1.", stream=False) == "here is <PERSON>."
