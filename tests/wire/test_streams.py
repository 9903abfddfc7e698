"""Every sample stream, read: the same texts however it is cut, every byte kept, every text closed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UnreadableReply
from proxy.model.text import Edit, Replacement
from proxy.wire.sse import FrameDecoder
from tests.wire.catalogue import STREAMS, WHOLES
from tests.wire.drive import events_of, hear, reader_of, view_of
from tests.wire.samples import DONE, Sample, chat_chunk, delta, event
from tests.wire.samples_anthropic import PING

NAMED = pytest.mark.parametrize("sample", STREAMS, ids=lambda sample: sample.name)


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


@NAMED
def test_texts_are_the_same_whole_and_byte_by_byte(sample: Sample) -> None:
    whole = hear(sample, [sample.reply])
    assert whole.texts == sample.texts
    assert hear(sample, bytewise(sample.reply)).texts == sample.texts
    assert whole.differing == []


@NAMED
def test_every_text_is_closed_by_the_end(sample: Sample) -> None:
    heard = hear(sample, [sample.reply])
    assert heard.ended
    assert heard.open == set()
    assert heard.closed >= heard.texts.keys()


@NAMED
def test_what_follows_the_end_changes_nothing_before_it(sample: Sample) -> None:
    heard = hear(sample, [sample.reply, b": tail\n\n"])
    assert heard.texts.pop("stream.comments").endswith("tail")
    assert heard.texts == {field: text for field, text in sample.texts.items() if field != "stream.comments"}


@NAMED
def test_an_edit_of_nothing_is_the_backends_bytes(sample: Sample) -> None:
    reader = reader_of(sample)
    out = b""
    for read in events_of(reader, [sample.reply]):
        out += reader.edit(read, {})
        reader.released(read)
    assert out == sample.reply


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_texts_do_not_depend_on_the_cuts(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(STREAMS))
    at = sorted(data.draw(st.lists(st.integers(0, len(sample.reply)), max_size=12)))
    cuts = [sample.reply[a:b] for a, b in zip([0, *at], [*at, len(sample.reply)], strict=True)]
    assert hear(sample, cuts).texts == sample.texts


CHAT, MESSAGES, RESPONSES = (
    next(sample for sample in STREAMS if sample.name == name) for name in ("chat", "messages", "responses")
)


@pytest.mark.parametrize("sample", [CHAT, MESSAGES, RESPONSES], ids=lambda sample: sample.name)
@pytest.mark.parametrize(
    "data",
    [
        b"data: {not json\n\n",
        b"data: [1,2]\n\n",
        b'data: "text"\n\n',
        b"data: \xff\n\n",
        b'data: {"type":"ping","type":"error"}\n\n',
        b'data: {"type":"ping","a":{"b" : 1, "b":":\\u003a"}}\n\n',
    ],
)
def test_garbage_is_unreadable(sample: Sample, data: bytes) -> None:
    (frame,) = FrameDecoder().feed(data)
    with pytest.raises(UnreadableReply):
        reader_of(sample).read(frame)


@pytest.mark.parametrize("index", [-1, 1000, True, "0", 1.5])
def test_an_index_that_nobody_can_have_asked_for_is_unreadable(index: object) -> None:
    choice = {"index": index, "delta": {"content": "x"}}
    (frame,) = FrameDecoder().feed(event(chat_chunk([choice])))  # type: ignore[list-item]
    with pytest.raises(UnreadableReply):
        reader_of(CHAT).read(frame)


BESIDE = [
    (b"\n", []),
    (b"data\n\n", []),
    (b"retry: 3\n\n", []),
    (b": comment\n\n", ["comment"]),
    (b"retry: soon\n\n", ["soon"]),
    (b"id: 7\n\n", ["7"]),
    (b"event: ping\ndata:\n\n", ["ping"]),
    (b"x-note: a\n: b\n\n", ["x-note", "a", "b"]),
    (b"x-note\n\n", ["x-note"]),
    (b"event: a@b.example\nevent: ping\n\n", ["a@b.example\nping"]),
]


@pytest.mark.parametrize(("raw", "texts"), BESIDE)
def test_what_stands_beside_a_frames_data_is_a_text_of_its_own(raw: bytes, texts: list[str]) -> None:
    for sample in (CHAT, MESSAGES, RESPONSES):
        frames = list(FrameDecoder().feed(raw))
        assert b"".join(frame.raw for frame in frames) == raw
        for frame in frames:
            read = reader_of(sample).read(frame)
            assert [piece.text for piece in read.pieces] == texts
            assert (read.ends, read.fails, read.unread) == (False, False, None)


def test_an_event_line_that_is_not_its_events_name_is_read() -> None:
    for sample in (CHAT, MESSAGES, RESPONSES):
        (frame,) = FrameDecoder().feed(b'event: a@b.example\ndata: {"type":"ping","choices":[]}\n\n')
        assert "a@b.example" in [piece.text for piece in reader_of(sample).read(frame).pieces]


def test_a_ping_says_nothing() -> None:
    (frame,) = FrameDecoder().feed(PING)
    read = reader_of(MESSAGES).read(frame)
    assert (read.pieces, read.unread) == ((), None)


@pytest.mark.parametrize("choices", [[], None])
def test_a_usage_chunk_has_no_choices(choices: object) -> None:
    reader = reader_of(CHAT)
    chunk = {**chat_chunk([]), "choices": choices, "usage": {"total_tokens": 3}}
    (frame,) = FrameDecoder().feed(event(chunk))  # type: ignore[arg-type]
    read = reader.read(frame)
    assert (read.pieces, read.choices, read.unread) == ((), frozenset(), None)
    assert reader.facts.usage == {"total_tokens": 3}


def test_an_error_inside_a_stream_fails_and_its_words_are_judged() -> None:
    (frame,) = FrameDecoder().feed(event({"error": {"message": "the model fell over", "code": 500}}))
    read = reader_of(CHAT).read(frame)
    assert read.fails
    assert [piece.text for piece in read.pieces] == ["the model fell over"]
    (frame,) = FrameDecoder().feed(
        event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded!"}}, "error")
    )
    read = reader_of(MESSAGES).read(frame)
    assert read.fails
    assert [piece.text for piece in read.pieces] == ["Overloaded!"]


def test_text_under_an_unknown_key_is_judged_once_and_counted_where_its_event_is_unknown() -> None:
    reader = reader_of(CHAT)
    (frame,) = FrameDecoder().feed(event(chat_chunk([], provider_note="a note to the reader")))
    read = reader.read(frame)
    assert [piece.channel.field for piece in read.pieces] == ["provider_note"]
    assert [channel.field for channel in read.closes] == ["provider_note"]
    (frame,) = FrameDecoder().feed(event({"object": "chat.gossip", "note": "a note to the reader"}))
    assert reader.read(frame).unread == "a frame without choices"


def test_facts_gather_over_the_stream() -> None:
    reader = reader_of(CHAT)
    for _ in events_of(reader, [CHAT.reply]):
        pass
    facts = reader.facts
    assert (facts.id, facts.model, facts.fingerprint) == ("chatcmpl-B1", "gpt-test-2", "fp_06737a9306")
    assert facts.finish_reason == "stop"
    reader = reader_of(MESSAGES)
    for _ in events_of(reader, [MESSAGES.reply]):
        pass
    assert reader.facts.finish_reason == "tool_use"
    assert reader.facts.usage == {"input_tokens": 25, "output_tokens": 89}
    assert {call.name for call in reader.facts.tools.values()} == {"get_weather"}
    reader = reader_of(RESPONSES)
    for _ in events_of(reader, [RESPONSES.reply]):
        pass
    assert reader.facts.finish_reason == "completed"


def test_a_done_mark_with_anything_behind_it_is_no_done_mark() -> None:
    reader = reader_of(CHAT)
    (frame,) = FrameDecoder().feed(DONE)
    assert reader.read(frame).ends
    (frame,) = FrameDecoder().feed(b"data: [DONE] and more\n\n")
    with pytest.raises(UnreadableReply):
        reader_of(CHAT).read(frame)


def test_a_stream_request_is_told_from_a_whole_one() -> None:
    assert all(view_of(sample).stream for sample in STREAMS)
    assert not any(view_of(sample).stream for sample in WHOLES)


def test_a_frame_of_several_choices_loses_the_blocked_one() -> None:
    reader = reader_of(next(sample for sample in STREAMS if sample.name == "chat_n2"))
    both = event(chat_chunk([delta({}, 0, "stop"), delta({}, 1, "stop")]))
    first, last = FrameDecoder().feed(event(chat_chunk([delta({"content": "x"}, 0)])) + both)
    found = reader.read(first)
    reader.block(found, {0: Edit((Replacement(0, 1, ""),))}, {found.pieces[0].channel: "No."})
    (left,) = FrameDecoder().feed(reader.edit(reader.read(last), {}))
    assert [choice["index"] for choice in json.loads(left.data or b"")["choices"]] == [1]
