"""A frame of a streamed reply that waits for its verdict: what for, and what becomes of it."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from proxy.model.text import Edit
from proxy.request.judged import JudgedText
from proxy.wire.base import Event, ReplyFacts, StreamReader
from proxy.wire.sse import Frame
from proxy.wire.stream_media import Shown, media_in

Taken: TypeAlias = tuple[Event, tuple[Shown, ...]]
"""A frame, read: its event, and what it holds that is no text."""


def taken(reader: StreamReader, frame: Frame) -> Taken:
    """Read the next frame. Raises UnreadableReply."""
    event = reader.read(frame)
    return event, media_in(event)


class Mark(NamedTuple):
    """What a frame waits for: characters [start, end) of a text, or (closing) the text's end."""

    text: JudgedText
    start: int
    end: int
    piece: int  # its index in the event; -1 where the event only closes the text
    before: int  # how long the text was before this frame


class Waiting(NamedTuple):
    """A frame and what it waits for."""

    event: Event
    marks: tuple[Mark, ...]
    last: bool  # it belongs to the reply's end
    facts: ReplyFacts  # what the reply had told of itself by then
    chars: int  # by how much it let its texts grow
    large: bool  # it takes long to render
    media: tuple[Shown, ...] = ()  # what it holds that is no text


class Rendered(NamedTuple):
    """A frame as it goes out."""

    raw: bytes
    edits: dict[int, Edit]
    gone: dict[JudgedText, int]  # how far its texts have gone out then


class Look(NamedTuple):
    """What is known of a frame: what it must wait for, what blocks its choices (a mark for each), or how it goes
    out."""

    waits_for: Mark | None = None
    blocking: tuple[Mark, ...] = ()
    rendered: Rendered | None = None
