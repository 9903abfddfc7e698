"""A value split over texts that stand one behind the other, for a client that puts them together."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.record import Json
from proxy.model.text import Channel
from proxy.policy.match import Judge
from tests.policy.late import Desk
from tests.scenario.test_planted import PLANTED, REDACTED, cut_bytes, late_judge, points, real, through
from tests.wire import replies
from tests.wire.samples import Sample

MAKES: dict[str, Callable[..., Sample]] = {"messages": replies.messages, "responses": replies.responses}
KEY = REDACTED[1]
PLACEHOLDER = "<AWS_ACCESS_KEY_ID>"


def texts(sample: Sample, judge: Callable[[Channel], Judge] = real) -> list[str]:
    return list(through(sample, [sample.reply], judge).texts.values())


@pytest.mark.parametrize("make", MAKES.values(), ids=list(MAKES))
@pytest.mark.parametrize("at", [1, 7, 12, 19])
def test_a_redaction_spans_both(make: Callable[..., Sample], at: int) -> None:
    shown = texts(make(["The key: ", KEY[:at]], [KEY[at:], " is yours."]))
    assert "".join(shown) == f"The key: {PLACEHOLDER} is yours."
    assert shown[1] == " is yours."


@pytest.mark.parametrize("make", MAKES.values(), ids=list(MAKES))
def test_a_block_begins_where_the_finding_does(make: Callable[..., Sample]) -> None:
    sample = make(["It is project fal"], ["con", " and more"])
    got = through(sample, [sample.reply], real)
    assert "".join(got.texts.values()) == "It is STOP"
    assert got.blocked == {0: "STOP"}


@pytest.mark.parametrize("make", MAKES.values(), ids=list(MAKES))
def test_several_short_texts_are_one(make: Callable[..., Sample]) -> None:
    shown = texts(make(["Key ", KEY[:4]], [KEY[4:9]], [KEY[9:15]], [KEY[15:], "."]))
    assert "".join(shown) == f"Key {PLACEHOLDER}."


@pytest.mark.parametrize("make", MAKES.values(), ids=list(MAKES))
def test_each_text_is_still_judged_by_itself(make: Callable[..., Sample]) -> None:
    """Put together, the first word of the second text would hide in a longer one."""
    assert texts(make(["A sub"], ["project falcon", " and more"])) == ["A sub", "STOP"]


@pytest.mark.parametrize("make", MAKES.values(), ids=list(MAKES))
def test_texts_in_which_nothing_lies_across_pass_byte_for_byte(make: Callable[..., Sample]) -> None:
    sample = make(["A word at the e", "nd"], ["and", " another"], ["."])
    assert through(sample, [sample.reply], real).raw == sample.reply
    assert through(sample, [bytes([byte]) for byte in sample.reply], real).raw == sample.reply


@pytest.mark.parametrize("make", MAKES.values(), ids=list(MAKES))
def test_what_lies_across_stands_once_though_a_part_of_it_is_something_too(
    make: Callable[..., Sample],
) -> None:
    first, second = "mail jane@example.com", "x@y.com"
    for pieces in ([second], list(second), [second[:3], second[3:]]):
        for sample in (make([first], pieces), make(list(first), pieces)):
            for cuts in ([sample.reply], [bytes([byte]) for byte in sample.reply]):
                shown = through(sample, cuts, real).texts.values()
                assert "".join(shown) == "mail <EMAIL_ADDRESS>"


def test_another_block_between_two_texts_keeps_them_apart() -> None:
    tool: Json = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    sample = replies.messages([KEY[:9]], [KEY[9:]], between=tool)
    assert through(sample, [sample.reply], real).raw == sample.reply


@given(
    text=st.lists(st.sampled_from(["a text ", *PLANTED, ". "]), min_size=1, max_size=4).map("".join),
    blocks=points,
    pieces=st.integers(1, 9),
    cuts=points,
    make=st.sampled_from(list(MAKES.values())),
)
@settings(max_examples=120, deadline=None)
def test_wherever_a_text_is_split_the_client_reads_nothing_of_what_is_covered(
    text: str, blocks: list[int], pieces: int, cuts: list[int], make: Callable[..., Sample]
) -> None:
    edges = sorted({0, len(text), *(at % len(text) for at in blocks)})
    parts = [text[a:b] for a, b in pairwise(edges)]
    sample = make(*([part[at : at + pieces] for at in range(0, len(part), pieces)] for part in parts))
    at_once = through(sample, [sample.reply], real)
    got = through(sample, cut_bytes(sample.reply, cuts), real)
    assert got == at_once
    shown = "".join(got.texts.values())
    for item in (*REDACTED, "project falcon"):
        assert item not in shown


@given(answers=st.lists(st.integers(-1, 5), max_size=12), cuts=points)
@settings(max_examples=60, deadline=None)
def test_a_scorer_is_asked_about_the_seam_too(answers: list[int], cuts: list[int]) -> None:
    sample, desk = replies.messages(["Fine. It is b"], ["ad.", " More."]), Desk()
    got = through(sample, cut_bytes(sample.reply, cuts), late_judge(desk), desk, answers)
    assert "".join(got.texts.values()) == "Fine. It is "
    assert got.blocked == {0: ""}
