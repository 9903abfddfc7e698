"""The gate by property: however a stream's bytes are cut, what is delivered, found and kept is the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.level import Direction, Level
from proxy.policy.compile import Policy, compile_policy
from proxy.policy.match import Selection
from proxy.policy.reading import read_folder
from proxy.request.judged import JudgedText
from proxy.request.stream_gate import StreamGate
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


def through(sample: Sample, cuts: Sequence[bytes], action: str) -> tuple[bytes, bool, tuple[Found, ...]]:
    """What the client gets, whether it was complete, and what was found, by field."""
    rules = policy(action)
    gate = StreamGate(
        reader_of(sample),
        view_of(sample).choices,
        lambda channel: JudgedText(
            channel, lambda _: rules.judge(Direction.OUTPUT, SELECTION, channel.field)
        ),
    )
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
