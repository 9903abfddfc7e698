"""Values changed inside raw JSON: what is named changes, every other byte stays."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proxy.model.text import Path
from proxy.wire.splice import splice


@pytest.mark.parametrize(
    ("raw", "changes", "expected"),
    [
        ('{"a": 1}', {("a",): b'"x"'}, '{"a": "x"}'),
        ('{"a" :\n"q\\"{[" , "b":2}', {("a",): b'"x"'}, '{"a" :\n"x" , "b":2}'),
        ('{"a":[1,{"b":"c"} ,"d"]}', {("a", 1, "b"): b"9", ("a", 2): b"8"}, '{"a":[1,{"b":9} ,8]}'),
        ('{"x":{"a":1},"a":2}', {("a",): b"3"}, '{"x":{"a":1},"a":3}'),
        ('{"\\u0061":1}', {("a",): b"2"}, '{"\\u0061":2}'),
        ('{"\\"":1,"é":2}', {('"',): b"3", ("é",): b"4"}, '{"\\"":3,"é":4}'),
        (
            '{"n":123456789012345678901234567890,"f":1.0E+2,"a":0}',
            {("a",): b"1"},
            '{"n":123456789012345678901234567890,"f":1.0E+2,"a":1}',
        ),
        ('{"a":1,"a":2}', {("a",): b"3"}, '{"a":3,"a":3}'),
        ('["a","b"]', {(0,): b"1"}, '[1,"b"]'),
        (' {"a":1} ', {(): b"2"}, " 2 "),
        ('{"a":1}', {}, '{"a":1}'),
        # Removing.
        ('{"a":1, "b":2, "c":3}', {("a",): None}, '{"b":2, "c":3}'),
        ('{"a":1, "b":2, "c":3}', {("b",): None}, '{"a":1, "c":3}'),
        ('{"a":1, "b":2, "c":3}', {("c",): None}, '{"a":1, "b":2}'),
        ('{"a":1, "b":2, "c":3}', {("a",): None, ("b",): None}, '{"c":3}'),
        ('{"a":1, "b":2, "c":3}', {("b",): None, ("c",): None}, '{"a":1}'),
        ('{"a":1, "b":2, "c":3}', {("a",): None, ("c",): None}, '{"b":2}'),
        ('{ "a":1 }', {("a",): None}, "{  }"),
        ("[1,2,3]", {(0,): None, (1,): None, (2,): None}, "[]"),
        ('{"a":1}', {("z",): None}, '{"a":1}'),
        # Adding.
        ('{"a":1}', {("b",): b"2"}, '{"a":1,"b":2}'),
        ("{}", {("b",): b"2", ("c",): b"3"}, '{"b":2,"c":3}'),
        ('{"a":1}', {("a",): None, ("b",): b"2"}, '{"b":2}'),
        ('{"a":{"x":1}}', {("a", "y"): b"2"}, '{"a":{"x":1,"y":2}}'),
        # What is removed takes with it what was to change inside.
        ('{"a":{"b":1},"c":2}', {("a", "b"): b"9", ("a",): None}, '{"c":2}'),
        ('{"a":[{"b":1},2]}', {("a", 0, "b"): b"9", ("a", 0): None}, '{"a":[2]}'),
    ],
)
def test_examples(raw: str, changes: dict[Path, bytes | None], expected: str) -> None:
    assert splice(raw.encode(), changes).decode() == expected


@pytest.mark.parametrize("path", [("b", "c"), ("a", "x"), (0,), ("l", 3)])
def test_a_path_that_leads_nowhere(path: Path) -> None:
    with pytest.raises(LookupError):
        splice(b'{"a":1,"l":[1]}', {path: b"2"})


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def paths_of(value: Any, path: Path = ()) -> list[Path]:
    inner = list(value.items()) if isinstance(value, dict) else []
    inner += list(enumerate(value)) if isinstance(value, list) else []
    return [path, *[found for key, child in inner for found in paths_of(child, (*path, key))]]


@settings(deadline=None, max_examples=200)
@given(_VALUES, st.text(max_size=5), st.sampled_from([None, 1]), st.booleans(), st.data())
def test_a_spliced_document_reads_as_the_changed_value(
    value: Any, new: str, indent: int | None, ascii_only: bool, data: st.DataObject
) -> None:
    raw = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assume("\ud800" not in raw and not any("\ud800" <= c <= "\udfff" for c in raw))
    path = data.draw(st.sampled_from(paths_of(value)))
    changed = splice(raw.encode(), {path: json.dumps(new).encode()})
    assert json.loads(changed) == _with(value, path, new)
    if path:
        removed = splice(raw.encode(), {path: None})
        assert json.loads(removed) == _with(value, path, _GONE)


_GONE = object()


def _with(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        pairs = [(key, _with(child, rest, new) if key == step else child) for key, child in value.items()]
        return {key: child for key, child in pairs if child is not _GONE}
    items = [_with(child, rest, new) if index == step else child for index, child in enumerate(value)]
    return [child for child in items if child is not _GONE]


def test_time_is_linear() -> None:
    def seconds(messages: int) -> float:
        body = {"messages": [{"role": "user", "content": 'a "quoted" word' * 20}] * messages, "model": "m"}
        raw = json.dumps(body).encode()
        started = process_time()
        splice(raw, {("model",): b'"n"', ("messages", messages - 1, "content"): b'""'})
        return process_time() - started

    small = min(seconds(500) for _ in range(3))
    large = min(seconds(4000) for _ in range(3))
    assert large < 8 * small * 3 + 0.05
