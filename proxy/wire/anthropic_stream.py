"""The stream of POST /v1/messages. Source: the Anthropic API reference ("Streaming messages"), and the
official client, which goes by the `event:` line and keeps the blocks in a list.

message_start, then per block content_block_start, deltas, content_block_stop, then message_delta and
message_stop; `ping` anywhere; `error` ends the stream.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Kind, Path, ToolCall
from proxy.wire.anthropic_said import Said
from proxy.wire.base import Event, Piece, ReplyFacts, RequestView
from proxy.wire.common import beside, event_object, reply_index
from proxy.wire.data import is_sealed, said
from proxy.wire.edits import piece_edits, rendered, value_change
from proxy.wire.members import Members
from proxy.wire.once import Once
from proxy.wire.shape import at, compact, is_plain, mapping, sequence, string
from proxy.wire.sse import Frame

_DELTA_TYPES = ("text_delta", "input_json_delta", "thinking_delta", "signature_delta", "citations_delta")
_TEXT_DELTAS = frozenset(("text", "thinking", "partial_json"))
_PASSED_KEYS = frozenset(("type", "id", "tool_use_id", "caller", "index"))
_EVENT_KEYS: Mapping[str, frozenset[str]] = {
    "message_start": frozenset(("type", "message")),
    "content_block_start": frozenset(("type", "index", "content_block")),
    "content_block_delta": frozenset(("type", "index", "delta")),
    "content_block_stop": frozenset(("type", "index")),
    "message_delta": frozenset(("type", "delta", "usage")),
    "message_stop": frozenset(("type",)),
    "ping": frozenset(("type",)),
    "error": frozenset(("type",)),
}
_MESSAGE_KEYS = frozenset(
    ("id", "type", "role", "model", "stop_reason", "stop_sequence", "usage", "container")
)


class MessagesReader:
    """A reader of one streamed message."""

    def __init__(self, request: RequestView, *, id: str) -> None:
        self._said = Said(f"msg_{id}", request.model or "")
        self._tools: dict[Channel, ToolCall] = {}
        self._facts = ReplyFacts(tools=self._tools)
        self._channels: dict[tuple[int, str], Channel] = {}
        self._open: dict[int, dict[Channel, None]] = {}  # growing channels by block
        self._citations: dict[int, int] = {}
        self._once = Once()
        self._members = Members()

    @property
    def facts(self) -> ReplyFacts:
        return self._facts

    def closing(self) -> tuple[Channel, ...]:
        return (*(channel for channels in self._open.values() for channel in channels), *self._once.open)

    def read(self, frame: Frame) -> Event:
        data = frame.data
        if not data:
            return beside(self._once, frame)
        body = event_object(data)
        kind = body.get("type")
        pieces: list[Piece] = []
        closes: list[Channel] = []
        unread = False
        if kind == "content_block_delta":
            unread = self._read_delta(body, pieces, closes)
        elif kind == "content_block_start":
            unread = self._read_block(body, pieces, closes)
        elif kind == "content_block_stop":
            closes.extend(self._open.pop(reply_index(body, "index"), ()))
        elif kind == "message_start":
            unread = self._read_start(body, pieces, closes)
        elif kind == "message_delta":
            unread = self._read_message_delta(body, pieces, closes)
        elif kind == "message_stop":
            closes.extend(self.closing())
            self._open.clear()
            self._once.open.clear()
        known = _EVENT_KEYS.get(kind) if isinstance(kind, str) else None
        if known is None or not body.keys() <= known:
            unread = self._read_unknown(body, known, pieces, closes) or unread
        if frame.beside or frame.event != kind:
            self._once.beside(frame, str(kind), pieces, closes)
        self._members.add_to(pieces, body)
        if self._once.open:
            closes.extend(self._once.ended(pieces))
        return Event(
            frame,
            body,
            tuple(pieces),
            tuple(closes),
            ends=kind == "message_stop",
            fails=kind == "error",
            unread=str(kind)[:64] if unread else None,
        )

    def released(self, event: Event) -> None:
        if isinstance(event.body, dict):
            self._said.saw(event.body)

    def edit(self, event: Event, edits: Mapping[int, Edit]) -> bytes:
        changes: dict[Path, bytes | None] = {}
        for piece, edit in piece_edits(event, edits):
            changes.update(value_change(at(event.body, piece.path), piece.path, piece.text, edit))
        return rendered(event, changes, edits)

    def block(self, event: Event, edits: Mapping[int, Edit], blocks: Mapping[Channel, str]) -> bytes:
        (message,) = blocks.values()
        remains = any(
            edits[index].apply(piece.text) if index in edits else piece.text
            for index, piece in enumerate(event.pieces)
        )
        out = b""
        if remains or mapping(event.body).get("type") == "message_start":
            out = self.edit(event, edits)
            self.released(event)
        return out + self.interrupt(message)

    def done(self) -> bytes:
        return b""  # a block is the end of the stream

    def interrupt(self, message: str) -> bytes:
        return self._said.filtered(message)

    def fail(self, code: str, message: str) -> bytes:
        return self._said.failed(code, message)

    def _channel(self, index: int, key: str) -> Channel:
        found = self._channels.get((index, key))
        if found is None:
            kind = {"text": Kind.TEXT, "thinking": Kind.REASONING, "input": Kind.TOOL}.get(key, Kind.OTHER)
            found = Channel(
                f"content[{index}].{key}",
                kind=kind,
                json=key == "input",
                sealed=key == "thinking",
                chain="text" if key == "text" else "",
            )
            self._channels[(index, key)] = found
        self._open.setdefault(index, {})[found] = None
        return found

    def _read_unknown(
        self,
        body: Mapping[str, Json],
        known: frozenset[str] | None,
        pieces: list[Piece],
        closes: list[Channel],
    ) -> bool:
        """Keys that the wire does not know, or (without `known`) an event that it does not know: such an event's
        strings are texts that grow, one for each type and place."""
        name: Path = ()
        if known is None:
            kind = body.get("type")
            name = (str(kind) if kind and is_plain(kind) else "event",)
            if not is_plain(kind):
                self._once.read(kind, ("type",), (*name, "type"), 0, pieces, closes)
            if "index" in body:
                name = (*name, reply_index(body, "index"))
        grows = bool(name) and "delta" in str(name[0])
        unread = known is None
        for key in body.keys() - (known if known is not None else _PASSED_KEYS):
            unread = (
                self._once.read(body[key], (key,), (*name, key), 0, pieces, closes, grows=grows) or unread
            )
        return unread

    def _read_delta(self, body: Mapping[str, Json], pieces: list[Piece], closes: list[Channel]) -> bool:
        """Whether data stands in it that was not read; the other readers answer likewise."""
        index = reply_index(body, "index")
        delta = body.get("delta")
        if not isinstance(delta, dict):
            return self._once.read(delta, ("delta",), ("content", index), 0, pieces, closes)
        unread = False
        for key, value in delta.items():
            if not value or (key == "type" and value in _DELTA_TYPES):
                continue
            if (key in _PASSED_KEYS and is_plain(value)) or (key == "signature" and is_sealed(value)):
                continue
            if key == "citation":
                count = self._citations[index] = self._citations.get(index, -1) + 1
                name: Path = ("content", index, "citations", count)
                unread = self._once.read(value, ("delta", key), name, 0, pieces, closes) or unread
            elif isinstance(value, str):
                text = value if key in _TEXT_DELTAS else said((key,), value)
                if text is None:
                    unread = True
                    continue
                channel = self._channel(index, "input" if key == "partial_json" else key)
                pieces.append(Piece(channel, ("delta", key), text))
            else:
                name = ("content", index, key)
                unread = self._once.read(value, ("delta", key), name, 0, pieces, closes, grows=True) or unread
        return unread

    def _read_block(self, body: Mapping[str, Json], pieces: list[Piece], closes: list[Channel]) -> bool:
        index = reply_index(body, "index")
        return self._block_fields(body.get("content_block"), ("content_block",), index, pieces, closes)

    def _block_fields(
        self, block: Json, path: Path, index: int, pieces: list[Piece], closes: list[Channel]
    ) -> bool:
        if not isinstance(block, dict):
            return self._once.read(block, path, ("content", index), 0, pieces, closes)
        unread = False
        for key, value in block.items():
            where = (*path, key)
            if key == "input":
                channel = self._channel(index, key)
                self._tools[channel] = ToolCall(string(block.get("id")), string(block.get("name")))
                text = value if isinstance(value, str) else compact(value)
                if text is None:
                    self._once.read(value, where, ("content", index, key), 0, pieces, closes)
                elif value:
                    pieces.append(Piece(channel, where, text))
            elif (
                not value
                or (key in _PASSED_KEYS and is_plain(value))
                or (key == "signature" and is_sealed(value))
            ):
                continue
            elif key in ("text", "thinking") and isinstance(value, str):
                pieces.append(Piece(self._channel(index, key), where, value))
            else:
                name = ("content", index, key)
                unread = self._once.read(value, where, name, 0, pieces, closes) or unread
        return unread

    def _read_start(self, body: Mapping[str, Json], pieces: list[Piece], closes: list[Channel]) -> bool:
        message = body.get("message")
        if not isinstance(message, dict):
            return self._once.read(message, ("message",), ("message",), 0, pieces, closes)
        unread = False
        content = message.get("content")
        for index, block in enumerate(sequence(content)):
            unread = self._block_fields(block, ("message", "content", index), index, pieces, closes) or unread
            closes.extend(self._open.pop(index, ()))
        read = _MESSAGE_KEYS | {"content"} if isinstance(content, list) else _MESSAGE_KEYS
        for key, value in message.items():
            if key in read and (key == "content" or is_plain(value)):
                continue
            unread = self._once.read(value, ("message", key), (key,), 0, pieces, closes) or unread
        self._facts = ReplyFacts(
            model=string(message.get("model")),
            id=string(message.get("id")),
            finish_reason=string(message.get("stop_reason")),
            usage=message.get("usage"),
            tools=self._tools,
        )
        return unread

    def _read_message_delta(
        self, body: Mapping[str, Json], pieces: list[Piece], closes: list[Channel]
    ) -> bool:
        delta = body.get("delta")
        if not isinstance(delta, dict):
            return self._once.read(delta, ("delta",), ("delta",), 0, pieces, closes)
        unread = False
        for key, value in delta.items():
            if key not in _MESSAGE_KEYS or not is_plain(value):
                unread = self._once.read(value, ("delta", key), (key,), 0, pieces, closes) or unread
        if not is_plain(body.get("usage")):
            unread = self._once.read(body["usage"], ("usage",), ("usage",), 0, pieces, closes) or unread
        facts = self._facts
        usage = {**mapping(facts.usage), **mapping(body.get("usage"))}
        self._facts = ReplyFacts(
            model=facts.model,
            id=facts.id,
            finish_reason=string(delta.get("stop_reason")) or facts.finish_reason,
            usage=usage or None,
            tools=self._tools,
        )
        return unread
