"""RE2 patterns: which are taken, what they find, and the same however the text is cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detect import prefixes
from proxy.detect.base import HELD_CHARS_MAX, NO_CONTEXT
from proxy.detect.hold import hold_of
from proxy.detect.patterns import PatternBank, PatternEntry, check_pattern
from proxy.detect.regexes import Leftmost, PatternError, RegexSet, compile_unchecked
from proxy.detect.sieve import Sieve
from tests.detect.support import assert_any_cut_is_the_same, shown, sizes, texts_of, whole


def bank(pattern: str, max_length: int | None = None) -> PatternBank:
    return PatternBank([PatternEntry(0, pattern, max_length)])


@pytest.mark.parametrize(
    ("pattern", "max_length", "width"),
    [
        (r"abc", None, 3),
        (r"(?i)a{2,5}|[0-9]{3}", None, 5),
        (r"\bfoo(?:bar)?\b$", None, 6),
        (r"[[:alpha:]\]]{3}\pL\x{1F600}", None, 5),
        (r"\Qa.b*c\E+", 12, 12),
        (r"x.*y", 100, 100),
        (r"(?P<year>\d{4})-(?<month>\d\d)", None, 7),
        (r"a{,3}", None, 5),  # to RE2 that is no count
        ("a{1000}" * 5, 4096, 4096),
    ],
)
def test_how_wide_a_match_can_be(pattern: str, max_length: int | None, width: int) -> None:
    assert check_pattern(pattern, max_length) == width


@pytest.mark.parametrize(
    ("pattern", "max_length", "reason"),
    [
        (r"a(b", None, "missing )"),
        (r"(?=x)y", None, "RE2 has no look-around"),
        (r"(a)\1", None, "RE2 has no back-references"),
        (r"a*", None, "give max_length"),
        ("a{1000}" * 5, None, "5000 characters"),
        (r"a+", 0, "between 1 and"),
        (r"a+", HELD_CHARS_MAX + 1, "between 1 and"),
        ("a" * 10_001, None, "at most"),
        ("\ud800", None, "surrogate"),
        (r"\pL{1000}" * 900, 4096, "too large"),
    ],
)
def test_a_pattern_that_is_refused_says_why(pattern: str, max_length: int | None, reason: str) -> None:
    with pytest.raises(PatternError, match=reason.replace("(", r"\(").replace(")", r"\)")):
        check_pattern(pattern, max_length)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?i)[^\pL\pN]{3}k",
        r"[\x{80}-\x{10FFFF}à-ž]",
        r"\PL\pM|\D\W\S",
        "(?i:straße{2,7}){1,3}.+",
        r"[[:^alpha:]]*(?:é|ſ)?",
    ],
)
def test_a_pattern_compiles_to_no_more_than_its_weight(pattern: str) -> None:
    assert re2.compile(pattern).programsize <= prefixes.weight(prefixes.parse(pattern)) + 8


def test_checking_compiles_only_what_is_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    make = re2.compile

    def compile_counted(pattern: str, options: object) -> object:
        compiled.append(pattern)
        return make(pattern, options)

    monkeypatch.setattr(re2, "compile", compile_counted)
    assert check_pattern(r"never seen before \d{1,9}") == 27
    assert not compiled
    assert check_pattern(r"nor this \PL{200}") == 209
    assert compiled == [r"nor this \PL{200}"]


@pytest.mark.parametrize(
    ("pattern", "max_length", "text", "found"),
    [
        (r"foo\d{2,4}\b", None, "foo12 foo12345 foo1 foo99.", ["foo12", "foo99"]),
        (r"\d{4}-\d{4}", None, "１２３４–５６７８", ["１２３４–５６７８"]),
        (r"john@\w{1,20}", None, "jo\u200bhn@exam\u00adple", ["jo\u200bhn@exam\u00adple"]),
        (r"^start", None, "start start\nstart", ["start"]),
        (r"(?m)^start$", None, "start\nstart no\nstart", ["start", "start"]),
        (r"end$", None, "end end", ["end"]),
        (r"a[^b]*b", 10, "a1234567890b a123b", ["a123b"]),
        (r"aa|a", None, "aaa", ["aa", "a"]),
        (r"x?", None, "axbx", ["x", "x"]),
        (r"é{1,3}", None, "caféé", ["éé"]),
        (r"b😀c", None, "a😀b😀c", ["b😀c"]),
    ],
)
def test_what_a_pattern_finds(pattern: str, max_length: int | None, text: str, found: list[str]) -> None:
    assert shown(bank(pattern, max_length), text) == found


def test_a_match_that_reaches_its_bound_and_might_go_on_is_cut() -> None:
    matches = whole(bank(r"key=\S+", 10), "key=123 key=123456 key=1234567890")
    assert [(match.start, match.end, match.cut) for match in matches] == [
        (0, 7, False),
        (8, 18, True),
        (19, 29, True),
    ]


def test_at_the_text_s_end_nothing_goes_on() -> None:
    assert [match.cut for match in whole(bank(r"key=\S+", 10), "key=123456")] == [False]


def test_several_rules_find_each_their_own() -> None:
    both = PatternBank([PatternEntry(4, r"\bcat\b"), PatternEntry(2, r"cat|dog"), PatternEntry(4, r"dogs?")])
    found = [(match.rule, match.label, match.start, match.end) for match in whole(both, "cat dogs")]
    assert found == [(2, "pattern", 0, 3), (4, "pattern", 0, 3), (4, "pattern", 4, 8), (2, "pattern", 4, 7)]


def test_prose_is_not_held() -> None:
    scan = bank(r"\bsk-[A-Za-z0-9]{20}\b").open(NO_CONTEXT)
    assert [scan.feed(word).safe_upto for word in ("a task ", "like s", "kill", " sk-ab")] == [7, 12, 17, 18]


# Patterns over a small alphabet, with what makes beginnings hard: choices, counts, classes, assertions.
_ATOMS = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\w", r"\b", "^", "$", "c", r"\d"])


def _patterns() -> st.SearchStrategy[str]:
    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
            st.tuples(inner, st.sampled_from(["?", "{1,3}", "{2}", "*", "+", "*?"])).map(
                lambda pair: f"(?:{pair[0]}){pair[1]}"
            ),
        )

    return st.recursive(_ATOMS, grow, max_leaves=6)


TEXTS = st.text(alphabet="abc1 \n", max_size=14)


@settings(deadline=None, max_examples=120)
@given(pattern=_patterns(), text=TEXTS, sizes=sizes(), length=st.integers(1, 6))
def test_any_cut_is_the_same_for_any_pattern(pattern: str, text: str, sizes: list[int], length: int) -> None:
    assert_any_cut_is_the_same(bank(pattern, length), text, sizes)


@settings(deadline=None, max_examples=80)
@given(pattern=_patterns(), text=TEXTS)
def test_without_a_bound_in_the_way_the_matches_are_re2_s_own(pattern: str, text: str) -> None:
    expected = [match.span() for match in re2.finditer(pattern, text) if match.end() > match.start()]
    assert [(match.start, match.end) for match in whole(bank(pattern, 200), text)] == expected


@settings(deadline=None, max_examples=120)
@given(pattern=_patterns(), text=TEXTS)
def test_every_beginning_of_a_match_is_held(pattern: str, text: str) -> None:
    """Whatever RE2 finds in the whole text, at each earlier length the hold lies at or before its start."""
    hold = hold_of([(pattern, HELD_CHARS_MAX)])
    for match in re2.finditer(pattern, text):
        for length in range(match.start() + 1, match.end() + 1):
            assert hold.at(text[:length]) <= match.start()


@settings(deadline=None, max_examples=80)
@given(pattern=_patterns(), text=TEXTS)
def test_no_match_is_wider_or_narrower_than_its_pattern_says(pattern: str, text: str) -> None:
    shape = prefixes.parse(pattern)
    for match in re2.finditer(pattern, text):
        length = match.end() - match.start()
        assert prefixes.least_width(shape) <= length <= prefixes.width(shape)


PARTS = [
    "foo",
    "12",
    "34",
    "pass",
    "word",
    "=",
    "x",
    "a",
    "b",
    " ",
    "cat",
    "dog",
    "gs",
    "start",
    "end",
    "\n",
    "é",
]
PARTS += ["\u200b", "１", "aaaaaaa", "–"]
ENTRIES = [
    PatternEntry(0, r"foo\d{2,4}\b"),
    PatternEntry(1, r"(?i)pass(word)?=\S+", 20),
    PatternEntry(2, r"^start|end$"),
    PatternEntry(3, r"a[^b]*b", 10),
    PatternEntry(4, r"\bcat\b|dog+s", 50),
    PatternEntry(5, r"(?s)x.{3}é"),
]
MANY = PatternBank(ENTRIES)
WATCHING = PatternBank(ENTRIES, holds=False)


@settings(deadline=None, max_examples=150)
@given(text=texts_of(PARTS), sizes=sizes())
def test_any_cut_is_the_same(text: str, sizes: list[int]) -> None:
    assert_any_cut_is_the_same(MANY, text, sizes)


@settings(deadline=None, max_examples=150)
@given(text=texts_of(PARTS), sizes=sizes())
def test_answers_that_nothing_waits_for_are_the_same_whatever_the_cut(text: str, sizes: list[int]) -> None:
    assert assert_any_cut_is_the_same(WATCHING, text, sizes) == whole(MANY, text)


@pytest.mark.parametrize("pattern", [r"a(?i)b", r"\C"])
def test_syntax_that_the_parser_does_not_know_is_held_by_length(pattern: str) -> None:
    with pytest.raises(prefixes.UnknownSyntax):
        prefixes.parse(pattern)
    assert bank(pattern, 5).open(NO_CONTEXT).feed("0123456789").safe_upto == 5


class _Counting:
    """A set that counts the characters it is given."""

    def __init__(self, inner: RegexSet | Sieve) -> None:
        self.inner = inner
        self.characters = 0

    def hits(self, text: str) -> Sequence[int]:
        self.characters += len(text)
        return self.inner.hits(text)


def test_work_is_linear_in_the_text() -> None:
    scan = MANY.open(NO_CONTEXT)
    counting = _Counting(scan._set)
    scan._set = counting  # type: ignore[assignment]
    pieces = 4000
    for _ in range(pieces):
        scan.feed("so on ")
    assert counting.characters <= 4 * 6 * pieces


def test_a_set_that_cannot_tell_says_that_anything_may_occur(monkeypatch: pytest.MonkeyPatch) -> None:
    """RE2 answers "none" when a set runs out of memory; that must not read as clean."""
    broken = RegexSet(["a", "b"])

    class OutOfMemory:
        def Match(self, text: object) -> None:
            return None

    monkeypatch.setattr(broken, "_set", OutOfMemory())
    assert list(broken.hits("anything")) == [0, 1]


@given(
    text=st.text("aéb😀 ", max_size=12),
    pattern=st.sampled_from([r"é?b+\z", r"(?:a|😀)*\z", r"\bb", r"[^b]b"]),
)
def test_what_passes_the_wrapper_by_finds_what_the_wrapper_finds(text: str, pattern: str) -> None:
    subject, regex = text.encode(), compile_unchecked(pattern)
    for pos in range(len(subject) + 1):
        found = regex.search(subject, pos)
        assert Leftmost(pattern).at(subject, pos) == (len(subject) if found is None else found.span()[0])
