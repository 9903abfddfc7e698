"""The stream of POST /v1/responses. Source: the OpenAI API reference ("Streaming events"), and the official
client's types. `openai_responses_events` reads its texts; here the stream is edited, blocked and ended.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy import jsonio
from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Kind, Path
from proxy.wire.base import Event, ReplyFacts, RequestView
from proxy.wire.common import event_object
from proxy.wire.edits import piece_edits, rendered, value_change
from proxy.wire.logprobs import with_token_copies
from proxy.wire.openai_responses_events import ENDS, EventTexts
from proxy.wire.openai_responses_output import token_copies
from proxy.wire.openai_responses_said import Said
from proxy.wire.shape import at, mapping, string
from proxy.wire.splice import splice
from proxy.wire.sse import Frame


class ResponsesReader:
    """A reader of one streamed response."""

    def __init__(self, request: RequestView, *, id: str, created: int) -> None:
        self._said = Said(id=id, model=request.model or "", created=created)
        self._texts = EventTexts(request)
        self._edited: tuple[Event, Json] | None = None

    @property
    def facts(self) -> ReplyFacts:
        return self._texts.facts

    def closing(self) -> tuple[Channel, ...]:
        return self._texts.closing()

    def read(self, frame: Frame) -> Event:
        data = frame.data
        if not data:
            return self._texts.beside(frame)
        if not data.startswith(b"{") and data.strip() == b"[DONE]":
            return Event(frame, ends=True)
        body = event_object(data)
        kind = string(body.get("type")) or ""
        texts = self._texts
        unread = texts.read(body, kind, frame)
        fails = kind in ("error", "response.failed") or bool(body.get("error"))
        return Event(
            frame, body, tuple(texts.pieces), tuple(texts.closes), frozenset(), kind in ENDS, fails, unread
        )

    def released(self, event: Event) -> None:
        body = event.body
        if self._edited is not None and self._edited[0] is event:
            body = self._edited[1]
        self._edited = None
        if isinstance(body, dict):
            self._said.saw(body)

    def edit(self, event: Event, edits: Mapping[int, Edit]) -> bytes:
        changes: dict[Path, bytes | None] = {}
        for piece, edit in piece_edits(event, edits):
            changes.update(value_change(at(event.body, piece.path), piece.path, piece.text, edit))
            changes.update(token_copies(event.body, piece.path, piece.text, edit))
        if changes:
            changes = with_token_copies(event.body, changes)
            self._edited = (event, jsonio.loads(splice(event.frame.data or b"", changes)))
        return rendered(event, changes, edits)

    def block(self, event: Event, edits: Mapping[int, Edit], blocks: Mapping[Channel, str]) -> bytes:
        ((channel, message),) = blocks.items()
        remains = any(
            edits[index].apply(piece.text) if index in edits else piece.text
            for index, piece in enumerate(event.pieces)
            if not piece.copy
        )
        out, before = b"", self._unsaid(event, channel, edits)
        if remains and mapping(event.body).get("type") not in ENDS:
            out = self.edit(event, edits)
            self.released(event)
        return out + self._said.filtered(message, before)

    def _unsaid(self, event: Event, channel: Channel, edits: Mapping[int, Edit]) -> str:
        """What stands before the finding of a text that comes in no delta: it is said anew."""
        for index, piece in enumerate(event.pieces):
            if piece.copy and piece.channel == channel and channel.kind is Kind.TEXT:
                text = edits[index].apply(piece.text) if index in edits else piece.text
                return text[self._said.delivered_chars(channel.field) :]
        return ""

    def done(self) -> bytes:
        return b""  # a block is the end of the stream

    def interrupt(self, message: str) -> bytes:
        return b"" if self._said.ended else self._said.filtered(message)

    def fail(self, code: str, message: str) -> bytes:
        return self._said.failed(code, message)
