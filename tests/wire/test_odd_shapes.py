"""Text in shapes and places that no official client knows: it is judged, or the reply is unreadable."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from proxy.errors import UnreadableReply
from proxy.model.record import Json
from proxy.wire.sse import FrameDecoder
from tests.wire.catalogue import STREAMS, WHOLES
from tests.wire.drive import Heard, reader_of, wire_of
from tests.wire.samples import chat_chunk, delta, event

WHOLE = {sample.name: sample for sample in WHOLES}
STREAM = {sample.name: sample for sample in STREAMS}
SECRET = "a@b.example"
PARTS = ("a@b", ".exa", "mple")


def heard(name: str, *frames: bytes) -> Heard:
    reader, out = reader_of(STREAM[name]), Heard()
    for frame in FrameDecoder().feed(b"".join(frames)):
        out.take(reader.read(frame))
    return out


def chunk(**choice: Any) -> bytes:
    return event(chat_chunk([{"index": 0, **choice}]))


def read(name: str, body: Json) -> str:
    return "\n".join(text.value for text in wire_of(WHOLE[name]).read_reply(body).texts)


@pytest.mark.parametrize("name", ["chat", "completions"])
def test_an_empty_finish_reason_finishes_nothing(name: str) -> None:
    place: dict[str, Any] = {"delta": {"content": "x"}} if name == "chat" else {"text": "x"}
    out = heard(name, chunk(**place, finish_reason=""), chunk(**place, finish_reason=""))
    assert (out.closed, len(out.open)) == (set(), 1)
    assert heard(name, chunk(**place, finish_reason="stop")).open == set()


@pytest.mark.parametrize(
    "choices",
    [
        [{"text": part} for part in PARTS],
        [{"delta": {}, "text": part} for part in PARTS],
        [{"message": {"content": part}} for part in PARTS],
        [{"delta": part} for part in PARTS],
        [{"message": part} for part in PARTS],
        [{"note": part} for part in PARTS],
        [{"note": {"deep": [part]}} for part in PARTS],
    ],
)
def test_fragments_in_any_place_of_a_choice_make_one_text(choices: list[dict[str, Any]]) -> None:
    assert SECRET in heard("chat", *[chunk(**choice) for choice in choices]).texts.values()


def test_a_message_beside_deltas_is_a_copy() -> None:
    out = heard(
        "chat",
        chunk(delta={"content": "Hi"}, message={"content": "Hi"}),
        chunk(delta={"content": " you"}, message={"content": "Hi you"}),
        chunk(message={"content": "Hi you"}),
    )
    assert out.texts == {"choices[0].message.content": "Hi you"}
    assert out.differing == []


def test_a_word_that_every_frame_repeats_is_read_once() -> None:
    out = heard("chat", *[chunk(delta={"content": "x"}, filter={"severity": "safe"})] * 3)
    assert out.texts["choices[0].filter.severity"] == "safe"


def test_a_short_word_in_an_unknown_place_is_read() -> None:
    assert heard("chat", chunk(note="zebra")).texts == {"choices[0].note": "zebra"}


@pytest.mark.parametrize("choices", [{"0": {"delta": {"content": "x"}}}, "x", 1, ["x"]])
def test_choices_that_are_no_list_of_objects_are_unreadable(choices: Any) -> None:
    for name in ("chat", "completions"):
        with pytest.raises(UnreadableReply):
            heard(name, event({**chat_chunk([]), "choices": choices}))
        with pytest.raises(UnreadableReply):
            read(name, {"id": "c", "choices": choices})


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("chat", {"message": {"content": "ok"}, "text": SECRET}),
        ("chat", {"message": {"content": "ok"}, "delta": {"content": SECRET}}),
        ("chat", {"message": SECRET}),
        ("chat", {"message": [{"text": SECRET}]}),
        ("completions", {"text": "ok", "message": {"content": SECRET}}),
        ("completions", {"text": [SECRET]}),
    ],
)
def test_a_text_in_an_odd_place_of_a_whole_choice_is_judged(name: str, choice: dict[str, Any]) -> None:
    assert SECRET in read(name, {"choices": [{"index": 0, **choice}]})


@pytest.mark.parametrize("name", ["chat", "completions"])
def test_a_block_replaces_every_choice_of_its_index(name: str) -> None:
    choice: Json = {"index": 0, "text": "zebra", "message": {"role": "assistant", "content": "zebra"}}
    body: Json = {"id": "c", "choices": [choice, choice]}
    out = wire_of(WHOLE[name]).block_reply(json.dumps(body).encode(), body, {0: "No."})
    assert b"zebra" not in out
    assert len(json.loads(out)["choices"]) == 2


@pytest.mark.parametrize(
    "raw",
    [
        b'{"choices": []}\n\n',
        gzip.compress(b"data: x\n\n", mtime=0) + b"\n\n",
        b"data\x00: x\n\n",
        b"<html>\n\n",
    ],
)
def test_a_line_that_is_no_field_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableReply):
        list(FrameDecoder().feed(raw))


@pytest.mark.parametrize(
    "raw", [b"\xef\xbb\xbfdata: x\n\n", b": a comment\n\n", b"x-note: y\r\n\r\n", b"\n\n"]
)
def test_a_line_that_is_a_field_passes(raw: bytes) -> None:
    assert b"".join(frame.raw for frame in FrameDecoder().feed(raw)) == raw


def test_fragments_that_follow_a_repeated_word_are_one_text_with_it() -> None:
    parts = ("a@", "a@", "b.example")
    out = heard("chat", *[event(chat_chunk([delta({})], note=part)) for part in parts])
    assert out.texts["note"] == SECRET
