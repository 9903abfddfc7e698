"""The gate by property: however a stream's bytes are cut, what is delivered, found and kept is the same."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UnreadableReply
from proxy.model.level import Direction, Level
from proxy.policy.compile import Policy, compile_policy
from proxy.policy.match import Selection
from proxy.policy.reading import read_folder
from proxy.request.judged import JudgedText
from proxy.request.stream_gate import StreamGate
from proxy.request.turn import TEXTS_AT_ONCE
from proxy.wire.once import STREAM_TEXTS_MAX
from tests.wire import replies
from tests.wire.catalogue import STREAMS
from tests.wire.drive import hear, reader_of, through_gate, view_of
from tests.wire.samples import Sample

Found: TypeAlias = tuple[str, int, int, str]

SELECTION = Selection(Level.GUARDED, frozenset({"m"}), None)


@cache
def policy(action: str) -> Policy:
    """A rule on words that every sample has in its middle."""
    rules = (
        "rules: [{id: words, on: output, detect: {phrases: "
        "[france, bloom, skies, paris, 'greets me', there, sorry, now, rains, upon, you, "
        "rain, print, help, looking]}, "
        f"action: {action}, message: STOP}}]"
    )
    with TemporaryDirectory() as folder:
        (Path(folder) / "r.yaml").write_text(rules)
        return compile_policy(read_folder(Path(folder)))


def gate_of(sample: Sample, action: str) -> StreamGate:
    rules = policy(action)
    return StreamGate(
        reader_of(sample),
        view_of(sample).choices,
        lambda channel: JudgedText(
            channel, lambda _: rules.judge(Direction.OUTPUT, SELECTION, channel.field)
        ),
    )


def through(sample: Sample, cuts: Sequence[bytes], action: str) -> tuple[bytes, bool, tuple[Found, ...]]:
    """What the client gets, whether it was complete, and what was found, by field."""
    gate = gate_of(sample, action)
    delivered, complete = through_gate(gate, cuts)
    found = tuple(
        (text.channel.field, finding.start, finding.end, finding.action.value)
        for text in gate.judged()
        for finding in text.findings
    )
    return delivered, complete, tuple(sorted(found))


@pytest.mark.parametrize("sample", STREAMS, ids=lambda sample: sample.name)
@pytest.mark.parametrize("action", ["flag", "redact", "block"])
def test_cutting_does_not_matter(action: str, sample: Sample) -> None:
    whole = through(sample, [sample.reply], action)
    assert whole[2], "the rule finds something in every sample"
    byte_by_byte = through(sample, [bytes([byte]) for byte in sample.reply], action)
    assert byte_by_byte == whole
    if action == "flag":
        assert whole[0] == sample.reply

    @settings(max_examples=15, deadline=None)
    @given(points=st.sets(st.integers(1, len(sample.reply) - 1), max_size=12))
    def cut_anywhere(points: set[int]) -> None:
        edges = [0, *sorted(points), len(sample.reply)]
        pieces = [sample.reply[a:b] for a, b in itertools.pairwise(edges)]
        assert through(sample, pieces, action) == whole

    cut_anywhere()


@pytest.mark.parametrize("sample", STREAMS, ids=lambda sample: sample.name)
@pytest.mark.parametrize("action", ["redact", "block"])
def test_no_copy_of_a_found_text_is_delivered(action: str, sample: Sample) -> None:
    delivered, _, found = through(sample, [sample.reply], action)
    again = hear(replace(sample, reply=delivered), [delivered])
    for field, start, end, _ in found:
        word = sample.texts[field][start:end]
        assert word not in again.texts.get(field, ""), (field, word)
    assert not again.differing, "every copy says what its text says"


CHAT = replies.chat(["ok"])


def chunk(delta: dict[str, Any], **beside: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return b"data: " + json.dumps({"choices": [choice], **beside}).encode() + b"\n\n"


def one_frame(count: int) -> bytes:
    return chunk({"content": "a"}, x=[f"v{n}" for n in range(count)])


def new_places(count: int) -> bytes:
    return b"".join(chunk({"content": "a"}, **{f"k{n}": "x"}) for n in range(count))


def new_calls(count: int) -> bytes:
    function = {"name": "f", "arguments": "{}"}
    return b"".join(
        chunk({"tool_calls": [{"index": n, "id": f"t{n}", "function": function}]}) for n in range(count)
    )


@pytest.mark.parametrize("stream", [one_frame, new_places, new_calls])
def test_the_work_grows_as_the_number_of_texts(stream: Callable[[int], bytes]) -> None:
    def lines(count: int) -> int:
        """Lines of Python that ran."""
        seen = 0

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal seen
            seen += event == "line"
            return trace

        gate, data = gate_of(CHAT, "flag"), stream(count)
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            through_gate(gate, [data])
        finally:
            sys.settrace(before)
        return seen

    lines(5)  # what is worked out once is not counted
    few, some, many = lines(100), lines(200), lines(400)
    assert (many - some) < 2.2 * (some - few)


def test_a_frame_of_many_texts_is_taken_by_steps() -> None:
    gate = gate_of(CHAT, "flag")
    begun = 0
    for _ in gate.read(one_frame(1000)):
        assert len(gate.texts) - begun <= TEXTS_AT_ONCE
        begun = len(gate.texts)
        assert not gate.out, "a frame that is half read does not go out"
        for _ in gate.pump(lambda: 1000):
            pass
    assert begun > 1000
    gate.end()
    list(gate.pump(lambda: 1000))
    assert bytes(gate.out) + bytes(gate.tail) == one_frame(1000)


def test_a_reply_of_too_many_texts_is_unreadable() -> None:
    with pytest.raises(UnreadableReply, match="texts"):
        through_gate(gate_of(CHAT, "flag"), [one_frame(STREAM_TEXTS_MAX)])
