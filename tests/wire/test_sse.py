"""Frames out of bytes: every byte kept, the same frames however the bytes are cut."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UnreadableReply
from proxy.wire import sse
from proxy.wire.sse import Frame, FrameDecoder, bare, encode, with_data


def frames_of(*cuts: bytes) -> list[Frame]:
    decoder = FrameDecoder()
    frames = [frame for cut in cuts for frame in decoder.feed(cut)]
    rest = decoder.end()
    return [*frames, rest] if rest is not None else frames


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b"data: x\n\n", [b"x"]),
        (b"data:x\n\n", [b"x"]),
        (b"data:  x\n\n", [b" x"]),
        (b"data\n\n", [b""]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\r\ndata: b\r\n\r\n", [b"a\nb"]),
        (b"data: a\rdata: b\r\r", [b"a\nb"]),
        (b"data: a\r\n\ndata: b\n\r\n", [b"a", b"b"]),
        (b"\xef\xbb\xbfdata: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a", None]),
        (b": hello\n\ndata: a\n\n", [None, b"a"]),
        (b": hello\ndata: a\n\n", [b"a"]),
        (b"\n\ndata: a\n\n", [None, None, b"a"]),
        (b"\r\n\r\ndata: a\r\n\r\n", [None, None, b"a"]),
        (b"data: a\n\ndata: no blank line", [b"a", b"no blank line"]),
        (b"datax: a\n\nDATA: b\n\n", [None, None]),
        ("data: line\u2028separator\n\n".encode(), ["line\u2028separator".encode()]),
        (b"data: \x0b\x0c\x1c\n\n", [b"\x0b\x0c\x1c"]),
    ],
)
def test_data(raw: bytes, data: list[bytes | None]) -> None:
    for cuts in ([raw], bytewise(raw), [raw[:3], raw[3:]]):
        frames = frames_of(*cuts)
        assert [frame.data for frame in frames] == data
        assert b"".join(frame.raw for frame in frames) == raw


def test_the_event_name_and_what_stands_beside_the_data() -> None:
    (frame,) = frames_of(b"id: 7\nevent: first\nevent: message_start\n: c\ndata: {}\nretry: 10\n\n")
    beside = (("ids", "7"), ("events", "first"), ("comments", "c"))
    assert (frame.event, frame.beside, frame.data) == ("message_start", beside, b"{}")
    (frame,) = frames_of(b"data: id: 7\n\n")
    assert frame.beside == ()


def test_a_bare_frame_has_its_data_and_nothing_else() -> None:
    (frame,) = frames_of(b"id: 7\nevent: x\ndata: a\ndata: b\n: c\n\n")
    assert bare(frame, "x").raw == b"event: x\ndata: a\ndata: b\n\n"
    assert bare(frame, None).raw == b"data: a\ndata: b\n\n"
    (frame,) = frames_of(b": c\n\n")
    assert bare(frame, None).raw == b""


_LINES = st.sampled_from(
    [b"data: {}", b"data:x", b"", b": c", b"event: e", b"id: 1", b"data", b"\xef\xbb\xbf", b"x" * 9]
)
_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(_LINES, _ENDS), max_size=14), st.data())
def test_frames_do_not_depend_on_the_cuts(lines: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    raw = b"".join(line + end for line, end in lines)
    at = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    cuts = [raw[a:b] for a, b in zip([0, *at], [*at, len(raw)], strict=True)]
    whole = frames_of(raw)
    assert frames_of(*cuts) == whole
    assert frames_of(*bytewise(raw)) == whole
    assert b"".join(frame.raw for frame in whole) == raw


def test_a_frame_is_out_as_soon_as_its_blank_line_is_in() -> None:
    decoder = FrameDecoder()
    assert list(decoder.feed(b"data: a\n")) == []
    assert [frame.data for frame in decoder.feed(b"\ndata: b")] == [b"a"]
    decoder = FrameDecoder()
    assert [frame.data for frame in decoder.feed(b"data: a\r\n\r\n")] == [b"a"]


def test_a_frame_over_the_bound_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "FRAME_BYTES_MAX", 100)
    decoder = FrameDecoder()
    assert list(decoder.feed(b"data: " + b"x" * 94)) == []
    with pytest.raises(UnreadableReply, match="longer than 100 bytes"):
        list(decoder.feed(b"x"))


def seconds(cuts: list[bytes]) -> float:
    started = process_time()
    frames_of(*cuts)
    return process_time() - started


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_one_long_frame_in_small_pieces_takes_linear_time(end: bytes) -> None:
    def cuts(size: int) -> list[bytes]:
        return [b"data: ", *[b"x" * 16] * (size // 16), end + end]

    small = min(seconds(cuts(200_000)) for _ in range(3))
    large = min(seconds(cuts(1_600_000)) for _ in range(2))
    assert large < 8 * small * 3 + 0.05, "eight times the bytes, far from sixty-four times the time"


@pytest.mark.parametrize(
    ("raw", "edited"),
    [
        (b"data: old\n\n", b"data: new\n\n"),
        (b"data:old\r\n\r\n", b"data:new\r\n\r\n"),
        (b"event: data: old\nid: old\ndata: old\n\n", b"event: data: old\nid: old\ndata: new\n\n"),
        (b"data: o\n: c\ndata: ld\n\n", b"data: new\n: c\n\n"),
        (b"\xef\xbb\xbfdata: old\n\n", b"\xef\xbb\xbfdata: new\n\n"),
        (b"data: old", b"data: new"),
    ],
)
def test_new_data_leaves_the_other_lines(raw: bytes, edited: bytes) -> None:
    (frame,) = frames_of(raw)
    assert with_data(frame, b"new") == edited


def test_data_that_was_joined_from_lines_can_be_put_back() -> None:
    (frame,) = frames_of(b'data: {"a":\ndata: 1}\n\n')
    assert frame.data is not None
    (again,) = frames_of(with_data(frame, frame.data))
    assert again.data == frame.data


def test_frames_of_the_proxys_own() -> None:
    assert encode(b"{}") == b"data: {}\n\n"
    assert frames_of(encode(b"{}", "ping")) == [Frame(b"event: ping\ndata: {}\n\n", "ping", b"{}")]
