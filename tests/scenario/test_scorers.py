"""A whole proxy with a detector whose answers come later: streams, whole replies and requests wait for them, and
for nothing longer than they must."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.detect.base import Bank, Context, Progress, Scan
from proxy.model.level import Direction
from proxy.policy.compile import Built, Policy
from tests.fakes import Action, Chunk, End, Json, Pause, ScriptedBackend, Sse
from tests.policy.banks import WordBank, WordScan
from tests.policy.late import Desk, LateBank
from tests.scenario.harness import WAIT_S, Proxy, post, proxy_for
from tests.scenario.test_no_leak import chat_frames

RULES = """\
rules:
  - {id: out, on: output, detect: {phrases: [never said]}, action: block, message: STOP}
  - {id: in, on: input, detect: {phrases: [never said]}, action: block, message: STOP}
"""
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def with_bank(proxy: Proxy, bank: Bank, direction: Direction) -> None:
    """Have the policy in force read with one more bank."""
    policy: Policy = proxy.app.policy.current
    built = (*policy.built, Built(direction, (), bank))
    proxy.app.policy._current = replace(policy, built=built, _plans={})


@asynccontextmanager
async def proxy_with(
    folder: Path,
    script: Sequence[Action],
    bank: Bank,
    direction: Direction,
) -> AsyncIterator[tuple[Proxy, ScriptedBackend]]:
    async with (
        ScriptedBackend(lambda _: script) as backend,
        proxy_for(folder, backend.url, rules=RULES) as proxy,
    ):
        with_bank(proxy, bank, direction)
        yield proxy, backend


async def until(holds: Callable[[], object]) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(WAIT_S):
        while True:  # no event of the test's own: it happens behind its back
            if holds():
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def streaming(proxy: Proxy) -> AsyncIterator[aiohttp.StreamReader]:
    async with aiohttp.ClientSession() as session:
        url = f"{proxy.url}/v1/chat/completions"
        async with session.post(url, json={**CHAT, "stream": True}) as answer:
            yield answer.content


async def text_until(content: aiohttp.StreamReader, what: bytes) -> bytes:
    seen = b""
    async with asyncio.timeout(WAIT_S):
        while what not in seen and (data := await content.readany()):
            seen += data
    return seen


async def test_a_stream_goes_on_as_its_scorer_answers(tmp_path: Path) -> None:
    desk = Desk()
    frames = list(chat_frames(["One.", " Two.", " Three."]))
    pause = Pause()
    script: list[Action] = [Sse(frames[:3], end=False), pause, *(Chunk(frame) for frame in frames[3:]), End()]
    async with proxy_with(tmp_path, script, LateBank(desk), Direction.OUTPUT) as (proxy, _):
        async with streaming(proxy) as content:
            await until(lambda: len(desk.open) == 2)
            desk.answer(1)
            desk.answer(0)
            seen = await text_until(content, b"Two.")
            assert b"One." in seen
            pause.event.set()
            await until(lambda: desk.open)
            desk.answer()
            assert (await text_until(content, b"[DONE]")).endswith(b"data: [DONE]\n\n")
        record = await proxy.finished()
    assert (record["outcome"], record["response"]["received"]) == ("released", "One. Two. Three.")


async def test_a_late_finding_blocks_and_what_was_read_meanwhile_is_no_part_of_the_reply(
    tmp_path: Path,
) -> None:
    desk = Desk()
    script = [Sse(list(chat_frames(["Fine. ", "It is bad. ", "And more. ", "And more."])))]
    async with proxy_with(tmp_path, script, LateBank(desk), Direction.OUTPUT) as (proxy, _):
        async with streaming(proxy) as content:
            await until(lambda: len(desk.open) == 4)
            desk.answer(1)
            desk.answer_all()
            seen = await text_until(content, b"[DONE]")
        record = await proxy.finished()
    assert b'"STOP"' in seen
    assert b"bad" not in seen
    assert b"more" not in seen
    assert record["outcome"] == "blocked_output"
    assert record["response"]["received"] == "Fine. It is bad. "
    assert record["response"]["delivered"] == "Fine. It is STOP"


async def test_a_whole_reply_waits_for_every_answer(tmp_path: Path) -> None:
    desk = Desk()
    message = {"role": "assistant", "content": "It is bad. Very bad."}
    script = [Json({"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": message}]})]
    async with proxy_with(tmp_path, script, LateBank(desk), Direction.OUTPUT) as (proxy, _):
        asked = asyncio.create_task(post(f"{proxy.url}/v1/chat/completions", CHAT))
        await until(lambda: len(desk.open) == 2)
        assert not asked.done()
        desk.answer(1)
        desk.answer(0)
        reply = await asked
    assert reply.json["choices"][0]["message"]["content"] == "STOP"


async def test_a_request_is_not_sent_before_its_answers(tmp_path: Path) -> None:
    desk = Desk()
    async with proxy_with(tmp_path, [Json({"choices": []})], LateBank(desk, 1), Direction.INPUT) as (
        proxy,
        backend,
    ):
        asked = asyncio.create_task(post(f"{proxy.url}/v1/chat/completions", CHAT))
        await until(lambda: desk.open)
        assert backend.requests == []
        desk.answer_all()
        assert (await asked).status == 200
        assert len(backend.requests) == 1


async def test_a_scorer_that_never_answers_is_on_error_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.request.inflow.ANSWERS_S_MAX", 0.05)
    script = [Sse(list(chat_frames(["Fine. ", "And more."])))]
    async with proxy_with(tmp_path, script, LateBank(Desk()), Direction.OUTPUT) as (proxy, _):
        async with streaming(proxy) as content:
            seen = await text_until(content, b"[DONE]")
        record = await proxy.finished()
    assert b"Fine" not in seen
    assert b'"STOP"' in seen
    assert [(found["label"], found["start"]) for found in record["findings"]] == [("error", 0)]


async def test_while_much_waits_for_answers_no_more_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.request.stream_gate.ANSWERS_CHARS_MAX", 50)
    monkeypatch.setattr("proxy.request.stream_gate.BATCH_FRAMES", 2)
    desk = Desk()
    text = [f"Sentence {number:02}." for number in range(60)]
    async with proxy_with(tmp_path, [Sse(list(chat_frames(text)))], LateBank(desk), Direction.OUTPUT) as (
        proxy,
        _,
    ):
        asked = asyncio.create_task(post(f"{proxy.url}/v1/chat/completions", {**CHAT, "stream": True}))
        most = 0
        while not asked.done():
            await until(lambda: desk.open or asked.done())
            most = max(most, len(desk.open))
            if desk.open:
                desk.answer()
        reply = await asked
    assert reply.body.count(b"Sentence") == 60
    assert desk.asked == 60
    assert most <= 7, "50 characters and a batch of two frames"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_kill_ends_the_wait_for_an_answer(tmp_path: Path, stream: bool) -> None:
    desk = Desk()
    message = {"role": "assistant", "content": "One."}
    whole = Json({"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": message}]})
    script: list[Action] = [Sse(list(chat_frames(["One."])))] if stream else [whole]
    async with proxy_with(tmp_path, script, LateBank(desk), Direction.OUTPUT) as (proxy, _):
        asked = asyncio.create_task(post(f"{proxy.url}/v1/chat/completions", {**CHAT, "stream": stream}))
        await until(lambda: desk.open)
        await proxy.dial("killed")
        async with asyncio.timeout(WAIT_S):
            reply = await asked
        record = await proxy.finished()
    assert b"One." not in reply.body
    assert b"offline for maintenance" in reply.body
    assert record["outcome"] == "killed"


async def test_a_kill_ends_the_wait_of_a_request(tmp_path: Path) -> None:
    desk = Desk()
    async with proxy_with(tmp_path, [Json({})], LateBank(desk, 1), Direction.INPUT) as (proxy, backend):
        asked = asyncio.create_task(post(f"{proxy.url}/v1/chat/completions", CHAT))
        await until(lambda: desk.open)
        await proxy.dial("killed")
        reply = await asked
        record = await proxy.finished()
        assert backend.requests == []
    assert b"offline for maintenance" in reply.body
    assert record["outcome"] == "killed"


async def test_a_client_that_leaves_waits_for_no_answer_and_what_was_not_judged_is_counted(
    tmp_path: Path,
) -> None:
    desk = Desk()
    script: list[Action] = [Sse(list(chat_frames(["Fine.", " And more."]))[:3], end=False), Pause()]
    async with proxy_with(tmp_path, script, LateBank(desk), Direction.OUTPUT) as (proxy, backend):
        async with streaming(proxy) as content:
            await until(lambda: len(desk.open) == 2)
            desk.answer()
            await text_until(content, b"Fine.")
        record = await proxy.finished()
        assert backend.closed_by_peer(0)
        metrics = await proxy.metrics()
    assert record["outcome"] == "client_closed"
    assert record["response"]["received"] == "Fine. And more."
    assert record["response"]["delivered"] == "Fine."
    assert 'guardrail_unscanned_characters_total{reason="unanswered"} 10.0' in metrics


@dataclass(frozen=True)
class Counting(WordBank):
    """Counts the characters that it reads."""

    read: list[int] = field(default_factory=list)

    def open(self, context: Context) -> Scan:
        bank = self

        class Scanning(WordScan):
            def feed(self, piece: str, *, final: bool = False) -> Progress:
                bank.read.append(len(piece))
                return super().feed(piece, final=final)

        return Scanning(self.words, self.fails_at, self.cut)

    def __hash__(self) -> int:
        return id(self)


async def test_a_conversations_next_turn_reads_its_new_text_only(tmp_path: Path) -> None:
    bank = Counting(((1, "zzz"),))
    turns: list[dict[str, Any]] = []
    async with proxy_with(tmp_path, [Json({"choices": []})], bank, Direction.INPUT) as (proxy, _):
        read: list[int] = []
        for number in range(4):
            turns.append({"role": "user", "content": f"Question {number}: " + "how is the weather? " * 20})
            turns.append({"role": "assistant", "content": f"Answer {number}: " + "fine and warm. " * 20})
            await post(f"{proxy.url}/v1/chat/completions", {"model": "m", "messages": turns})
            read.append(sum(bank.read))
            bank.read.clear()
    new = [len(turns[at]["content"]) + len(turns[at + 1]["content"]) for at in range(0, 8, 2)]
    assert read == new
