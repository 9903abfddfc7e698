"""What is read back is what was handed in, whatever it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy import jsonio
from proxy.log.context import WindowPart, join, split
from proxy.log.encode import Codec, Damaged, decode, encode
from proxy.log.query import LogReader
from proxy.log.store import Store
from proxy.model.record import Json
from tests.log.make import T0, begun, finished

# Every character, surrogates that stand alone among them: clients send those as \ud800.
texts = st.text(st.characters(exclude_categories=()), max_size=20).filter(
    lambda text: json.loads(json.dumps(text)) == text
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    texts,
    st.sampled_from([1e400, 10**40, -0.0]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(texts, values, max_size=4)
slots = st.sampled_from(
    ["system", "instructions", "tools", "functions", "messages", "input", "prompt", "model", "n"]
)
bodies = st.one_of(
    values,
    st.dictionaries(slots, st.one_of(values, st.lists(objects, max_size=4)), max_size=6),
)


def same(one: Json, other: Json) -> bool:
    """Equal, and so are types, signs of zero and the order of keys: `repr` shows them all."""
    return repr(one) == repr(other)


@given(values)
@settings(max_examples=150, deadline=None)
def test_a_value_reads_back_from_its_content_and_its_blob(value: Json) -> None:
    content = encode(value)
    codec = Codec()
    assert codec.unpack(codec.pack(content, b""), b"") == content
    assert same(decode(content), value)


@given(bodies)
@settings(max_examples=150, deadline=None)
def test_a_body_taken_apart_goes_together_again(body: Json) -> None:
    before = repr(body)
    parts = split(body)
    assert same(join(parts.skeleton, parts.window), body)
    assert repr(body) == before  # and the body that was handed in is untouched


@pytest.mark.parametrize(
    "raw",
    [
        b'{"n":123456789012345678901234567890}',
        b'{"n":123456789012345678901234567890,"s":"\\ud800"}',
        b'{"n":1e400,"m":null}',
        b'{"n":[-0.0,1.0,1e22,5e-324,0.1]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\udc00"}],"z":1,"system":"s"}',
        b'{"messages":[],"input":[{}],"tools":[{"a":1}],"prompt":["a","b"]}',
        b"[" * 900 + b"]" * 900,
        b'{"messages":[{"a":' + b"[" * 900 + b"]" * 900 + b"}]}",
        b'"just text"',
        b"0",
    ],
)
def test_bodies_that_parsers_stumble_over(raw: bytes) -> None:
    body = jsonio.loads(raw)
    parts = split(body)
    assert same(join(parts.skeleton, parts.window), body)


def test_two_turns_share_the_beginning_of_their_windows() -> None:
    turn: list[Json] = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    first = split({"model": "m", "messages": turn[:1], "system": "be kind"})
    second = split({"model": "m", "messages": turn, "system": "be kind"})
    assert second.skeleton == first.skeleton
    assert second.window[: len(first.window)] == first.window


@given(st.binary(max_size=40), st.data())
@settings(max_examples=200, deadline=None)
def test_a_blob_with_any_byte_changed_is_refused(payload: bytes, data: st.DataObject) -> None:
    codec = Codec()
    blob = bytearray(codec.pack(encode(payload.hex() * 3), b""))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Damaged):
        codec.unpack(bytes(blob), b"")


def test_a_part_without_a_place_is_refused() -> None:
    stray: WindowPart = (9, encode({"role": "user"}))
    with pytest.raises(Damaged):
        join(encode({"model": "m"}), [stray])


@given(st.lists(st.tuples(bodies, bodies, values), min_size=1, max_size=4), texts, texts)
@settings(max_examples=40, deadline=None)
def test_a_record_reads_back_from_the_store(
    tmp_path_factory: pytest.TempPathFactory, exchanges: list[tuple[Json, Json, Json]], user: str, error: str
) -> None:
    path: Path = tmp_path_factory.mktemp("log") / "log.sqlite3"
    store = Store(path, lambda: T0)
    for number, (body, sent, received) in enumerate(exchanges):
        begin = begun(number, body={"body": body}, user=user)
        assert store.write([begin, finished(number, sent=sent, received=received, error=error)]) == {}
    store.index(128)
    store.release()
    with LogReader(path) as reader:
        for number, (body, sent, received) in enumerate(exchanges):
            record = reader.show(f"{number:032x}")
            assert record is not None
            request, response, subject = record["request"], record["response"], record["subject"]
            assert isinstance(request, dict)
            assert isinstance(response, dict)
            assert isinstance(subject, dict)
            assert same(request["body"], {"body": body})
            assert same(request.get("sent"), sent)
            assert same(response["received"], received)
            assert subject["user"] == user
            assert record["error"] == error
