"""What detectors see of a text, and how ranges find back to the raw text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detect.normalise import Reader, View, folded, latin, skeleton, spoken
from tests.detect.support import cut, sizes, without_surrogates

VIEWS = {"folded": folded, "latin": latin, "skeleton": skeleton, "spoken": spoken}


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("plain text", "plain text"),
        ("Case stays", "Case stays"),
        ("ｆｕｌｌ ｗｉｄｔｈ １２３", "full width 123"),
        ("٠١٢٣ ०१२३ 𝟘𝟙𝟚", "0123 0123 012"),
        ("4111–1111—1111−1111", "4111-1111-1111-1111"),
        ("a\u00a0b\u2009c\u3000d", "a b c d"),
        ("jo\u200bhn\u00ad@\u2060ex\ufeffample.com", "john@example.com"),
        ("\u202etxt.exe\u202c", "txt.exe"),
        ("1\ufe0f\u20e32\ufe0f\u20e3", "12"),
        ("x\x00y\x7fz", "xyz"),
        ("a\u2065b\ufff9c\U00013430d\u0600e\u06ddf\U000110bdg", "abcdefg"),
        ("lines\r\nstay\tso", "lines\r\nstay\tso"),
        ("line\u2028end", "line\nend"),
        ("ﬁne ½", "fine 1⁄2"),
        ("naïve", "naïve"),
        ("a¨b", "a¨b"),
    ],
)
def test_folded_view(raw: str, seen: str) -> None:
    assert folded().of(raw) == seen


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("MiXeD Case", "mixed case"),
        ("Straße İstanbul ılık", "strasse istanbul ilik"),
        ("prévïous", "previous"),
        ("pre\u0301vi\u0308ous", "previous"),
        ("z̷̢̛a̴͓͝l̶̙̏g̸̰̈́o̶͎̊", "zalgo"),
        ("раураl", "paypal"),  # Cyrillic but for the last
        ("ρɑуρаl", "paypal"),
        ("𝐢𝓰𝔫𝕠𝖗𝗲 ⓘⓖⓝⓞⓡⓔ 🅘🅖🅝🅞🅡🅔", "ignore ignore ignore"),
        ("ignore   all\n\n\tprevious", "ignore all previous"),
        ("a \u200b b", "a b"),
        ("հello", "hello"),
        ("l1O0", "l1o0"),
        ("ᴘʀᴏᴊᴇᴄᴛ ꜰᴀʟᴄᴏɴ", "project falcon"),
    ],
)
def test_skeleton_view(raw: str, seen: str) -> None:
    assert skeleton().of(raw) == seen


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("Case stays, as ASCII does: 1l0O", "Case stays, as ASCII does: 1l0O"),
        ("АКІАіоѕ АΒΕΖΗΙΚΜΝΟΡΤΥΧ", "AKIAios ABEZHIKMNOPTYX"),
        ("ＡＫＩＡ\u200b１２－\u00ad３", "AKIA12-3"),
        ("A\u0301K\u0336I\u20ddÅ", "AKIA"),
        ("𝐠𝒽𝕡_ ⓖⒽ 🅐", "ghp_ gH A"),
        ("Straße ılık İstanbul Æ", "Straße ilik Istanbul AE"),
        ("Γεια Σ Ω", "Γeia Σ Ω"),
        ("“hunter2”", '"hunter2"'),
        ("语言 ガ 한국어 हिन्दी", "语言 ガ 한국어 हिन्दी"),
    ],
)
def test_latin_view(raw: str, seen: str) -> None:
    assert latin().of(raw) == seen


def test_spoken_view_keeps_line_ends_for_sentences() -> None:
    assert spoken().of("One.\nTWO  three") == "one.\ntwo  three"


def test_vowel_signs_that_are_letters_to_their_script_stay() -> None:
    assert skeleton().of("हिन्दी ภาษาไทย") == "हिन्दी ภาษาไทย"


@pytest.mark.parametrize("name", VIEWS)
@settings(deadline=None, max_examples=150)
@given(text=st.text(max_size=60).map(without_surrogates), sizes=sizes())
def test_reading_in_pieces_is_reading_at_once(name: str, text: str, sizes: list[int]) -> None:
    view = VIEWS[name]()
    at_once, bit_by_bit = Reader(view), Reader(view)
    at_once.push(text)
    for piece in cut(text, sizes):
        bit_by_bit.push(piece)
    assert bit_by_bit.text == at_once.text
    assert bit_by_bit.length == at_once.length == len(text)
    offsets = range(at_once.end + 1)
    assert [bit_by_bit.raw_start(at) for at in offsets[:-1]] == [at_once.raw_start(at) for at in offsets[:-1]]
    assert [bit_by_bit.raw_end(at) for at in offsets[1:]] == [at_once.raw_end(at) for at in offsets[1:]]


ODD = "ab \n\u200b\u0301ﬁ½éЖ１\u00ad  \ufdfa"


@pytest.mark.parametrize("name", VIEWS)
@settings(deadline=None, max_examples=150)
@given(text=st.text(alphabet=ODD, max_size=40), keep=st.integers(0, 6))
def test_ranges_find_back(name: str, text: str, keep: int) -> None:
    """Offsets rise, every raw character belongs to a shown one or was dropped, and letting go changes nothing."""
    view: View = VIEWS[name]()
    reader = Reader(view)
    reader.push(text)
    starts = [reader.raw_start(at) for at in range(reader.end)]
    assert starts == sorted(starts)
    for at, start in enumerate(starts):
        end = reader.raw_end(at + 1)
        assert start < end <= len(text)
        # The raw range, seen by itself, shows the character (a run of blanks shows one).
        assert view.of(text[start:end]).find(reader.text[at]) >= 0 or reader.text[at] == " "
        assert end == len(text) or end in starts
    trimmed = Reader(view)
    for char in text:
        trimmed.push(char)
        trimmed.let_go(trimmed.end - keep)
    for at in range(trimmed.base, trimmed.end):
        assert trimmed.raw_start(at) == starts[at]


@pytest.mark.parametrize("name", VIEWS)
def test_one_character_that_is_shown_as_eighteen_is_kept_as_two_places(name: str) -> None:
    reader = Reader(VIEWS[name]())
    text = "a\ufdfab\ufdfa"
    _, steps = VIEWS[name]().take(text, after_blank=False)
    assert len(steps or ()) == 4
    reader.push(text)
    many = (reader.end - 2) // 2
    assert many == 18
    assert [reader.raw_start(at) for at in range(reader.end)] == [0, *[1] * many, 2, *[3] * many]
    assert [reader.raw_end(at) for at in (1, 2, many + 1, many + 2, reader.end)] == [1, 2, 2, 3, 4]


def test_a_range_covers_the_marks_dropped_after_it() -> None:
    reader = Reader(skeleton())
    reader.push("bad\u0301\u200b!")
    assert reader.text == "bad!"
    assert (reader.raw_start(0), reader.raw_end(3)) == (0, 5)


def test_a_range_at_the_end_is_open_until_something_visible_follows() -> None:
    reader = Reader(skeleton())
    reader.push("bad")
    assert not reader.closed(3)
    reader.push("\u0301")
    assert not reader.closed(3)
    assert reader.raw_end(3) == 4
    reader.push(" ")
    assert reader.closed(3)


def test_plain_ascii_is_taken_as_it_stands() -> None:
    text = "Just a line of ordinary text, 42 of it."
    for view in (folded(), latin()):
        seen, steps = view.take(text, after_blank=False)
        assert seen is text
        assert steps is None
