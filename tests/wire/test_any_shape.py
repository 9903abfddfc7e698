"""Bodies in which any value has become any other: read, or refused by the wire's own errors; edited into JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import BadRequest, UnreadableReply
from proxy.model.record import Json
from proxy.model.text import Edit, Path, Replacement, Text
from proxy.wire.shape import sequence
from proxy.wire.sse import FrameDecoder, encode
from tests.wire.catalogue import STREAMS, WHOLES
from tests.wire.drive import reader_of, wire_of
from tests.wire.requests import wire
from tests.wire.samples_requests import BODIES
from tests.wire.test_requests_everywhere import planted

ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a@b.c", "data:,x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "type", "x"]), inner)
    ),
    max_leaves=5,
)


def nodes(value: Json, path: Path = ()) -> list[Path]:
    """Every value of a body but the body itself."""
    out = [path] if path else []
    for step, child in value.items() if isinstance(value, dict) else enumerate(sequence(value)):
        out += nodes(child, (*path, step))
    return out


def gone(text: str) -> Edit:
    return Edit((Replacement(0, len(text), "<X>"),)) if text else Edit(())


def edits_of(texts: tuple[Text, ...]) -> list[tuple[Text, Edit]]:
    return [(text, gone(text.value)) for text in texts if not text.channel.json]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_request_is_read_or_refused(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(BODIES)))
    body = planted(BODIES[path], data.draw(st.sampled_from(nodes(BODIES[path]))), data.draw(ODD))
    try:
        view = wire(path).read_request(body)
    except BadRequest:
        return
    json.loads(wire(path).edit_request(json.dumps(body).encode(), edits_of(view.texts)))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_reply_is_read_or_unreadable(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(WHOLES))
    whole: Any = json.loads(sample.reply)
    body = planted(whole, data.draw(st.sampled_from(nodes(whole))), data.draw(ODD))
    found = wire_of(sample)
    try:
        view = found.read_reply(body)
    except UnreadableReply:
        return
    raw = json.dumps(body).encode()
    json.loads(found.edit_reply(raw, body, edits_of(view.texts)))
    if found.speaks:
        json.loads(found.block_reply(raw, body, {0: "No."}))


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_frame_is_read_or_unreadable(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(STREAMS))
    frames = [frame for frame in FrameDecoder().feed(sample.reply) if (frame.data or b"").startswith(b"{")]
    number = data.draw(st.integers(0, len(frames) - 1))
    whole: Any = json.loads(frames[number].data or b"")
    body = planted(whole, data.draw(st.sampled_from(nodes(whole))), data.draw(ODD))
    reader = reader_of(sample)
    changed = encode(json.dumps(body).encode(), frames[number].event)
    for frame in [*frames[:number], *FrameDecoder().feed(changed), *frames[number + 1 :]]:
        try:
            read = reader.read(frame)
        except UnreadableReply:
            return
        edits = {n: gone(piece.text) for n, piece in enumerate(read.pieces) if not piece.channel.json}
        for edited in FrameDecoder().feed(reader.edit(read, edits)):
            json.loads(edited.data or b"null")
        reader.released(read)
    reader.interrupt("Back soon.")
    reader.fail("backend_error", "gone")


@pytest.mark.parametrize("sample", STREAMS, ids=lambda sample: sample.name)
def test_a_block_of_any_piece_is_frames_of_json(sample: Any) -> None:
    for number in range(len(list(FrameDecoder().feed(sample.reply)))):
        reader = reader_of(sample)
        for at, frame in enumerate(FrameDecoder().feed(sample.reply)):
            read = reader.read(frame)
            if at == number:
                for piece in read.pieces[:1]:
                    edits = {n: gone(other.text) for n, other in enumerate(read.pieces)}
                    out = reader.block(read, edits, {piece.channel: "No."})
                    assert b"No." in out or piece.channel.field.startswith("stream.")
                break
            reader.released(read)
