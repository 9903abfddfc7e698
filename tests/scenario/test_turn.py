"""How much an exchange does before others have their turn."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from proxy.backend.client import Upstream
from proxy.detect.phone import Phones
from proxy.detect.pii import SEGMENT_CHARS_MAX, STEP_WEIGHT, PiiBank, PiiEntry
from proxy.errors import UnreadableReply
from proxy.model.level import Action, Direction
from proxy.model.record import Json
from proxy.model.text import Channel
from proxy.policy.match import Judge, plan
from proxy.request.drive import Drive
from proxy.request.exchange import Exchange
from proxy.request.judged import JudgedText
from proxy.request.outlet import EDITED_WEIGHT, RELEASED_AT_ONCE
from proxy.request.stream_gate import BATCH_CHARS, StreamGate
from proxy.request.turn import (
    LOOKED_AT_ONCE,
    READ_INLINE_BYTES_MAX,
    SLICE_CHARS_FIRST,
    SLICE_CHARS_MAX,
    SLICE_CHARS_MIN,
    SLICE_S,
    TEXTS_AT_ONCE,
    YIELD_S,
    Turn,
    beside,
)
from proxy.wire.base import Piece
from proxy.wire.once import STREAM_TEXTS_MAX, Once
from tests.policy.banks import ANY, WordBank, rule
from tests.wire import replies
from tests.wire.drive import reader_of, view_of

PHONES = PiiBank((PiiEntry(0, frozenset({"PHONE_NUMBER"})),))


class Hand:
    """A clock turned by hand."""

    at = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


async def test_others_have_their_turn_whenever_a_few_milliseconds_have_gone() -> None:
    clock = Hand()
    turn = Turn(clock)
    rounds = 0

    async def others() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    for _ in range(40):
        clock.at += YIELD_S / 3.9
        await turn.done()
    assert rounds == 10
    assert turn.spent_s == pytest.approx(40 * YIELD_S / 3.9)
    task.cancel()


async def test_a_wait_that_was_none_is_no_new_turn() -> None:
    clock = Hand()
    turn = Turn(clock)
    rounds = 0

    async def others() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    for _ in range(8):
        turn.wait()  # what was waited for was there already
        turn.start()
        clock.at += YIELD_S / 1.9
        await turn.done()
    assert rounds == 4
    for _ in range(8):
        turn.wait()
        await asyncio.sleep(0)
        turn.start()
        clock.at += YIELD_S / 1.9
        await turn.done()
    assert rounds == 12, "none but the waits' own"
    task.cancel()


async def test_a_slice_follows_what_the_last_one_took() -> None:
    clock = Hand()
    turn = Turn(clock)
    assert turn.chars == SLICE_CHARS_FIRST
    for _ in range(10):
        clock.at += SLICE_S * 1.5
        await turn.done(turn.chars)
    assert turn.chars == SLICE_CHARS_MIN
    for _ in range(10):
        clock.at += SLICE_S / 10
        await turn.done(turn.chars)
    assert turn.chars == SLICE_CHARS_MAX
    await turn.done(1)
    assert turn.chars == SLICE_CHARS_MAX, "a short text says little about a long one"


def judge(channel: Channel) -> Judge:
    return Judge(
        plan((rule(action=Action.REDACT),), (WordBank(((0, "secret"),)),), Direction.OUTPUT, ANY),
        channel.field,
    )


def judging(gate: StreamGate, chars: int) -> list[int]:
    """How many characters each step of a pump judges."""
    return [step for step in gate.pump(lambda: chars) if isinstance(step, int)]


def test_a_long_delta_is_judged_by_slices() -> None:
    sample = replies.chat(["a word " * 3000])
    gate = StreamGate(reader_of(sample), 1, lambda channel: JudgedText(channel, lambda _: judge(channel)))
    steps = [judged for _ in gate.read(sample.reply) for judged in judging(gate, 100)]
    assert sum(steps) == 21_000
    assert max(steps) == 100


def test_a_burst_of_deltas_is_judged_once_a_batch() -> None:
    sample = replies.chat(["word "] * 2000)
    gate = StreamGate(reader_of(sample), 1, lambda channel: JudgedText(channel, lambda _: judge(channel)))
    batches = [sum(judging(gate, 10_000)) for _ in gate.read(sample.reply)]
    assert sum(batches) == 10_000
    assert max(batches) < BATCH_CHARS + 5
    assert len(batches) < 40
    assert view_of(sample).choices == 1


def test_frames_that_are_edited_go_out_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = replies.chat(["secret "] * 200)
    reader = reader_of(sample)
    edited = [0]
    edit = type(reader).edit

    def counted(*args: Any) -> bytes:
        edited[-1] += 1
        return edit(*args)

    monkeypatch.setattr(type(reader), "edit", counted)
    gate = StreamGate(reader, 1, lambda channel: JudgedText(channel, lambda _: judge(channel)))
    for _ in gate.read(sample.reply):
        steps = gate.pump(lambda: 10_000)
        while next(steps, None) is not None:
            edited.append(0)
    assert sum(edited) == 200
    assert max(edited) <= RELEASED_AT_ONCE // EDITED_WEIGHT


def test_a_whole_text_is_judged_by_slices() -> None:
    text = JudgedText(Channel("f"), lambda _: judge(Channel("f")))
    text.read("one secret " * 100)
    steps = []
    while done := text.work(64):
        steps.append(done)
    assert sum(steps) == 1100
    assert max(steps) == 64
    assert text.settled == 1100
    assert len(text.findings) == 100


@pytest.mark.parametrize("chain", ["", "another may follow"])
def test_a_row_of_numbers_goes_by_steps_to_its_end(monkeypatch: pytest.MonkeyPatch, chain: str) -> None:
    """No clock: the numbers that are tried in a step are counted. All of them wait for the text's end."""
    tried = [0]
    valid = Phones._valid

    def counted(*args: Any, **more: Any) -> int:
        tried[-1] += 1
        return valid(*args, **more)

    monkeypatch.setattr(Phones, "_valid", counted)
    chosen = plan((rule(action=Action.REDACT),), (PHONES,), Direction.OUTPUT, ANY)
    text = JudgedText(Channel("f", chain=chain), lambda _: Judge(chosen, "f"))
    text.unfollowed()
    text.read("(0212) 555-1234 " * (SEGMENT_CHARS_MAX // 16))
    while text.work(SLICE_CHARS_MIN):
        tried.append(0)
    assert text.closed
    assert len(text.findings) == SEGMENT_CHARS_MAX // 16
    assert max(tried) <= STEP_WEIGHT < sum(tried) / 4


TEXTS = 3000


def many_texts() -> bytes:
    choice = {"index": 0, "delta": {"content": "a"}, "x_notes": [f"a secret {n}" for n in range(TEXTS)]}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def test_a_frame_of_many_texts_goes_by_steps_whatever_it_is_of() -> None:
    """No clock: what is begun, judged, or done in a thread between two turns is counted."""
    begun = in_step = most = 0
    jobs: list[object] = []

    def text(channel: Channel) -> JudgedText:
        nonlocal begun, in_step
        begun += 1
        in_step += 1
        return JudgedText(channel, lambda _: judge(channel))

    def turn() -> None:
        nonlocal in_step, most
        most, in_step = max(most, in_step), 0

    frame = many_texts()
    assert len(frame) > READ_INLINE_BYTES_MAX
    gate = StreamGate(reader_of(replies.chat(["a"])), 1, text)
    for job in gate.read(frame):
        turn()
        if job is not None:
            jobs.append(job)
            job.do()
            continue
        for step in gate.pump(lambda: 64):
            turn()
            if isinstance(step, int):
                assert step <= 64
            else:
                jobs.append(step)
                step.do()
    assert begun == TEXTS + 1
    assert most <= TEXTS_AT_ONCE
    assert len(jobs) == 2, "to read it, and to look what it waits for"
    jobs.extend(step for step in gate.pump(lambda: 64) if not isinstance(step, int))
    assert len(jobs) == 2, "it still waits for that"
    gate.end()
    jobs.extend(step for step in gate.pump(lambda: 64) if not isinstance(step, int))
    assert len(jobs) == 3, "to render it"
    assert b"secret" not in gate.out + gate.tail


async def test_a_reply_of_many_texts_is_looked_over_by_steps() -> None:
    """No clock: the texts that are looked at between two turns are counted."""
    looked = most = 0

    class Gate(StreamGate):
        def judged(self) -> Iterator[JudgedText]:
            nonlocal looked
            for text in super().judged():
                looked += 1
                yield text

    class Counting(Turn):
        async def done(self, judged: int = 0) -> None:
            nonlocal looked, most
            most, looked = max(most, looked), 0

    reader = reader_of(replies.chat(["a"]))
    gate = Gate(reader, 1, lambda channel: JudgedText(channel, lambda _: judge(channel)))
    for job in gate.read(many_texts().replace(b"secret", b"word")):
        if job is not None:
            job.do()
    upstream = cast(Upstream, None)  # nothing is read any more
    drive = Drive(cast(Exchange, None), upstream, gate, Counting(Hand()))
    gate.end()
    assert not await drive.redacted()
    assert len(await drive.settle()) == TEXTS + 1
    assert most == LOOKED_AT_ONCE


def test_a_frame_of_too_many_texts_is_refused_while_it_is_read() -> None:
    notes: dict[str, Json] = {str(n): f"note {n}" for n in range(STREAM_TEXTS_MAX + 1000)}
    pieces: list[Piece] = []
    with pytest.raises(UnreadableReply, match="8192 texts"):
        Once().read(notes, ("x",), ("x",), 0, pieces, [])
    assert len(pieces) == STREAM_TEXTS_MAX


async def test_who_is_cancelled_waits_for_the_work_that_is_done_beside() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()
        done.set()

    waiting = asyncio.create_task(beside(True, work))
    await asyncio.to_thread(begun.wait)
    waiting.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done.is_set()
