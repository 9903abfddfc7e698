"""How far a text is held for patterns: as far as its definition says, and each place is asked once."""

from __future__ import annotations

import random

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from proxy.detect import hold as hold_module
from proxy.detect.hold import hold_of
from proxy.detect.prefixes import closure, parse
from proxy.detect.regexes import Whole

LONGEST = 12

PATTERNS = st.lists(
    st.sampled_from(
        [
            "ab",
            "a+b",
            "a[bc]{2,3}d",
            "(?i:key) ?= ?b+",
            "b a b",
            "[ab]{4,}c",
            r"\bca\b",
            "é+a",
            "(?:ab|c a)+d",
            "a.b",
            "(?:b|cd){2,3}e?a{1,2}",
            "(?:a(?:bc)?)*d|k{3}",
        ]
    ),
    min_size=1,
    max_size=4,
    unique=True,
)
TEXTS = st.text(alphabet="abcdKEYkey= \né", max_size=30)


def defined(patterns: list[str], text: str) -> int:
    """The leftmost place from which all the text is the beginning of a match; by an engine that knows of partial
    matches."""
    places = range(max(0, len(text) - LONGEST), len(text))
    return next((at for at in places if any(begins(pattern, text[at:]) for pattern in patterns)), len(text))


def begins(pattern: str, text: str) -> bool:
    return regex.fullmatch(pattern, text, partial=True) is not None


@given(patterns=PATTERNS, text=TEXTS, data=st.data())
def test_it_is_the_leftmost_place_that_is_open_however_the_text_came(
    patterns: list[str], text: str, data: st.DataObject
) -> None:
    hold = hold_of((pattern, LONGEST) for pattern in patterns)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    at = 0
    for cut in [*cuts, len(text)]:
        at = hold.at(text[:cut], at)
        assert at == defined(patterns, text[:cut])
    assert hold.at(text) == at


@given(patterns=PATTERNS, depth=st.integers(0, 6))
def test_beginnings_are_spelt_out_in_a_few_times_the_patterns_length(patterns: list[str], depth: int) -> None:
    """However deep it nests: RE2 takes the longer to compile them, and there are hundreds."""
    pattern = "|".join(patterns)
    for _ in range(depth):
        pattern = f"x(?:{pattern})+y"
    assert len(closure(parse(pattern))) <= 10 * len(pattern)


@pytest.mark.parametrize("size", [1, 8, 300])
def test_each_place_is_asked_once_and_the_one_that_is_open_once_a_piece(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    class Counted(Whole):
        def matches(self, text: bytes, pos: int = 0) -> bool:
            nonlocal asked
            asked += 1
            return super().matches(text, pos)

    monkeypatch.setattr(hold_module, "Whole", Counted)
    hold = hold_of(
        [("(?i:password) is [a-z]{4,}", 40), ("[a-zA-Z0-9]{4,}XyZ[0-9]+", 4096), ("sk-[a-z]{8,}", 40)]
    )
    drawn = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = " ".join("".join(drawn.choices(letters, k=drawn.randint(2, 9))) for _ in range(300))
    token = "".join(drawn.choices(letters + letters.upper() + "0123456789", k=4000))
    for text in (words, token):
        asked = at = 0
        for end in range(size, len(text) + size, size):
            at = hold.at(text[:end], at)
        # A place, its opening, and for each piece the place that was open.
        assert asked <= 2 * len(text) + 2 * len(text) / size


def test_a_pattern_whose_beginnings_cannot_be_spelt_out_is_held_by_its_length() -> None:
    assert hold_of([(r"(?P<a>x)\C", 5)]).at("0123456789") == 5
