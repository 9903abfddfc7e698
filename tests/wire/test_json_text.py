"""Tool arguments as their reader will read them, and redactions that leave them valid JSON."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.text import Edit
from proxy.wire.json_text import SCALAR_CHARS_MAX, JsonText


def decoded(*fragments: str) -> str:
    text = JsonText()
    return "".join([text.feed(fragment) for fragment in fragments]) + text.end()


def redacted(raw: str, found: str, placeholder: str = "<X>") -> str:
    text = JsonText()
    seen = text.feed(raw) + text.end()
    start = seen.index(found)
    return Edit(text.replacements(start, start + len(found), placeholder)).apply(raw)


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ('{"to":"a\\u0040b.c"}', '{"to":"a@b.c"}'),
        ('{"a":"x\\ny\\t\\"z\\"\\\\ \\/"}', '{"a":"x\ny\t"z"\\ /"}'),
        ('["\\ud83d\\ude00!"]', '["😀!"]'),
        ('["\\ud83d!"]', '["\ud83d!"]'),
        ('["\\ud83d\\u0041"]', '["\ud83dA"]'),
        ('["\\ude00"]', '["\ude00"]'),
        ('{"n": 4111111111111111, "t":true}', '{"n": 4111111111111111, "t":true}'),
        ("not json at all", "not json at all"),
        ('{"cut":"x\\u00', '{"cut":"xu00'),
        ('{"cut":"x\\', '{"cut":"x\\'),
        ('{"bad":"\\q\\uzzzz"}', '{"bad":"quzzzz"}'),
        ("", ""),
    ],
)
def test_decoding(raw: str, seen: str) -> None:
    assert decoded(raw) == seen
    assert decoded(*raw) == seen
    assert decoded(raw[: len(raw) // 2], raw[len(raw) // 2 :]) == seen


@pytest.mark.parametrize(
    ("raw", "found", "expected"),
    [
        ('{"to":"a\\u0040b.c"}', "a@b.c", '{"to":"<X>"}'),
        ('{"to":"hi a\\u0040b.c!"}', "a@b.c", '{"to":"hi <X>!"}'),
        ('{"n":4111}', "4111", '{"n":"<X>"}'),
        ('{"n":4111}', "11", '{"n":"<X>"}'),
        ('{"n":null,"m":1}', "null", '{"n":"<X>","m":1}'),
        ('{"a":"x","b":"y"}', 'x","b":"y', '{"a":"<X>","<X>":"<X>"}'),
        ("[1,2,3]", "1,2", '["<X>","<X>",3]'),
        ('{"a":""}', '":"', '{"a":""}'),
        ('["\\ud83d\\ude00 b"]', "😀", '["<X> b"]'),
    ],
)
def test_redacting(raw: str, found: str, expected: str) -> None:
    assert redacted(raw, found) == expected


def test_a_placeholder_is_escaped() -> None:
    assert redacted('{"a":"b"}', "b", 'say "hi"\n') == '{"a":"say \\"hi\\"\\n"}'
    assert redacted('{"a":12}', "12", '"') == '{"a":"\\""}'


def test_offsets_lead_back_to_the_raw_text() -> None:
    raw = '{"to":"a\\u0040b"}'
    text = JsonText()
    seen = text.feed(raw) + text.end()
    assert text.length == len(seen)
    assert [raw[text.raw_offset(at)] for at, _ in enumerate(seen)] == list('{"to":"a\\b"}')
    assert text.raw_offset(len(seen)) == len(raw)


def test_an_incomplete_escape_is_held_back() -> None:
    text = JsonText()
    assert text.feed('{"a":"x\\u00') == '{"a":"x'
    assert text.feed("40") == "@"
    assert text.feed("\\ud83d") == ""
    assert text.feed("\\ude0") == ""
    assert text.feed("0") == "😀"
    assert text.feed("\\ud83d") == ""
    assert text.feed("x") == "\ud83dx"


def test_a_bare_value_is_held_back_until_it_ends_and_settled_as_a_whole() -> None:
    text = JsonText()
    assert text.feed('{"n":41') == '{"n":'
    assert text.feed("11") == ""
    assert text.feed(",") == "4111,"
    assert text.raw_settled(7) == 5, "half of a number is not settled: it becomes a string as a whole"
    assert text.raw_settled(9) == 9
    assert text.raw_settled(3) == 3


def test_a_bare_value_over_the_bound_is_not_held_and_its_digits_are_masked() -> None:
    raw = '{"n":' + "12" * SCALAR_CHARS_MAX + "}"
    for cuts in ([raw], [raw[:900], raw[900:2000], raw[2000:]]):
        text = JsonText()
        seen = "".join(text.feed(cut) for cut in cuts) + text.end()
        assert seen == raw
        (change,) = text.replacements(5 + 100, 5 + 110, "<X>")
        edited = Edit((change,)).apply(raw)
        assert json.loads(edited)["n"] == int(raw[5:105] + "9" * 10 + raw[115:-1])


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.sampled_from('ab"\\\n\t@é😀\u2028 '), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.sampled_from('ab"\\é😀'), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(_JSON, st.booleans(), st.data())
def test_decoding_does_not_depend_on_the_cuts(value: Any, ascii_only: bool, data: st.DataObject) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only)
    at = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    cuts = [raw[a:b] for a, b in zip([0, *at], [*at, len(raw)], strict=True)]
    assert decoded(*cuts) == decoded(raw) == decoded(*raw)


@settings(deadline=None, max_examples=200)
@given(_JSON, st.booleans(), st.booleans(), st.data())
def test_valid_json_stays_valid_whatever_is_redacted(
    value: Any, ascii_only: bool, cut: bool, data: st.DataObject
) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only)
    text = JsonText()
    seen = ("".join(text.feed(c) for c in raw) if cut else text.feed(raw)) + text.end()
    start = data.draw(st.integers(0, len(seen)))
    end = data.draw(st.integers(start, len(seen)))
    changes = text.replacements(start, end, "<X>")
    assert all(a.end <= b.start for a, b in pairwise(changes))
    edited = Edit(changes).apply(raw)
    json.loads(edited)
    if re.search(r"\w", seen[start:end]):
        assert "<X>" in edited


@settings(deadline=None, max_examples=100)
@given(st.text(st.sampled_from('"\\u0d8{}[],:41ab '), max_size=40), st.data())
def test_anything_is_read_without_a_fault(raw: str, data: st.DataObject) -> None:
    text = JsonText()
    seen = text.feed(raw) + text.end()
    assert decoded(*raw) == seen
    offsets = [text.raw_offset(at) for at in range(len(seen) + 1)]
    assert offsets == sorted(set(offsets))
    start = data.draw(st.integers(0, len(seen)))
    for change in text.replacements(start, len(seen), "<X>"):
        assert 0 <= change.start < change.end <= len(raw)
