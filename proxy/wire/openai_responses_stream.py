"""The stream of POST /v1/responses. Source: the OpenAI API reference ("Streaming events"), and the official
client's types.

The same text comes again and again: in deltas, in the text's `done`, its part's `done`, its item's `done`, and
in the response that ends the stream. Deltas grow a text; all the rest are copies of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy import jsonio
from proxy.errors import UnreadableReply
from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Kind, Path, ToolCall
from proxy.wire.base import Event, Piece, ReplyFacts, RequestView
from proxy.wire.common import reply_index
from proxy.wire.edits import value_change
from proxy.wire.logprobs import tokens_of, with_token_copies
from proxy.wire.openai_responses_output import (
    RESPONSE_KEYS,
    channel_of,
    item_texts,
    item_tool,
    response_facts,
    token_copies,
)
from proxy.wire.openai_responses_said import Said
from proxy.wire.shape import at, data_at, field_name, leaves, mapping, sequence, string
from proxy.wire.splice import splice
from proxy.wire.sse import Frame, with_data

LEAF_CHARS_MIN = 9
"""A string in a place that the wire does not know is judged from this length on."""

_TEXTS: Mapping[str, tuple[tuple[str, ...], bool]] = {
    "response.output_text": (("content", "content_index", "text"), False),
    "response.reasoning_text": (("content", "content_index", "text"), True),
    "response.refusal": (("content", "content_index", "refusal"), False),
    "response.reasoning_summary_text": (("summary", "summary_index", "text"), True),
    "response.function_call_arguments": (("arguments",), False),
    "response.mcp_call_arguments": (("arguments",), False),
    "response.custom_tool_call_input": (("input",), False),
    "response.code_interpreter_call_code": (("code",), False),
    "response.shell_call_command": (("action", "commands", "command_index"), False),
}
"""Where in its item the text of an event family stands, with the event's key for each index; whether it is
reasoning."""

_DONE_KEYS = ("text", "refusal", "arguments", "input", "code", "command")
_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))
_LIFECYCLE = _ENDS | {"response.created", "response.in_progress", "response.queued"}
_EVENT_KEYS = frozenset(
    (
        "type", "sequence_number", "item_id", "output_index", "content_index", "summary_index", "command_index",
        "annotation_index", "partial_image_index", "logprobs", "obfuscation", "item", "part", "response",
        "output_format", "quality", "size", "background",
    )
)  # fmt: skip


class ResponsesReader:
    """A reader of one streamed response."""

    def __init__(self, request: RequestView, *, id: str, created: int) -> None:
        self._said = Said(id=id, model=request.model or "", created=created)
        self._tools: dict[Channel, ToolCall] = {}
        self._facts = ReplyFacts(tools=self._tools)
        self._channels: dict[tuple[int, Path], Channel] = {}
        self._open: dict[Channel, int] = {}  # growing channels, with their item
        self._seen: set[Channel] = set()
        self._odd_tokens: set[Channel] = set()
        self._edited: tuple[Event, Json] | None = None

    @property
    def facts(self) -> ReplyFacts:
        return self._facts

    def closing(self) -> tuple[Channel, ...]:
        return tuple(self._open)

    def read(self, frame: Frame) -> Event:
        data = frame.data
        if not data:
            return Event(frame)
        try:
            body = jsonio.loads(data)
        except jsonio.InvalidJson as error:
            if data.strip() == b"[DONE]":
                return Event(frame, ends=True)
            raise UnreadableReply(f"a stream event is no JSON: {error}") from error
        if not isinstance(body, dict):
            raise UnreadableReply("a stream event is not a JSON object")
        kind = string(body.get("type")) or ""
        family, _, verb = kind.rpartition(".")
        pieces: list[Piece] = []
        closes: list[Channel] = []
        unread: str | None = None
        if family in _TEXTS and verb in ("delta", "done", "added"):
            self._text_event(body, family, verb, pieces, closes)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._item_event(body, verb, pieces, closes)
        elif kind.endswith(("_part.added", "_part.done")):
            self._part_event(body, verb, "summary" in kind, pieces)
        elif kind in _LIFECYCLE:
            self._response_event(mapping(body.get("response")), kind, pieces, closes)
        else:
            unread = self._other_event(body, kind, pieces, closes)
        fails = kind in ("error", "response.failed") or bool(body.get("error"))
        ends = kind in _ENDS
        if ends:
            closes.extend(self._open)
            self._open.clear()
        return Event(frame, body, tuple(pieces), tuple(closes), frozenset(), ends, fails, unread)

    def released(self, event: Event) -> None:
        body = event.body
        if self._edited is not None and self._edited[0] is event:
            body = self._edited[1]
        self._edited = None
        if isinstance(body, dict):
            self._said.saw(body)

    def edit(self, event: Event, edits: Mapping[int, Edit]) -> bytes:
        changes: dict[Path, bytes | None] = {}
        for index, edit in edits.items():
            if not edit.replacements:
                continue
            piece = event.pieces[index]
            changes.update(value_change(at(event.body, piece.path), piece.path, piece.text, edit))
            changes.update(token_copies(event.body, piece.path, piece.text, edit))
        if not changes:
            return event.frame.raw
        data = splice(event.frame.data or b"", with_token_copies(event.body, changes))
        self._edited = (event, jsonio.loads(data))
        return with_data(event.frame, data)

    def block(self, event: Event, channel: Channel, edits: Mapping[int, Edit], message: str) -> bytes:
        remains = any(
            edits[index].apply(piece.text) if index in edits else piece.text
            for index, piece in enumerate(event.pieces)
            if not piece.copy
        )
        out, before = b"", self._unsaid(event, channel, edits)
        if remains and mapping(event.body).get("type") not in _ENDS:
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

    def _channel(self, index: int, path: Path, *, reasoning: bool) -> Channel:
        found = self._channels.get((index, path))
        if found is None:
            found = self._channels[(index, path)] = channel_of(index, path, reasoning=reasoning)
            self._seen.add(found)
        return found

    def _text_event(
        self,
        body: Mapping[str, Json],
        family: str,
        verb: str,
        pieces: list[Piece],
        closes: list[Channel],
    ) -> None:
        steps, reasoning = _TEXTS[family]
        index = reply_index(body, "output_index")
        path = tuple(reply_index(body, step) if step.endswith("_index") else step for step in steps)
        channel = self._channel(index, path, reasoning=reasoning)
        if verb == "done":
            for key in _DONE_KEYS:
                text = body.get(key)
                if isinstance(text, str) and text:
                    pieces.append(Piece(channel, (key,), text, copy=True))
            closes.append(channel)
            self._open.pop(channel, None)
            tokens = self._channels.get((index, (*path, "logprobs")))
            if tokens is not None and self._open.pop(tokens, None) is not None:
                closes.append(tokens)
            return
        key = "delta" if verb == "delta" else "command"
        text = body.get(key)
        if isinstance(text, str) and text:
            self._open[channel] = index
            pieces.append(Piece(channel, (key,), text))
        entries = sequence(body.get("logprobs"))
        if entries:
            self._delta_tokens(channel, index, path, tokens_of(entries), text, pieces)

    def _delta_tokens(
        self, channel: Channel, index: int, path: Path, tokens: list[str], text: Json, pieces: list[Piece]
    ) -> None:
        """Token entries of a delta; judged by themselves from the first that does not add up to its text."""
        if "".join(tokens) != text:
            self._odd_tokens.add(channel)
        if channel in self._odd_tokens:
            judged = self._channel(index, (*path, "logprobs"), reasoning=False)
            self._open[judged] = index
            for position, token in enumerate(tokens):
                if token:
                    pieces.append(Piece(judged, ("logprobs", position, "token"), token))

    def _item_event(
        self, body: Mapping[str, Json], verb: str, pieces: list[Piece], closes: list[Channel]
    ) -> None:
        index = reply_index(body, "output_index")
        item = body.get("item")
        self._copies(item, index, ("item",), pieces, closes, begins=verb == "added")
        if verb == "done":
            closes.extend(channel for channel, owner in self._open.items() if owner == index)
            self._open = {channel: owner for channel, owner in self._open.items() if owner != index}

    def _part_event(self, body: Mapping[str, Json], verb: str, summary: bool, pieces: list[Piece]) -> None:
        index = reply_index(body, "output_index")
        group = "summary" if summary else "content"
        number = reply_index(body, "summary_index" if summary else "content_index")
        part = mapping(body.get("part"))
        reasoning = summary or part.get("type") == "reasoning_text"
        for where, leaf in leaves(part, ()):
            if "logprobs" in where or data_at(where, leaf):
                continue
            path = (group, number, *where)
            new = (index, path) not in self._channels
            channel = self._channel(index, path, reasoning=reasoning)
            grows = verb == "added" and new
            if grows:
                self._open[channel] = index
            pieces.append(Piece(channel, ("part", *where), leaf, copy=not grows))

    def _copies(
        self,
        item: Json,
        index: int,
        path: Path,
        pieces: list[Piece],
        closes: list[Channel],
        *,
        begins: bool = False,
    ) -> None:
        """The texts of an item as copies; where the item begins, what is new grows from there."""
        tool = item_tool(item)
        for channel, where, leaf in item_texts(item, index):
            known = self._channels.setdefault((index, where), channel)
            grows = begins and known not in self._seen
            self._seen.add(known)
            pieces.append(Piece(known, (*path, *where), leaf, copy=not grows))
            if grows and known.kind is Kind.OTHER:
                closes.append(known)
            elif grows:
                self._open[known] = index
        if tool is not None:
            for key in ("arguments", "input", "code"):
                self._tools[channel_of(index, (key,))] = tool

    def _response_event(
        self, response: Mapping[str, Json], kind: str, pieces: list[Piece], closes: list[Channel]
    ) -> None:
        for index, item in enumerate(sequence(response.get("output"))):
            self._copies(item, index, ("response", "output", index), pieces, closes)
        for key in response:
            if key not in RESPONSE_KEYS:
                self._once(response[key], ("response", key), (key,), pieces, closes)
        facts = response_facts(response, self._tools)
        finish = facts.finish_reason if kind in _ENDS else None
        self._facts = ReplyFacts(
            facts.model, None, facts.id, finish, facts.usage, facts.logprobs, self._tools
        )

    def _other_event(
        self, body: Mapping[str, Json], kind: str, pieces: list[Piece], closes: list[Channel]
    ) -> str | None:
        """An event without a text of its own, or one that the wire does not know: its strings are judged one by
        one. Returns its name where there is something in it that could not be read for what it is."""
        if kind == "response.output_text.annotation.added":
            place = (
                "content",
                reply_index(body, "content_index"),
                "annotations",
                reply_index(body, "annotation_index"),
            )
            name: Path = ("output", reply_index(body, "output_index"), *place)
            self._once(body.get("annotation"), ("annotation",), name, pieces, closes)
            return None
        data = False
        for key, value in body.items():
            if key not in _EVENT_KEYS or key in ("item", "part", "response"):
                data = data or any(data_at(where, leaf) for where, leaf in leaves(value, (key,)))
                self._once(value, (key,), (kind or "event", key), pieces, closes)
        unknown = bool(pieces) and kind != "error"
        return (kind[:64] or "event") if unknown or data else None

    def _once(self, value: Json, path: Path, name: Path, pieces: list[Piece], closes: list[Channel]) -> None:
        for where, leaf in leaves(value, path):
            if len(leaf) >= LEAF_CHARS_MIN and not data_at(where, leaf):
                channel = Channel(field_name((*name, *where[len(path) :])), 0, Kind.OTHER)
                pieces.append(Piece(channel, where, leaf))
                closes.append(channel)
