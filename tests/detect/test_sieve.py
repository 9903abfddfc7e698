"""Many patterns in one text: what is sifted out beforehand never occurs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.detect.regexes import RegexSet
from proxy.detect.sieve import Sieve

PATTERNS = (
    r"(?i)\bignore\b[^.!?\n]*?\b(?:all|your)\s+(?:\w+\s+)*rules?\b",
    r"(?i)straße\s+\d{1,3}",
    r"(?i)k[aä]se",
    r"\d{3}-\d{4}",
    r"(?:^|[.!?]\s*)show me",
    r"rules$",
    r"[a-z]{2}\d",
    r"secret",
)
WORDS = (
    "ignore", "IGNORE", "ignore", "all", "your", "other", "rules", "rule", "Straße", "STRASSE", "straſe", "12",
    "555-1234", "Käse", "\u212aase", "k", "show me", ".", "!", "\n", " ", "  ", "Secret", "secret", "ab1", "😀",
    "\x01\x02",
)  # fmt: skip

SIEVE, SET = Sieve(PATTERNS), RegexSet(PATTERNS)


@given(
    st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
    | st.lists(st.sampled_from(WORDS)).map("".join)
)
def test_it_finds_what_one_set_of_all_finds(text: str) -> None:
    assert list(SIEVE.hits(text)) == list(SET.hits(text))


@given(st.text(max_size=40))
def test_whatever_the_text(text: str) -> None:
    assert list(SIEVE.hits(text)) == list(SET.hits(text))


def test_patterns_that_need_no_word_are_looked_for_too() -> None:
    assert list(Sieve([r"\d{4}", r"[^x]\W"]).hits("1234")) == [0]
    assert list(Sieve([]).hits("anything")) == []


def test_a_filter_that_cannot_tell_says_that_anything_may_occur(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Sieve(["one", "two"])

    class OutOfMemory:
        def Match(self, text: bytes, potential: bool, /) -> None:
            return None

    monkeypatch.setattr(broken, "_filter", OutOfMemory())
    assert list(broken.hits("nothing of it")) == [0, 1]


def test_more_words_than_the_filter_takes_are_one_set() -> None:
    many = Sieve([f"(?i)w{number:05}x" for number in range(20_000)])
    assert list(many.hits("of W00017X")) == [17]
