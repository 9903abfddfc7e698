"""The beginning of a JSON document, read as far as it goes."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.record import Json
from proxy.wire.credentials import masked
from proxy.wire.cut_short import cut_short

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2], "b": "x"}', {"a": [1, 2], "b": "x"}),
        ('{"a": [1, 2], "b": "x', {"a": [1, 2], "b": "x"}),
        ('{"a": [1, 2], "b": "x\\', {"a": [1, 2], "b": "x"}),
        ('{"a": [1, 2], "b": "x\\u00', {"a": [1, 2], "b": "x"}),
        ('{"a": "x\\ud83d\\ude00', {"a": "x\U0001f600"}),
        ('{"a": "x\\ud83d\\ude0', {"a": "x"}),
        ('{"a": "x\\ud83d', {"a": "x"}),
        ('{"a": [1, 2], "b', {"a": [1, 2]}),
        ('{"a": [1, 2], "b": ', {"a": [1, 2]}),
        ('{"a": [1, 23', {"a": [1]}),
        ('[{"role": "user", "content": "hello th', [{"role": "user", "content": "hello th"}]),
        ('["a", "b', ["a", "b"]),
        ("{", {}),
        ("", None),
        ("nonsense", None),
        ("}{", None),
    ],
)
def test_what_is_cut_is_left_out_and_what_is_open_is_closed(text: str, value: Json) -> None:
    assert cut_short(text.encode()) == value


def begins(part: Json, whole: Json) -> bool:
    """Whether a value is what is left of another one when its text was cut."""
    if isinstance(whole, dict) and isinstance(part, dict):
        pairs = list(zip(part.items(), whole.items(), strict=False))
        return len(part) <= len(whole) and all(
            key == of and begins(value, full) for (key, value), (of, full) in pairs
        )
    if isinstance(whole, list) and isinstance(part, list):
        return len(part) <= len(whole) and all(map(begins, part, whole))
    if isinstance(whole, str) and isinstance(part, str):
        return whole.startswith(part)
    return part == whole


@given(st.dictionaries(st.text(max_size=4), _JSON, max_size=4), st.booleans(), st.data())
def test_a_part_is_a_part_of_the_whole(value: Json, ascii: bool, data: st.DataObject) -> None:
    raw = json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    at = data.draw(st.integers(1, len(raw)))
    part = cut_short(raw[:at])
    assert isinstance(part, dict)
    assert begins(part, value)
    assert at < len(raw) or part == value


def test_a_credential_that_was_cut_is_masked_like_a_whole_one() -> None:
    raw = b'{"tools": [{"type": "mcp", "authorization": "sk-secret-that-is-cu'
    assert "secret" not in json.dumps(masked(cut_short(raw)))


@pytest.mark.parametrize(
    "text", ["[" * 65_536, '{"a":' * 13_000, '["' + "\\" * 65_000, '"' * 65_536, "1," * 32_000]
)
def test_hostile_text_takes_no_longer_than_it_is_long(text: str) -> None:
    started = time.process_time()
    cut_short(text.encode())
    assert time.process_time() - started < 1.0
