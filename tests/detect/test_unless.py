"""What lies within a match of one of its rule's `unless` patterns does not count, however the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from proxy.detect.base import NO_CONTEXT, Bank
from proxy.detect.patterns import PatternBank, PatternEntry
from proxy.detect.phrases import PhraseBank, PhraseEntry
from proxy.detect.unless import LOOKED_AT_MAX, UnlessBank
from tests.detect.support import assert_any_cut_is_the_same, shown, sizes, texts_of, whole

PLACES = {
    0: (
        (r'(?i)\b(?:phrase|says)[^"\n]*"[^"\n]*"', 60),
        (r"<<[^<>]*>>", 40),
        (r"(?:is|was) (\[[^\]]*\])[?]|!(\[[^\]]*\])", 30),
    ),
    1: ((r"\([^()]*\)", 20),),
}


def bank() -> Bank:
    return UnlessBank(
        PhraseBank([PhraseEntry(0, ("drop it", "go on"), True), PhraseEntry(1, ("drop it",), True)]),
        PLACES,
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("drop it", [(0, 0), (1, 0)]),
        ('the phrase "drop it"', [(1, 12)]),  # the other rule knows of no such place
        ('"drop it"', [(0, 1), (1, 1)]),
        ('the phrase "drop it" and drop it', [(1, 12), (0, 25), (1, 25)]),
        ('it says "drop', []),
        ('it says "drop it', [(0, 9), (1, 9)]),  # no place: it does not end
        ("<<drop it>>", [(1, 2)]),
        ("<<drop it>> (drop it) drop it", [(1, 2), (0, 13), (0, 22), (1, 22)]),
        ("is [drop it]? [drop it]?", [(1, 4), (0, 15), (1, 15)]),  # the place is the group
        ("![go on] is [go on] is [go on]?", [(0, 13)]),
        ('phrase "x" drop it "y"', [(0, 11), (1, 11)]),
        (f'phrase {"x" * 60}"drop it"', [(0, 68), (1, 68)]),  # the place would be too long
    ],
)
def test_what_lies_within_a_place_is_not_told(text: str, found: list[tuple[int, int]]) -> None:
    matches = whole(bank(), text)
    assert [(match.rule, match.start) for match in matches] == found
    assert_any_cut_is_the_same(bank(), text, [1])


def test_so_many_matches_are_looked_at_and_all_others_count() -> None:
    text = "<<drop it>> " * (LOOKED_AT_MAX + 2)
    found = [match.start for match in whole(bank(), text) if match.rule == 0]
    assert found[-1] == text.rindex("drop")
    assert_any_cut_is_the_same(bank(), text, [5])


def test_nothing_is_held_back_where_nothing_is_found() -> None:
    scan = bank().open(NO_CONTEXT)
    assert scan.feed('he says "so', final=False).safe_upto == len('he says "so')
    assert scan.feed(' it is" <<and drop it', final=False).safe_upto == len('he says "so it is" <<and ')
    assert [match.rule for match in scan.feed(">>", final=True).matches] == [1]


def test_patterns_have_places_too() -> None:
    both = UnlessBank(PatternBank([PatternEntry(0, r"\d{3,5}x?")]), {0: ((r"#\d+", 9),)})
    assert shown(both, "12345 #12345 123 #123x") == ["12345", "123", "123x"]  # the last one ends beyond
    assert both.detector == "regex"


PARTS = [
    "is ",
    "[",
    "]",
    "?",
    "!",
    '"',
    "phrase ",
    "says ",
    "drop it",
    "go on",
    " ",
    "<<",
    ">>",
    "(",
    ")",
    "x",
    "\n",
    "dr",
    "op it",
    "\u200b",
]


@given(text=texts_of(PARTS, 30), sizes=sizes())
@settings(max_examples=300, deadline=None)
def test_no_cut_changes_what_is_found(text: str, sizes: list[int]) -> None:
    assert_any_cut_is_the_same(bank(), text, sizes)
