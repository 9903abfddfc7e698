"""Drives a wire without a network: cuts, reads, edits and blocks a stream as the proxy's gate would."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from proxy.model.text import Channel, Edit, Kind, Replacement
from proxy.request.stream_gate import StreamGate
from proxy.wire.base import Event, RequestView, StreamReader, Wire
from proxy.wire.registry import wire_for
from proxy.wire.sse import FrameDecoder
from tests.wire.samples import Sample

ID, CREATED = "01TEST", 1741569952


def wire_of(sample: Sample) -> Wire:
    wire = wire_for(sample.method, sample.path, is_anthropic=sample.is_anthropic)
    assert wire is not None
    return wire


def view_of(sample: Sample) -> RequestView:
    return wire_of(sample).read_request(dict(sample.request) if sample.method == "POST" else None)


def reader_of(sample: Sample) -> StreamReader:
    return wire_of(sample).reader(view_of(sample), id=ID, created=CREATED)


def events_of(reader: StreamReader, cuts: Iterable[bytes]) -> Iterator[Event]:
    decoder = FrameDecoder()
    for cut in cuts:
        for frame in decoder.feed(cut):
            yield reader.read(frame)
    rest = decoder.end()
    if rest is not None:
        yield reader.read(rest)


@dataclass
class Heard:
    """What a stream's events said: the text of each field, and which fields were closed when."""

    texts: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    differing: list[str] = field(default_factory=list)  # copies that did not repeat their text
    ended: bool = False

    def take(self, event: Event) -> None:
        for piece in event.pieces:
            name = piece.channel.field
            if piece.copy and name in self.texts:
                text = self.texts[name]
                if piece.channel.kind is Kind.OTHER:
                    text = text[-len(piece.text) :]  # of such a text it may be the last of what grew
                if text != piece.text:
                    self.differing.append(name)
                continue
            self.texts[name] = self.texts.get(name, "") + piece.text
            (self.closed if piece.copy else self.open).add(name)  # a copy of nothing comes whole
        for channel in event.closes:
            self.closed.add(channel.field)
            self.open.discard(channel.field)
        self.ended = self.ended or event.ends


def hear(sample: Sample, cuts: Iterable[bytes]) -> Heard:
    heard = Heard()
    for event in events_of(reader_of(sample), cuts):
        heard.take(event)
    return heard


def blocked_at(sample: Sample, channel_field: str, at: int, message: str) -> bytes:
    """The stream as a client gets it when a finding that blocks starts at character `at` of a field."""
    reader = reader_of(sample)
    out = b""
    seen = 0
    blocked: set[int] = set()
    for event in events_of(reader, [sample.reply]):
        if event.choices and event.choices <= blocked:
            continue
        finding: Channel | None = None
        edits: dict[int, Edit] = {}
        for index, piece in enumerate(event.pieces):
            if piece.channel.field != channel_field or piece.copy or blocked:
                continue
            start, seen = seen, seen + len(piece.text)
            if at < seen:
                finding = piece.channel
                cut = max(0, at - start)
                edits[index] = Edit((Replacement(cut, len(piece.text), ""),))
        closes = any(channel.field == channel_field for channel in event.closes)
        if finding is None and closes and not blocked and at >= seen:
            finding = next(channel for channel in event.closes if channel.field == channel_field)
        if finding is None:
            out += reader.edit(event, {}) if event.choices & blocked else event.frame.raw
            reader.released(event)
            continue
        for index, piece in enumerate(event.pieces):
            if piece.channel.choice == finding.choice and index not in edits:
                edits[index] = Edit((Replacement(0, len(piece.text), ""),))
        out += reader.block(event, edits, {finding: message})
        blocked.add(finding.choice)
        if len(blocked) >= view_of(sample).choices:
            return out + reader.done()
    return out


def interrupted_after(sample: Sample, frames: int, message: str) -> bytes:
    """The stream as a client gets it when the dial is killed after so many frames."""
    reader = reader_of(sample)
    out = b""
    for number, event in enumerate(events_of(reader, [sample.reply])):
        if number >= frames:
            break
        reader.released(event)
        out += event.frame.raw
    return out + reader.interrupt(message)


def failed_after(sample: Sample, frames: int) -> bytes:
    reader = reader_of(sample)
    out = b""
    for number, event in enumerate(events_of(reader, [sample.reply])):
        if number >= frames:
            break
        reader.released(event)
        out += event.frame.raw
    return out + reader.fail("backend_error", "the backend went away")


def through_gate(gate: StreamGate, cuts: Iterable[bytes], slice_chars: int = 1024) -> tuple[bytes, bool]:
    """What a gate lets out of a reply whose bytes come in these cuts, and whether that was complete."""

    def pump() -> None:
        for _ in gate.pump(lambda: slice_chars):
            pass

    for cut in cuts:
        for _ in gate.read(cut):
            pump()
    complete = gate.end()
    pump()
    return bytes(gate.out) + bytes(gate.tail), complete


def loads(raw: bytes) -> object:
    value: object = json.loads(raw)
    return value
