"""What a bank says at a glance of a whole text is what it would say after reading it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.quality_data import SELECTION, shipped_policy
from benchmarks.quality_pii import SEEDS, lookalikes, planted
from proxy.detect import disguise, pii
from proxy.detect.base import Context, Glancing, InlineScan, SteppedScan
from proxy.detect.obfuscation import KINDS, ObfuscationBank, ObfuscationEntry
from proxy.detect.patterns import GLANCE_CHARS, PatternBank, PatternEntry
from proxy.detect.phrases import PhraseBank, PhraseEntry
from proxy.detect.pii import PiiBank, PiiEntry
from proxy.detect.unless import UnlessBank
from proxy.model.finding import Match
from proxy.model.level import Direction
from proxy.policy.compile import Policy

BANKS: Sequence[Glancing] = (
    PhraseBank([PhraseEntry(0, ("ass", "kill switch", "go")), PhraseEntry(1, ("bomb",), whole_word=False)]),
    PatternBank(
        [
            PatternEntry(0, r"\bgo{1,3}\b"),
            PatternEntry(1, r"a.*b", max_length=6),
            PatternEntry(2, r"\w+$", max_length=4),
            PatternEntry(3, r"b\b", max_length=2),
        ]
    ),
    PiiBank([PiiEntry(0, frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD"}))]),
    ObfuscationBank([ObfuscationEntry(0, frozenset(KINDS))]),
    UnlessBank(PhraseBank([PhraseEntry(0, ("bomb",))]), {0: ((r"bath bomb", 9),)}),
)
PIECES = (
    "ass", "class", "assay", "k i l l", "k.i.l.l switch", "kill  switch", "g0", "go", "b0mb", "bomb", "bath bomb",
    "kill\n switch", "k\n\ni  l\tl", "as\x00s", "a a a", "a", "b", "I", " ", ".", "-", "_", "\n", "1",
    "4111 1111 1111 1111", "jane@example.com", "+49 30 901820",
    "SGVsbG8gdGhlcmUsIGhvdyBhcmUgeW91IHRvZGF5", "uryyb", "jbeyq", "olleh", "dlrow", "72 101 108 108 111", "\u200b",
    "\u0430ss", "\u00e9", "the garden", "question", "x" * 20,
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))


def says_nothing(bank: Glancing, text: str) -> bool:
    scan = bank.open(Context(messages=1, characters=len(text)))
    if isinstance(scan, SteppedScan):
        scan.by_steps = False
    return not scan.feed(text, final=True).matches and not scan.scores


@given(text=TEXTS)
@pytest.mark.parametrize("bank", BANKS, ids=lambda bank: type(bank).__name__)
def test_a_glance_never_misses_what_is_found(bank: Glancing, text: str) -> None:
    if all(bank.glance(text)):
        assert says_nothing(bank, text)


@pytest.mark.parametrize("bank", BANKS, ids=lambda bank: type(bank).__name__)
def test_a_glance_is_enough_for_plain_prose(bank: Glancing) -> None:
    assert all(bank.glance("The garden is open. A class of assistants will answer each question of yours."))


LONG_BANKS: Sequence[Glancing] = (
    BANKS[0],
    PatternBank([PatternEntry(0, r"\bgo{1,3}\b"), PatternEntry(1, r"\Ba.*b\b", max_length=60)]),
    *BANKS[2:],
)
FILLING = "the river is open and be it said "


@pytest.mark.parametrize("bank", LONG_BANKS, ids=lambda bank: type(bank).__name__)
@settings(max_examples=25)
@given(text=TEXTS, before=st.integers(-70, 10))
def test_nor_does_one_of_a_long_text_at_whose_parts_ends_something_stands(
    bank: Glancing, text: str, before: int
) -> None:
    prose = FILLING * (2 * GLANCE_CHARS // len(FILLING))
    assert all(bank.glance(prose))
    at = GLANCE_CHARS + before
    whole = prose[:at] + text + prose[at:]
    if all(bank.glance(whole)):
        assert says_nothing(bank, whole)


@pytest.mark.parametrize("cut", [700, 760, 1530])
@given(text=TEXTS)
def test_nor_does_one_of_a_text_that_is_cut_by_force(text: str, cut: int) -> None:
    bank, whole = BANKS[2], "x" * cut + text + "x" * 800
    if all(bank.glance(whole)):
        assert says_nothing(bank, whole)


@cache
def policy() -> Policy:
    return shipped_policy()


def test_the_shipped_rules_find_by_a_glance_what_they_find_by_reading() -> None:
    seed = SEEDS["held-out"]
    texts = [one.text for made in (planted, lookalikes) for one in made(seed, 60, True)]
    glanced = 0
    for direction in Direction:
        for bank in policy().plan(direction, SELECTION).glancing:
            for text in texts:
                if all(bank.glance(text)):
                    glanced += 1
                    assert says_nothing(bank, text), (bank.detector, text)
    assert glanced > len(texts)


@given(text=TEXTS)
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_text_that_is_all_there_is_found_the_same_in_by_larger_steps(text: str, pieces: int) -> None:
    bank, filling = BANKS[1], "the garden is open "
    whole = (filling * 150 + text) * 2
    hurried, unhurried = (bank.open(Context()) for _ in range(2))
    assert isinstance(unhurried, InlineScan)
    unhurried.unhurried()
    found: list[list[Match]] = [[], []]
    size = len(whole) // pieces + 1
    for at in range(0, len(whole), size):
        for scan, matches in zip((hurried, unhurried), found, strict=True):
            matches.extend(scan.feed(whole[at : at + size], final=at + size >= len(whole)).matches)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("bank", "part", "work"),
    [(BANKS[2], "212 555 0123 ", pii._Engine), (BANKS[0], "a b ", disguise)],
    ids=["digits", "letters apart"],
)
def test_a_long_text_that_would_hold_the_loop_is_not_glanced_over(
    bank: Glancing, part: str, work: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One search of 128 Ki digits takes most of a second, and to put so many letters together 75 ms."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it is for the slices")

    monkeypatch.setattr(work, "begin" if work is pii._Engine else "runs", never)
    assert not all(bank.glance(part * 3000))
