"""Server-sent events as bytes: cut a byte stream into frames that keep their bytes.

Source: WHATWG HTML, section 9.2 "Server-sent events". Lines end with LF, CRLF or CR; a blank line ends an
event; one leading BOM is skipped; `data:` may lack its space and may stand several times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from proxy.errors import UnreadableReply

FRAME_BYTES_MAX = 32 << 20
"""The longest frame that is taken. A stream with a longer one is unreadable."""

_BOM = b"\xef\xbb\xbf"
_FIELD = re.compile(rb"(?:\xef\xbb\xbf)?[A-Za-z0-9_-]{0,64}")
_RETRY = re.compile(rb"[0-9]{1,9}")  # milliseconds, below twelve days
_CR, _LF = 13, 10
# Atomic, so that a CRLF is never taken for two line ends.
_LINE_END = re.compile(rb"(?>\r\n|\n|\r)")
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")


class Frame(NamedTuple):
    """One event with everything up to and including its blank line."""

    raw: bytes
    event: str | None = None
    data: bytes | None = None  # the data lines joined by LF; None where there was none (a comment)
    beside: tuple[
        tuple[str, str], ...
    ] = ()  # what else its lines say: by `comments`, `ids`, `events`, `fields`


class FrameDecoder:
    """Cuts bytes that arrive in any pieces into frames. The frames' `raw` joined are the bytes fed.

    Linear in the bytes, however they are cut. A blank line on its own is a frame without data.
    """

    __slots__ = ("_crs", "_first", "_pending", "_scan")

    def __init__(self) -> None:
        self._pending = bytearray()  # the start of a frame that is not yet complete
        self._scan = 0  # no frame ends before this offset of it
        self._crs = False  # a CR was seen: line ends must be looked at closely
        self._first = True

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete; to be read to the end. Raises UnreadableReply at one that is none,
        or is over FRAME_BYTES_MAX: those before it have come by then."""
        if not self._crs and b"\r" in data:
            self._crs = True
        return self._feed_any(data) if self._crs else self._feed_lf(data)

    def end(self) -> Frame | None:
        """The bytes ended: the rest that has no blank line, as a frame; None where there is none."""
        if not self._pending:
            return None
        raw = bytes(self._pending)
        self._pending.clear()
        self._scan = 0
        return self._frame(raw)

    def _feed_lf(self, data: bytes) -> Iterator[Frame]:
        """Every line so far ends with LF: the way of nearly every backend."""
        pending = self._pending
        buffer: bytes | bytearray = data
        scan = 0
        if pending:
            pending += data
            buffer, scan = pending, self._scan
        start = 0
        while start < len(buffer):
            if buffer[start] == _LF:
                end = start + 1
            else:
                found = buffer.find(b"\n\n", max(scan, start))
                if found < 0:
                    break
                end = found + 2
            raw = bytes(buffer[start:end])
            yield self._frame(raw) if self._first else _plain(raw) or self._frame(raw)
            start = end
        self._keep(buffer, start)

    def _feed_any(self, data: bytes) -> Iterator[Frame]:
        pending = self._pending
        pending += data
        start, scan, size = 0, self._scan, len(pending)
        while start < size:
            if pending[start] in (_CR, _LF):
                found = _LINE_END.match(pending, start)
            else:
                found = _BLANK_LINE.search(pending, max(scan, start))
            if found is None:
                break
            end = found.end()
            if end == size and pending[end - 1] == _CR:
                break  # the LF that may follow belongs to this line end
            yield self._frame(bytes(pending[start:end]))
            start = end
        self._keep(pending, start)

    def _keep(self, buffer: bytes | bytearray, start: int) -> None:
        rest = len(buffer) - start
        if rest > FRAME_BYTES_MAX:
            raise UnreadableReply(f"a stream event is longer than {FRAME_BYTES_MAX} bytes")
        if buffer is self._pending:
            del self._pending[:start]
        elif rest:
            self._pending += memoryview(buffer)[start:]
        self._scan = max(0, rest - 3)  # a blank line may have begun: CR LF CR

    def _frame(self, raw: bytes) -> Frame:
        event: str | None = None
        data: list[bytes] | None = None
        beside: list[tuple[str, str]] = []
        for name, value in _fields(raw, bom=self._first):
            text = value.decode("utf-8", "replace")
            if name == b"data":
                data = [value] if data is None else [*data, value]
            elif name == b"event":
                if event is not None:
                    beside.append(("events", event))
                event = text
            elif _FIELD.fullmatch(name) is None:
                raise UnreadableReply("a line of the stream is no field of an event stream")
            elif name not in (b"", b"id", b"retry"):
                beside += [("fields", name.decode()), (f"{name.decode()}:", text)]
            elif text and not (name == b"retry" and _RETRY.fullmatch(value)):
                beside.append(("comments" if not name else "ids" if name == b"id" else "fields", text))
        self._first = False
        return Frame(raw, event, None if data is None else b"\n".join(data), tuple(beside))


def _plain(raw: bytes) -> Frame | None:
    """A frame in one of the two forms that nearly all have: one data line, or a name and one data line."""
    if raw.startswith(b"data: "):
        if raw.find(b"\n", 6) == len(raw) - 2:
            return Frame(raw, None, raw[6:-2])
    elif raw.startswith(b"event: "):
        end = raw.find(b"\n", 7)
        if raw.startswith(b"data: ", end + 1) and raw.find(b"\n", end + 7) == len(raw) - 2:
            return Frame(raw, raw[7:end].decode("utf-8", "replace"), raw[end + 7 : -2])
    return None


def encode(data: bytes, event: str | None = None) -> bytes:
    """A frame of the proxy's own; `data` holds no line end."""
    if event is None:
        return b"data: " + data + b"\n\n"
    return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"


def bare(frame: Frame, event: str | None) -> Frame:
    """The frame's data under this name, and nothing beside it; no bytes at all where it has no data."""
    if frame.data is None:
        return Frame(b"")
    head = b"" if event is None else b"event: " + event.encode() + b"\n"
    lines = b"".join([b"data: " + line + b"\n" for line in frame.data.split(b"\n")])
    return Frame(head + lines + b"\n", event, frame.data)


def with_data(frame: Frame, data: bytes) -> bytes:
    """The frame's bytes with other data; its other lines and its line ends stay as they are."""
    raw = frame.raw
    out: list[bytes] = []
    at = 0
    written = False
    while at < len(raw):
        found = _LINE_END.search(raw, at)
        text_end, line_end = (found.start(), found.end()) if found else (len(raw), len(raw))
        line = raw[at:text_end]
        name = line.removeprefix(_BOM) if at == 0 else line
        mark = b"data: " if name.startswith(b"data: ") else b"data:"
        if name == b"data" or name.startswith(b"data:"):
            if not written:
                end = raw[text_end:line_end] or b"\n"
                prefix = line[: len(line) - len(name)]
                out.append(prefix + end.join(mark + part for part in data.split(b"\n")))
                out.append(raw[text_end:line_end])
                written = True
        else:
            out.append(raw[at:line_end])
        at = line_end
    return b"".join(out)


def _fields(raw: bytes, *, bom: bool) -> Iterator[tuple[bytes, bytes]]:
    if bom:
        raw = raw.removeprefix(_BOM)
    for line in raw.splitlines():
        name, _, value = line.partition(b":")
        yield name, value.removeprefix(b" ")
