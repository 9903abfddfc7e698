"""The texts of each event of a Responses stream. Source: the OpenAI API reference ("Streaming events"), and the
official client's types.

The same text comes again and again: in deltas, in the text's `done`, its part's `done`, its item's `done`, and
in the response that ends the stream. Deltas grow a text; all the rest are copies of it. What an event holds beside
that is read as a text of its own, and so are all strings of an event that the wire does not know.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Path, ToolCall
from proxy.wire.base import Event, Piece, ReplyFacts, RequestView
from proxy.wire.common import beside, reply_index
from proxy.wire.data import said
from proxy.wire.logprobs import repeats, series_of
from proxy.wire.members import Members
from proxy.wire.once import Once
from proxy.wire.openai_responses_output import (
    ECHO_KEYS,
    RESPONSE_KEYS,
    RESPONSE_NAMES,
    Echo,
    channel_of,
    item_texts,
    item_tool,
    part_logprobs,
    response_facts,
)
from proxy.wire.plain import is_padding
from proxy.wire.shape import field_name, is_plain, leaves, sequence, string
from proxy.wire.sse import Frame

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
ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))
_LIFECYCLE = ENDS | {"response.created", "response.in_progress", "response.queued"}
_EVENT_KEYS = frozenset(
    (
        "type", "sequence_number", "item_id", "output_index", "content_index", "summary_index", "command_index",
        "annotation_index", "partial_image_index", "obfuscation", "output_format", "quality", "size", "background",
    )
)  # fmt: skip
"""Keys of any event that say where its text belongs, or in what form a picture comes."""


def _is_placing(key: str, value: Json) -> bool:
    """Whether it is one of those keys, and holds what they hold: numbers, names, or random letters as filling."""
    if key == "obfuscation":
        return is_padding(value)
    return key in _EVENT_KEYS and is_plain(value)


_PLACES = ("output_index", "content_index", "summary_index", "command_index")


class EventTexts:
    """The texts of one streamed response, as far as its events were read."""

    def __init__(self, request: RequestView) -> None:
        self.pieces: list[Piece] = []  # of the event that was read last
        self.closes: list[Channel] = []
        self.tools: dict[Channel, ToolCall] = {}
        self.facts = ReplyFacts(tools=self.tools)
        self._channels: dict[tuple[int, Path], Channel] = {}
        self._open: dict[Channel, int] = {}  # growing channels, with their item
        self._seen: set[Channel] = set()
        self._odd_tokens: set[Channel] = set()
        self._once = Once()
        self._echo = Echo(request)
        self._members = Members(self._echo.holds)

    def closing(self) -> tuple[Channel, ...]:
        """Every channel that is still open."""
        return (*self._open, *self._once.open)

    def beside(self, frame: Frame) -> Event:
        """A frame without data."""
        return beside(self._once, frame)

    def read(self, body: dict[str, Json], kind: str, frame: Frame) -> str | None:
        """List the event's pieces, and what it closes. Returns the event's name where text in it could not be read
        for what it is. Raises UnreadableReply."""
        self.pieces, self.closes = [], []
        unread = False
        family, _, verb = kind.rpartition(".")
        read: tuple[str, ...] = ()
        if family in _TEXTS and verb in ("delta", "done", "added"):
            read = self._text(body, family, verb)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            read = self._item(body, verb)
        elif kind.endswith(("_part.added", "_part.done")):
            read = self._part(body, verb, "summary" in kind)
        elif kind in _LIFECYCLE:
            read = self._response(body, kind)
        elif kind == "response.output_text.annotation.added":
            read = self._annotation(body)
        else:
            unread = kind != "error" and not body.keys() <= _EVENT_KEYS
            if not is_plain(body.get("type")):
                unread = self._unknown(body, "event", "type") or unread
        for key in body:
            if key not in read and not _is_placing(key, body[key]):
                unread = self._unknown(body, kind, key) or unread
        if frame.beside or frame.event != kind:
            self._once.beside(frame, kind, self.pieces, self.closes)
        self._members.add_to(self.pieces, body)
        if self._once.open:
            self.closes.extend(self._once.ended(self.pieces))
        if kind in ENDS:
            self.closes.extend(self.closing())
            self._open.clear()
            self._once.open.clear()
        return (kind[:64] or "event") if unread else None

    # Every reader of one kind of event returns the keys that it read.

    def _text(self, body: Mapping[str, Json], family: str, verb: str) -> tuple[str, ...]:
        steps, reasoning = _TEXTS[family]
        index = reply_index(body, "output_index")
        path = tuple(reply_index(body, step) if step.endswith("_index") else step for step in steps)
        channel = self._channel(index, path, reasoning=reasoning)
        if verb == "done":
            return self._text_done(body, channel, index, path)
        key = "delta" if verb == "delta" else "command"
        text = body.get(key)
        if not isinstance(text, str):
            return ()
        if text:
            self._open[channel] = index
            self.pieces.append(Piece(channel, (key,), text))
        if body.get("logprobs"):
            self._delta_tokens(body["logprobs"], text, index, path)
        return (key, "logprobs")

    def _delta_tokens(self, entries: Json, text: str, index: int, path: Path) -> None:
        """Token entries of a delta; a series is judged from the first that does not spell the delta's text."""
        if not self._odd_tokens and isinstance(entries, list) and repeats(entries, text):
            return
        for series in series_of(entries, ("logprobs",)):
            named = (*path[:-1], "logprobs", series.name) if series.name else (*path[:-1], "logprobs")
            judged = self._channel(index, named, reasoning=False)
            if series.text != text:
                self._odd_tokens.add(judged)
            if judged in self._odd_tokens:
                self._open[judged] = index
                self.pieces.extend(Piece(judged, where, token) for where, token in series.parts)

    def _text_done(
        self, body: Mapping[str, Json], channel: Channel, index: int, path: Path
    ) -> tuple[str, ...]:
        read = [key for key in _DONE_KEYS if isinstance(body.get(key), str)]
        self.pieces.extend(Piece(channel, (key,), str(body[key]), copy=True) for key in read if body[key])
        beside = field_name(("output", index, *path[:-1], "logprobs"))
        ended = [other for other in self._open if other is channel or other.field.startswith(beside)]
        for other in ended:
            del self._open[other]
        self.closes.extend(ended or (channel,))
        self._tokens(body.get("logprobs"), ("logprobs",), string(body.get("text")) or "", f"{beside}.done")
        return (*read, "logprobs")

    def _tokens(self, entries: Json, where: Path, text: str, field: str) -> None:
        """Token entries beside a text that comes whole: each series that spells something else is its own text."""
        for series in series_of(entries, where) if entries else ():
            if series.text != text:
                channel = Channel(f"{field}.{series.name}" if series.name else field, 0, Kind.OTHER)
                self.pieces.extend(Piece(channel, place, token) for place, token in series.parts)
                self.closes.append(channel)

    def _item(self, body: Mapping[str, Json], verb: str) -> tuple[str, ...]:
        index = reply_index(body, "output_index")
        item = body.get("item")
        if isinstance(item, dict):
            self._copies(item, index, ("item",), begins=verb == "added")
        if verb == "done":
            self.closes.extend(channel for channel, owner in self._open.items() if owner == index)
            self._open = {channel: owner for channel, owner in self._open.items() if owner != index}
        return ("item",) if isinstance(item, dict) else ()

    def _part(self, body: Mapping[str, Json], verb: str, summary: bool) -> tuple[str, ...]:
        index = reply_index(body, "output_index")
        group = "summary" if summary else "content"
        number = reply_index(body, "summary_index" if summary else "content_index")
        part = body.get("part")
        if not isinstance(part, dict):
            return ()
        reasoning = summary or part.get("type") == "reasoning_text"
        for where, leaf in leaves(part, ()):
            path = (group, number, *where)
            is_text = channel_of(index, path).kind is not Kind.OTHER
            text = leaf if is_text else said(where, leaf)
            if where[0] == "logprobs" or text is None:
                continue
            new = (index, path) not in self._channels
            channel = self._channel(index, path, reasoning=reasoning)
            grows = verb == "added" and new
            if grows:
                self._open[channel] = index
            self.pieces.append(Piece(channel, ("part", *where), text, copy=not grows))
        beside = field_name(("output", index, group, number, "logprobs", f"part_{verb}"))
        self._tokens(part.get("logprobs"), ("part", "logprobs"), string(part.get("text")) or "", beside)
        return ("part",)

    def _copies(self, item: Json, index: int, path: Path, *, begins: bool = False) -> None:
        """The texts of an item as copies; where the item begins, what is new grows from there."""
        tool = item_tool(item)
        for channel, where, leaf in item_texts(item, index):
            known = self._channels.setdefault((index, where), channel)
            grows = begins and known not in self._seen
            self._seen.add(known)
            self.pieces.append(Piece(known, (*path, *where), leaf, copy=not grows))
            if grows and known.kind is Kind.OTHER:
                self.closes.append(known)
            elif grows:
                self._open[known] = index
        for where, entries, text in part_logprobs(item):
            beside = field_name(("output", index, *where, str(path[0])))
            self._tokens(entries, (*path, *where), text, beside)
        if tool is not None:
            for key in ("arguments", "input", "code"):
                self.tools[channel_of(index, (key,))] = tool

    def _response(self, body: Mapping[str, Json], kind: str) -> tuple[str, ...]:
        response = body.get("response")
        if not isinstance(response, dict):
            return ()
        output = sequence(response.get("output"))
        for index, item in enumerate(output):
            self._copies(item, index, ("response", "output", index))
        for key, value in response.items():
            odd = (key in RESPONSE_NAMES and not is_plain(value)) or (
                key == "output" and value and output == ()
            )
            if key in ECHO_KEYS and not self._echo.repeats(key, value):
                for where, leaf in self._echo.news(key, value):
                    channel = Channel(field_name(("echo", *where)), 0, Kind.OTHER)
                    self.pieces.append(Piece(channel, ("response", *where), leaf, copy=True))
            elif odd or key not in RESPONSE_KEYS:
                self._once.read(value, ("response", key), (key,), 0, self.pieces, self.closes)
        facts = response_facts(response, self.tools)
        finish = facts.finish_reason if kind in ENDS else None
        self.facts = ReplyFacts(facts.model, None, facts.id, finish, facts.usage, facts.logprobs, self.tools)
        return ("response",)

    def _annotation(self, body: Mapping[str, Json]) -> tuple[str, ...]:
        part = ("output", reply_index(body, "output_index"), "content", reply_index(body, "content_index"))
        name: Path = (*part, "annotations", reply_index(body, "annotation_index"))
        self._once.read(body.get("annotation"), ("annotation",), name, 0, self.pieces, self.closes)
        return ("annotation",)

    def _unknown(self, body: Mapping[str, Json], kind: str, key: str) -> bool:
        """A key that the wire does not know, or an event's: one growing text for each type of event and place that
        it names. Returns whether it holds data that was not read."""
        place: list[str | int] = []
        for step in _PLACES:
            number = body.get(step)
            if isinstance(number, int):
                place.append(number)
        owner = string(body.get("item_id"))
        if owner is not None and "output_index" not in body:
            place.insert(0, owner)
        name = (kind if kind and is_plain(kind) else "event", *place, key)
        grows = kind.endswith(".delta")
        return self._once.read(body[key], (key,), name, 0, self.pieces, self.closes, grows=grows)

    def _channel(self, index: int, path: Path, *, reasoning: bool) -> Channel:
        found = self._channels.get((index, path))
        if found is None:
            found = self._channels[(index, path)] = channel_of(index, path, reasoning=reasoning)
            self._seen.add(found)
        return found
