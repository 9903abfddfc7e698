"""Words and phrases: what matches, what does not, and the same however the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from proxy.detect.base import HELD_CHARS_MAX, NO_CONTEXT
from proxy.detect.phrases import PHRASE_CHARS_MAX, PhraseBank, PhraseEntry, PhraseError, check_phrase
from tests.detect.support import HARMLESS, assert_any_cut_is_the_same, shown, sizes, texts_of, whole


def bank(*phrases: str, whole_word: bool = True) -> PhraseBank:
    return PhraseBank([PhraseEntry(0, phrases, whole_word)])


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("ignore previous", "Please ignore previous orders", ["ignore previous"]),
        ("ignore previous", "IGNORE\n\n  Prévious!", ["IGNORE\n\n  Prévious"]),
        ("ignore previous", "ｉｇｎｏｒｅ рrеviоus", ["ｉｇｎｏｒｅ рrеviоus"]),
        ("ignore previous", "ig\u200bno\u00adre pre\u2060vious", ["ig\u200bno\u00adre pre\u2060vious"]),
        ("idiot", "_idiot_ (idiot) idiot's idiot", ["idiot", "idiot", "idiot", "idiot"]),
        ("idiot", "idiotic semiidiot idiot2", []),
        ("違法", "これは違法です", ["違法"]),
        ("ห้าม", "สิ่งนี้ห้ามทำ", ["ห้าม"]),
        ("кот", "кот и который", ["кот"]),
        ("@foo", "x@foo y", ["@foo"]),
        ("c++", "I like C++, really", ["C++"]),
        ("co-op", "a co\u2011op", ["co\u2011op"]),
        ("bad", "bad\u0301\u200b\u0301", ["bad\u0301\u200b\u0301"]),
        ("हि", "हिन्दी", []),
        # Unicode's confusables, quotes, half-width kana, Hangul in parts
        ("fuck", "ᖴu¢k, ƒuҫk", ["ᖴu¢k", "ƒuҫk"]),
        ("don't", "I don’t", ["don’t"]),
        ("ガギ", "ｶﾞｷﾞ か゛", ["ｶﾞｷﾞ"]),
        ("한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8!", ["\u1112\u1161\u11ab\u1100\u116e\u11a8"]),
        ("カ", "ガ ｶﾞ カ", ["カ"]),
        # signs for letters, in words that have letters
        ("idiot", "1d10t !diot id!ot ID|OT", ["1d10t", "id!ot", "ID|OT"]),
        ("kill", "k1ll ki11 k1il", ["k1ll", "ki11"]),
        ("ignore previous", "1gn0re pr3v10us", ["1gn0re pr3v10us"]),
        ("ass", "@ss x@ss.com 4ss5 a$$ a$$et", ["@ss", "a$$"]),
        ("leet", "1337 L337", ["L337"]),
        ("go to all", "go to 411", []),
        ("be in jail", "be 1n j4il, be 11 jail", ["be 1n j4il"]),
        ("state-of-the-art", "s t a t e - o f - t h e - a r t", ["s t a t e - o f - t h e - a r t"]),
        ("ass", "the A55, 45s, 4a5s", []),
        ("hell", "hel! 5hell he11o he11", ["he11"]),
        ("h1b", "H1B hib", ["H1B"]),
        # letters set apart
        ("idiot", "an i d i o t, i.d.i.o.t; I-D-I-O-T!", ["i d i o t", "i.d.i.o.t", "I-D-I-O-T"]),
        (
            "idiot",
            "a i  d  i  o  t i . d . i . o . t",
            ["i  d  i  o  t i . d . i . o . t"[:13], "i . d . i . o . t"],
        ),
        ("ignore all", "please i g n o r e   a l l of it", ["i g n o r e   a l l"]),
        ("ignore all", "i g n o r e a l l", ["i g n o r e a l l"]),
        ("all", "w  a l l  b", ["a l l"]),
        ("tag", "A C G T A G G T", []),
        ("idiot", "i d i o t s", []),
        ("idiot", "i d i o ts", []),
        ("idiot", "🇮 🇩 🇮 🇴 🇹", ["🇮 🇩 🇮 🇴 🇹"]),
        ("dead", "🇩🇪🇦🇩", []),
        ("usa", "the U.S.A.", ["U.S.A"]),
        ("忽略", "忽 略", []),
    ],
)
def test_what_a_phrase_finds(phrase: str, text: str, found: list[str]) -> None:
    assert shown(bank(phrase), text) == found


def test_without_whole_word_a_phrase_stands_anywhere() -> None:
    assert shown(bank("cat", whole_word=False), "concatenate, catcat") == ["cat", "cat", "cat"]


def test_the_longest_of_a_rule_covers_those_within_it_but_not_those_beside() -> None:
    assert shown(bank("bad", "bad word", "word play"), "a bad word play") == ["bad word", "word play"]


def test_each_rule_has_its_own() -> None:
    many = PhraseBank(
        [PhraseEntry(3, ("red", "red door")), PhraseEntry(7, ("red",)), PhraseEntry(9, ("ed",), False)]
    )
    assert [(match.rule, match.start, match.end) for match in whole(many, "a red door")] == [
        (3, 2, 10),
        (7, 2, 5),
        (9, 3, 5),
    ]
    assert many.rules == {3, 7, 9}


@pytest.mark.parametrize("language", HARMLESS)
def test_harmless_text_of_other_scripts_matches_no_english_phrase(language: str) -> None:
    words = bank(
        "ass", "hoe", "kill", "sex", "us", "bomb", "crap", "cock", "tit", "nob", "rape", "sock", "cox"
    )
    assert shown(words, HARMLESS[language]) == []


def test_a_word_all_of_whose_letters_look_latin_is_read_as_latin() -> None:
    """The price of reading what a reader reads: Russian for mouth is an English pot."""
    assert shown(bank("pot"), "Рот, ротик") == ["Рот"]


def test_prose_is_held_only_where_a_phrase_may_have_begun() -> None:
    scan = bank("ignore previous").open(NO_CONTEXT)
    text = "We will not ignore this, nor that. I"
    held = []
    for at, char in enumerate(text, 1):
        held.append(at - scan.feed(char).safe_upto)
    assert held[: text.index("ignore") - 1] == [0] * 4 + [0] * (text.index("ignore") - 5)
    assert max(held) == len("ignore ")
    assert held[-1] == 1  # the I


def test_a_match_waits_for_the_next_character() -> None:
    scan = bank("bad").open(NO_CONTEXT)
    assert scan.feed("so bad").safe_upto == 3
    assert scan.feed("\u0301").matches == ()
    (match,) = scan.feed(".").matches
    assert (match.start, match.end) == (3, 7)


def test_more_than_is_ever_held_is_judged_as_if_it_ended() -> None:
    flood = "\u200b" * (HELD_CHARS_MAX + 10)
    assert shown(bank("ab"), f"a{flood}b") == []
    assert [len(text) for text in shown(bank("ab"), f"ab{flood}c")] == [HELD_CHARS_MAX]
    for text in (f"a{flood}b ab", f"ab{flood}c", f"xab{flood}", f"ab ab{flood[:4000]}b"):
        assert_any_cut_is_the_same(bank("ab"), text, [700])


@pytest.mark.parametrize("phrase", ["", "  ", "\u200b\u0301", "x" * (PHRASE_CHARS_MAX + 1)])
def test_a_phrase_that_cannot_be_found_is_refused(phrase: str) -> None:
    with pytest.raises(PhraseError):
        check_phrase(phrase)
    with pytest.raises(PhraseError):
        bank("fine", phrase)


def test_no_phrases_hold_nothing() -> None:
    assert bank().open(NO_CONTEXT).feed("any text").safe_upto == 8


PARTS = [
    "ignore",
    "previous",
    "bad",
    "word",
    "cat",
    "con",
    "違法",
    "ห้าม",
    " ",
    "  ",
    "\n",
    "\u200b",
    "é",
    "ﬁ",
    "x",
    ".",
    "b4d",
    "1gn0re",
    "$",
    "!",
    "b a d",
    "b.a.d",
    " c",
    "a ",
    " a t ",
    "1",
    "ガ",
    "\uff9e",
    "🇨",
    "\u200b" * 70,
]
ENTRIES = [
    PhraseEntry(0, ("ignore previous", "bad word", "bad", "fi x")),
    PhraseEntry(1, ("cat", "dwo", "f", "oui"), whole_word=False),
    PhraseEntry(3, ("カ", "cab ad"), whole_word=False),
    PhraseEntry(2, ("違法", "ห้าม", "word bad word", "previous ignore previous")),
]
MANY = PhraseBank(ENTRIES)


@settings(deadline=None, max_examples=400)
@given(text=texts_of(PARTS), sizes=sizes())
def test_any_cut_is_the_same(text: str, sizes: list[int]) -> None:
    assert_any_cut_is_the_same(MANY, text, sizes)


def test_the_window_stays_small_however_long_the_text() -> None:
    scan = MANY.open(NO_CONTEXT)
    longest = 0
    for _ in range(2000):
        scan.feed("bad wor ")
        longest = max(longest, len(scan._reader.text))
    assert longest < 60
