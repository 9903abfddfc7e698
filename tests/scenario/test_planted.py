"""Replies with planted items, on every wire, in any pieces and any cuts: what is delivered and found is that of the
uncut reply, whenever a scorer answers, and nothing of a blocked item shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.model.level import Action, Direction
from proxy.model.record import Json
from proxy.model.text import Channel
from proxy.policy.compile import compile_policy
from proxy.policy.match import Judge, plan
from proxy.policy.rule import Rule
from proxy.request.judged import JudgedText
from proxy.request.stream_gate import StreamGate
from tests.policy.banks import ANY, WordBank, rule
from tests.policy.folders import folder
from tests.policy.late import Desk, LateBank
from tests.wire import replies
from tests.wire.drive import hear, reader_of, view_of
from tests.wire.samples import Sample

RULES = """\
rules:
  - id: pii
    on: output
    detect: {pii: {entities: [EMAIL_ADDRESS, US_SSN], min_score: 0.4}}
    action: redact
  - id: keys
    on: output
    detect: {secrets: {kinds: all}}
    action: redact
  - {id: falcon, on: output, detect: {phrases: [project falcon]}, action: block, message: STOP}
"""
REDACTED = ["quux.zyx@vwjkq.com", "AKIAQYLPMN5HHHFPZAM2"]
BLOCKED = "project falcon"
PROSE = ["Sure, ", "the weather is fine. ", "write to ", " about it. ", "key: ", "\n\n"]
PROSE += ["one @ two ", "proj ", "42-17 "]
PLANTED = [f" {item} " for item in (*REDACTED, BLOCKED)]
TEXTS = st.lists(st.sampled_from([*PROSE, *PROSE, *PLANTED]), min_size=1, max_size=6).map("".join)
WIRES: dict[str, Callable[..., Sample]] = {
    "chat": replies.chat, "messages": replies.messages, "responses": replies.responses,
}  # fmt: skip


POLICY = compile_policy(folder(RULES))


@dataclass
class Through:
    """What became of one reply."""

    texts: dict[str, str]
    found: list[tuple[str, str, int, int]]
    blocked: dict[int, str]
    received: dict[str, str]
    delivered: dict[str, str]  # as the log has it
    raw: bytes = field(compare=False, repr=False)


def through(
    sample: Sample,
    cuts: Sequence[bytes],
    judge: Callable[[Channel], Judge],
    desk: Desk | None = None,
    answers: Sequence[int] = (),
    slice_chars: int = 1000,
) -> Through:
    """Drive the gate; between the cuts, some of the desk's questions are answered."""
    gate = StreamGate(
        reader_of(sample),
        view_of(sample).choices,
        lambda channel: JudgedText(channel, lambda _: judge(channel)),
    )

    def pump() -> None:
        for _ in gate.pump(lambda: slice_chars):
            pass

    turns = iter(answers)
    for cut in cuts:
        if desk is not None and desk.open and (index := next(turns, -1)) >= 0:
            desk.answer(index)
            pump()
        for _ in gate.read(cut):
            pump()
    gate.end()
    pump()
    while gate.waiting:
        assert desk is not None
        desk.answer(next(turns, 0))
        pump()
    raw = bytes(gate.out) + bytes(gate.tail)
    texts = list(gate.judged())
    return Through(
        texts=hear(sample, [raw]).texts,
        found=sorted((text.channel.field, f.rule, f.start, f.end) for text in texts for f in text.findings),
        blocked=dict(gate.blocked),
        received={text.channel.field: text.text for text in texts},
        delivered={text.channel.field: text.delivered() for text in texts},
        raw=raw,
    )


def cut(whole: str, at: Sequence[int]) -> list[str]:
    edges = sorted({0, len(whole), *(point % (len(whole) + 1) for point in at)})
    return [whole[a:b] for a, b in pairwise(edges)]


def cut_bytes(whole: bytes, at: Sequence[int]) -> list[bytes]:
    edges = sorted({0, len(whole), *(point % (len(whole) + 1) for point in at)})
    return [whole[a:b] for a, b in pairwise(edges)]


def real(channel: Channel) -> Judge:
    return POLICY.judge(Direction.OUTPUT, ANY, channel.field)


points = st.lists(st.integers(0, 100_000), max_size=12)


@pytest.mark.parametrize("wire", WIRES)
@given(text=TEXTS, pieces=points, cuts=points, slice_chars=st.sampled_from([1, 7, 1000]))
@settings(max_examples=60, deadline=None)
def test_what_is_delivered_and_found_is_that_of_the_uncut_reply(
    wire: str, text: str, pieces: list[int], cuts: list[int], slice_chars: int
) -> None:
    make = WIRES[wire]
    uncut = make([text])
    expected = through(uncut, [uncut.reply], real)
    sample = make(cut(text, pieces))
    got = through(sample, cut_bytes(sample.reply, cuts), real, slice_chars=slice_chars)
    assert (got.texts, got.found, got.blocked) == (expected.texts, expected.found, expected.blocked)
    if not expected.found:
        assert got.raw == sample.reply
    for shown in got.texts.values():
        assert_nothing_shows(shown)


def assert_nothing_shows(shown: str) -> None:
    for item in (*REDACTED, BLOCKED):
        assert not any(item[at : at + 5] in shown for at in range(len(item) - 4)), (item, shown)


@given(text=TEXTS, pieces=points, cuts=points)
@settings(max_examples=60, deadline=None)
def test_arguments_of_tools_are_covered_alike(text: str, pieces: list[int], cuts: list[int]) -> None:
    arguments = json.dumps({"body": text, "n": 4})
    uncut = replies.tool_call([arguments])
    expected = through(uncut, [uncut.reply], real)
    sample = replies.tool_call(cut(arguments, pieces))
    got = through(sample, cut_bytes(sample.reply, cuts), real)
    assert (got.texts, got.found, got.blocked) == (expected.texts, expected.found, expected.blocked)
    for shown in got.texts.values():
        assert_nothing_shows(shown)


@given(
    texts=st.lists(TEXTS, min_size=2, max_size=3),
    pieces=st.lists(points, min_size=3, max_size=3),
    cuts=points,
    together=st.booleans(),
)
@example(["a project falcon b", "c project falcon d"], [[], []], [], True)
@settings(max_examples=60, deadline=None)
def test_a_choice_that_is_blocked_leaves_the_others_as_they_are(
    texts: list[str], pieces: list[list[int]], cuts: list[int], together: bool
) -> None:
    sample = replies.chat(
        *(cut(text, at) for text, at in zip(texts, pieces, strict=False)), together=together
    )
    got = through(sample, cut_bytes(sample.reply, cuts), real)
    for index, text in enumerate(texts):
        alone = replies.chat([text])
        expected = through(alone, [alone.reply], real)
        name = f"choices[{index}].message.content"
        assert got.texts.get(name, "") == expected.texts.get("choices[0].message.content", "")
        assert (index in got.blocked) is bool(expected.blocked)
        assert got.delivered.get(name, "") + got.blocked.get(index, "") == got.texts.get(name, "")


def late_judge(desk: Desk) -> Callable[[Channel], Judge]:
    rules: tuple[Rule, ...] = (rule("late", LATE_ACTION), rule("word", WORD_ACTION))
    chosen = plan(rules, (LateBank(desk), WordBank(((1, "word"), (1, "one")))), Direction.OUTPUT, ANY)
    return lambda channel: Judge(chosen, channel.field)


LATE_ACTION, WORD_ACTION = Action.BLOCK, Action.REDACT
LATE_TEXTS = st.lists(
    st.sampled_from(
        ["A fine text. ", "It is bad. ", "one ", "word. ", "then a crash. ", "and so on ", "more. "]
    ),
    min_size=1,
    max_size=8,
).map("".join)


@pytest.mark.parametrize("wire", WIRES)
@given(text=LATE_TEXTS, pieces=points, cuts=points, answers=st.lists(st.integers(-1, 9), max_size=20))
@settings(max_examples=80, deadline=None)
def test_neither_cuts_nor_the_order_of_answers_change_what_is_delivered(
    wire: str, text: str, pieces: list[int], cuts: list[int], answers: list[int]
) -> None:
    make = WIRES[wire]
    uncut, prompt = make([text]), Desk(prompt=True)
    expected = through(uncut, [uncut.reply], late_judge(prompt), prompt)
    sample, desk = make(cut(text, pieces)), Desk()
    parts = cut_bytes(sample.reply, cuts)
    got = through(sample, parts, late_judge(desk), desk, answers)
    assert (got.texts, got.found, got.blocked) == (expected.texts, expected.found, expected.blocked)
    again, at_once = make(cut(text, pieces)), Desk(prompt=True)
    same_frames = through(again, [bytes([byte]) for byte in again.reply], late_judge(at_once), at_once)
    assert got == same_frames, "nor what counts as received"


@given(
    texts=st.lists(LATE_TEXTS, min_size=2, max_size=3),
    cuts=points,
    answers=st.lists(st.integers(-1, 9), max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_late_answers_of_several_choices_do_not_mix(
    texts: list[str], cuts: list[int], answers: list[int]
) -> None:
    desk = Desk()
    sample = replies.chat(*(list(text) for text in texts))
    got = through(sample, cut_bytes(sample.reply, cuts), late_judge(desk), desk, answers)
    for index, text in enumerate(texts):
        alone, prompt = replies.chat([text]), Desk(prompt=True)
        expected = through(alone, [alone.reply], late_judge(prompt), prompt)
        name = f"choices[{index}].message.content"
        assert got.texts.get(name, "") == expected.texts.get("choices[0].message.content", "")


@given(
    turns=st.lists(
        st.tuples(
            st.sampled_from(["It is ba", "d. Hm", "m. ", "one "]),
            st.sampled_from(["Fine. ", "wo", "rd. ", "It is bad. "]),
        ),
        min_size=1,
        max_size=5,
    ),
    cuts=points,
    answers=st.lists(st.integers(-1, 9), max_size=20),
)
@settings(max_examples=100, deadline=None)
def test_reasoning_that_goes_on_after_an_answer_is_judged_alike_whenever_answers_come(
    turns: list[tuple[str, str]], cuts: list[int], answers: list[int]
) -> None:
    sample, prompt, desk = replies.reasoned(*turns), Desk(prompt=True), Desk()
    expected = through(sample, [bytes([byte]) for byte in sample.reply], late_judge(prompt), prompt)
    got = through(sample, cut_bytes(sample.reply, cuts), late_judge(desk), desk, answers)
    assert got == expected


def test_a_frame_with_several_texts_of_a_choice_shows_what_blocks_it_in_none_of_them() -> None:
    head: dict[str, Json] = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    delta: Json = {"content": f"a {BLOCKED} b", "refusal": f"c {BLOCKED} d", "reasoning": "fine"}
    request: dict[str, Json] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    frames = [
        replies.frame({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}),
        b"data: [DONE]\n\n",
    ]
    sample = Sample("chat", "/v1/chat/completions", request, b"".join(frames))
    got = through(sample, [sample.reply], real)
    assert BLOCKED not in got.raw.decode()
    assert got.texts == {"choices[0].message.content": "a STOP"}, "the choice ends with what blocks it"
