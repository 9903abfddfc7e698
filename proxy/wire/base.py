"""What every wire promises: the pure half of the proxy, bytes and JSON in, texts out, and back.

A wire reads one request body, reads a reply (whole, or event by event), and renders everything that the
proxy itself says on that wire: refusals, static replies, edited and blocked replies, error frames. It does
no I/O, knows no clock and no policy. Bytes that nobody edits are never rendered again: an edit splices new
values into the backend's own bytes, so that unknown fields, odd numbers and key order survive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Media, Path, Text, ToolCall
from proxy.wire.reduce import Reduction
from proxy.wire.sse import Frame


@dataclass(frozen=True, slots=True)
class RequestView:
    """What the proxy reads in a request body."""

    model: str | None
    stream: bool
    texts: tuple[Text, ...]  # every text worth scanning, a message's parts as one text, in body order
    user: str | None = None  # the body's own name for its user
    media: tuple[Media, ...] = ()
    messages: int = 1  # in its context window: messages, or input items
    choices: int = 1  # how many replies it asks for
    usage_chunk: bool = False  # whether a stream is to end with a usage chunk
    conversation: str | None = (
        None  # what of its conversation is kept at the backend and stands nowhere in it
    )
    previous: str | None = (
        None  # the kept response that it goes on from, where it names nothing else that is kept
    )
    echo: Mapping[str, Json] = field(default_factory=dict)  # what its reply may repeat of it, by key


@dataclass(frozen=True, slots=True)
class ReplyFacts:
    """What a reply tells about itself. In a stream they gather over its events; the last value counts."""

    model: str | None = None
    fingerprint: str | None = None
    id: str | None = None
    finish_reason: str | None = None  # of the first choice
    usage: Json = None
    logprobs: Json = None  # a list with an entry per token, as the wire gives them
    tools: Mapping[Channel, ToolCall] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplyView:
    """What the proxy reads in a whole reply."""

    texts: tuple[Text, ...]
    facts: ReplyFacts
    media: tuple[Media, ...] = ()


BESIDE: Path = (-1,)
"""Where paths begin that lead to what stands in a frame beside its data: comments, ids, another event's name."""


class Piece(NamedTuple):
    """The next characters of a channel, as the whole string value at `path` in the frame's JSON.

    A named tuple, as Event and Frame are: each delta makes one of each, and dataclasses take three times as long.
    A copy repeats what the channel held so far (a `done` event) instead of adding to it.
    """

    channel: Channel
    path: Path
    text: str
    copy: bool = False


class Event(NamedTuple):
    """One frame of a stream, read. `frame.raw` are the backend's own bytes."""

    frame: Frame
    body: Json = None  # the parsed data; None for comments, pings without data, and `[DONE]`
    pieces: tuple[Piece, ...] = ()
    closes: tuple[Channel, ...] = ()  # channels that will never grow again (known before or after this event)
    choices: frozenset[int] = frozenset()  # the choices it speaks of; empty: of the reply as a whole
    ends: bool = False  # the wire's normal end: [DONE], message_stop, response.completed
    fails: bool = False  # an error of the backend's own inside the stream
    unread: str | None = None  # why text in it could not be read (an unknown event's name)


class StreamReader(Protocol):
    """Reads one reply's frames in order, and renders the proxy's own frames in between.

    Stateful, since later frames must fit what was sent before (ids, indices, sequence numbers, open blocks);
    the state is that of the frames that it was told were released, see `released`.
    """

    @property
    def facts(self) -> ReplyFacts:
        """What the events read so far have told."""
        ...

    def read(self, frame: Frame) -> Event:
        """Read the next frame. Raises UnreadableReply for data that is no JSON or not this wire's shape."""
        ...

    def closing(self) -> tuple[Channel, ...]:
        """Every channel that is still open; asked when the stream ended."""
        ...

    def released(self, event: Event) -> None:
        """The event goes to the client now (as it is or edited). Called in order, before any rendering that
        must fit what the client has seen."""
        ...

    def edit(self, event: Event, edits: Mapping[int, Edit]) -> bytes:
        """The event's frame with pieces (by their index in `event.pieces`) edited, and every other copy of
        that text in the frame (logprobs) with them. All else byte for byte."""
        ...

    def block(self, event: Event, edits: Mapping[int, Edit], blocks: Mapping[Channel, str]) -> bytes:
        """The frames that end the choices of these channels here in the wire's filtered form, with these messages;
        no choice is named twice.

        `event` is the one in which the findings fall (not passed to `released`); `edits` cut each of its
        pieces down to what stands before them. First that remaining text, then for each choice the message and
        the filtered finish.
        For a wire with one choice this includes the end of the stream.
        """
        ...

    def done(self) -> bytes:
        """What ends the stream after its last choice was blocked or ended (`[DONE]`), if not yet sent."""
        ...

    def interrupt(self, message: str) -> bytes:
        """End every open choice at once in the wire's filtered form, with this text: the dial was killed."""
        ...

    def fail(self, code: str, message: str) -> bytes:
        """The wire's error frame; after it nothing follows. Never a normal end."""
        ...


class Wire(Protocol):
    """One API path's form."""

    @property
    def name(self) -> str:
        """openai.chat, openai.completions, openai.responses, openai.embeddings, openai.models,
        anthropic.messages, anthropic.count_tokens, anthropic.models"""
        ...

    @property
    def api(self) -> str:
        """openai | anthropic"""
        ...

    @property
    def speaks(self) -> bool:
        """Whether its reply is text, so that a killed call can answer with a static message."""
        ...

    @property
    def keeps(self) -> bool:
        """Whether a backend may keep what is said on it, so that a later request only names it."""
        ...

    def read_request(self, body: Json) -> RequestView:
        """Raises BadRequest where the body has not even the outer shape of a request."""
        ...

    def edit_request(self, raw: bytes, edits: Sequence[tuple[Text, Edit]]) -> bytes:
        """The request with texts edited, all else byte for byte."""
        ...

    def rename_model(self, raw: bytes, model: str) -> bytes:
        """The request with another model name, all else byte for byte."""
        ...

    def reduce_request(self, raw: bytes, reduction: Reduction) -> bytes:
        """What the reduction leaves of the request, all else byte for byte. The real API takes it where it took the
        whole one."""
        ...

    def read_reply(self, body: Json, request: RequestView | None = None) -> ReplyView:
        """Read a whole reply; what it repeats of its request is no text of its own. Raises UnreadableReply where it
        has not this wire's outer shape."""
        ...

    def edit_reply(self, raw: bytes, body: Json, edits: Sequence[tuple[Text, Edit]]) -> bytes:
        """The reply with texts edited, in every copy that it carries, all else byte for byte."""
        ...

    def block_reply(self, raw: bytes, body: Json, messages: Mapping[int, str]) -> bytes:
        """The reply with these choices replaced by messages, in the wire's filtered form (200)."""
        ...

    def static_reply(self, request: RequestView, message: str, *, id: str, created: int) -> bytes:
        """A whole reply of the proxy's own, in filtered form, with n choices where n were asked for."""
        ...

    def static_stream(self, request: RequestView, message: str, *, id: str, created: int) -> bytes:
        """The same as a whole event stream."""
        ...

    def reader(self, request: RequestView, *, id: str, created: int) -> StreamReader:
        """A reader for one streamed reply; `id` and `created` serve frames made before any was seen."""
        ...
