"""Streams made of `choices`: what chat completions and legacy completions share.

Every frame is an object with a list of choices; each names its index, brings a fragment of its texts and, at
last, its finish reason. `[DONE]` ends the stream. A frame with a truthy `error` is a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from proxy import jsonio
from proxy.errors import UnreadableReply
from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Kind, Path
from proxy.wire.base import Event, Piece, ReplyFacts, RequestView
from proxy.wire.common import beside, choice_index, event_object
from proxy.wire.edits import call_of, piece_edits, rendered, value_change
from proxy.wire.errors import error_frame
from proxy.wire.logprobs import Series, with_token_copies
from proxy.wire.members import Members
from proxy.wire.once import Once
from proxy.wire.openai_facts import ChoicesFacts
from proxy.wire.plain import is_padding
from proxy.wire.shape import at, is_plain, mapping, sequence
from proxy.wire.sse import Frame, encode

DONE = b"data: [DONE]\n\n"

FRAME_NAMES = ("id", "object", "model", "usage", "system_fingerprint", "service_tier", "created")
"""Keys of a frame that hold names and numbers."""

FRAME_KEYS = frozenset((*FRAME_NAMES, "choices"))

CHOICE_KEYS = frozenset(("index", "finish_reason", "logprobs"))
"""Keys of a choice that hold no text of their own; what a wire reads is added by its reader."""

_NO_CHOICES = frozenset[int]()  # each empty set that is made takes 200 bytes
_NO_TOKENS = frozenset[tuple[int, str]]()


class ChoicesReader:
    """A reader of such a stream. Subclasses read one choice and render one choice's text."""

    object_name = ""
    id_prefix = ""
    read_keys = CHOICE_KEYS

    def __init__(self, request: RequestView, *, id: str, created: int) -> None:
        self._request = request
        meta: dict[str, Json] = {"id": f"{self.id_prefix}{id}", "object": self.object_name}
        self.told = ChoicesFacts({**meta, "created": created, "model": request.model or ""})
        self._channels: dict[tuple[int, str], Channel] = {}
        self._sets: dict[int, frozenset[int]] = {}
        self._open: dict[int, dict[Channel, None]] = {}
        self._loose: dict[
            int, set[Channel]
        ] = {}  # open, of unknown kind: closed by the next frame without them
        self.odd_tokens: frozenset[tuple[int, str]] = _NO_TOKENS
        self._once = Once()
        self.members = Members()
        self._names: tuple[Json, ...] = ()  # what stood at FRAME_NAMES last
        self._are_plain = False  # and no number to judge is among them
        self._is_odd = False  # a choice of the frame being read holds a key or a number to judge
        self._begun: set[int] = set()  # choices of which the client has seen something
        self._finished = self._blocked = _NO_CHOICES
        self._done = False
        self._finishes = False  # the frame being read has a finish reason
        self.tokens_repeat = False  # the log-probabilities of the choice being read say nothing but its text
        self.unread: str | None = None  # what of the frame being read no text rule can read

    @property
    def facts(self) -> ReplyFacts:
        return self.told.facts

    def closing(self) -> tuple[Channel, ...]:
        return tuple(channel for channels in self._open.values() for channel in channels)

    def read(self, frame: Frame) -> Event:
        data = frame.data
        if not data:
            return beside(self._once, frame)
        if not data.startswith(b"{") and data.strip() == b"[DONE]":
            event = beside(self._once, frame)
            closes = (*event.closes, *self.closing())
            self._open.clear()
            return event._replace(closes=closes, ends=True)
        body = event_object(data)
        self.unread = None
        self._finishes = self._is_odd = False
        pieces: list[Piece] = []
        closes_: list[Channel] = []
        indices: list[int] = []
        choices_ = body.get("choices")
        if choices_ is not None and not isinstance(choices_, list):
            raise UnreadableReply("choices is not a list")
        for position, choice in enumerate(choices_ or ()):
            if not isinstance(choice, dict):
                raise UnreadableReply("a choice is not a JSON object")
            index = choice_index(choice, position)
            indices.append(index)
            self._one_choice(choice, ("choices", position), index, pieces, closes_)
        get = body.get  # in the order of FRAME_NAMES; one after the other, since every frame comes here
        names = (
            get("id"), get("object"), get("model"), get("usage"), get("system_fingerprint"), get("service_tier"),
            get("created"),
        )  # fmt: skip
        if names != self._names:
            self._names = names
            self._are_plain = self.members.none_in(names)
            for key, value in zip(FRAME_NAMES, names, strict=True):
                if not is_plain(value):
                    self.once(value, (key,), (key,), 0, pieces, closes_)
        are_known = True
        if not body.keys() <= FRAME_KEYS:
            for key in body:
                if key not in FRAME_KEYS and not (key == "obfuscation" and is_padding(body[key])):
                    are_known = False
                    self.once(body[key], (key,), (key,), 0, pieces, closes_)
        if frame.beside or frame.event is not None:
            self._once.beside(frame, "", pieces, closes_)
        if self._is_odd or not (are_known and self._are_plain):
            self.members.add_to(pieces, body)
        self.told.see(body, finishes=self._finishes)
        fails = bool(body.get("error"))
        if "choices" not in body and not fails and body.get("usage") is None:
            self.unread = "a frame without choices"
        if len(indices) == 1:
            index = indices[0]
            choices = self._sets.get(index)
            if choices is None:
                choices = self._sets[index] = frozenset(indices)
        else:
            choices = frozenset(indices)
        return Event(frame, body, tuple(pieces), tuple(closes_), choices, False, fails, self.unread)

    def released(self, event: Event) -> None:
        if event.ends:
            self._done = True
        if not event.choices:
            return
        self._begun |= event.choices
        body = event.body
        for position, choice in enumerate(sequence(body.get("choices") if isinstance(body, dict) else None)):
            if isinstance(choice, dict) and choice.get("finish_reason"):
                self._finished |= {choice_index(choice, position)}

    def edit(self, event: Event, edits: Mapping[int, Edit]) -> bytes:
        changes = self._changes(event, edits)
        for position, index in self._positions(event):
            if index in self._blocked:
                changes[("choices", position)] = None
        return rendered(event, changes, edits)

    def block(self, event: Event, edits: Mapping[int, Edit], blocks: Mapping[Channel, str]) -> bytes:
        messages = {channel.choice: message for channel, message in blocks.items()}
        changes = self._changes(event, edits)
        # A tool call without its name is none: its entry goes, and what is left of its arguments with it.
        nameless = {
            call_of(event.pieces[index].path)
            for index, edit in edits.items()
            if event.pieces[index].path[-1] == "name" and not edit.apply(event.pieces[index].text)
        }
        for entry in nameless:
            beside = {call_of(piece.path) for piece in event.pieces if piece.path[:4] == entry[:4]}
            changes[entry[:4] if beside <= nameless else entry] = None
        remains = {
            piece.channel.choice
            for index, piece in enumerate(event.pieces)
            if (edits[index].apply(piece.text) if index in edits else piece.text)
            and not piece.copy
            and call_of(piece.path) not in nameless
        }
        out = b""
        others = False
        for position, index in self._positions(event):
            if index in self._blocked or (index in messages and index not in remains):
                changes[("choices", position)] = None
            elif index in messages:
                self._begun.add(index)
                changes[("choices", position, "finish_reason")] = b"null"
            else:
                others = True
        if others or not remains.isdisjoint(messages):
            out = rendered(event, changes, edits)
            if others:
                self.released(event)
        self._blocked |= messages.keys()
        return out + b"".join(self._filtered(index, message) for index, message in messages.items())

    def done(self) -> bytes:
        if self._done:
            return b""
        self._done = True
        return DONE

    def interrupt(self, message: str) -> bytes:
        if self._done:
            return b""
        open_choices = [index for index in range(self._request.choices) if index not in self._finished]
        return b"".join(self._filtered(index, message) for index in open_choices) + self.done()

    def fail(self, code: str, message: str) -> bytes:
        self._done = True
        return error_frame("openai", code, message)

    def usage_chunk(self, usage: Json) -> bytes:
        """The chunk that ends a stream for which usage was asked."""
        return encode(jsonio.dumps({**self.told.meta, "choices": [], "usage": usage}))

    # For subclasses.

    def read_choice(
        self, choice: Mapping[str, Json], path: Path, index: int, pieces: list[Piece], closes: list[Channel]
    ) -> None:
        """List the pieces of one choice; `path` is where it stands."""
        raise NotImplementedError

    def text_choice(self, index: int, text: str, *, begun: bool) -> dict[str, Json]:
        """A choice entry that brings a text."""
        raise NotImplementedError

    def finish_choice(self, index: int) -> dict[str, Json]:
        """A choice entry that ends its choice in filtered form."""
        raise NotImplementedError

    def copies(self, event: Event, piece: Piece, edit: Edit) -> dict[Path, bytes | None]:
        """Changes of what repeats a piece's text in the same frame (log-probabilities)."""
        raise NotImplementedError

    def channel(
        self, index: int, key: str, kind: Kind = Kind.TEXT, *, json: bool = False, chain: str = ""
    ) -> Channel:
        """The choice's channel, open from now on. `key` names it within the choice."""
        found = self._channels.get((index, key))
        if found is None:
            found = Channel(f"choices[{index}].{key}", index, kind, json, chain=chain)
            self._channels[(index, key)] = found
        channels = self._open.setdefault(index, {})
        if found not in channels:
            channels[found] = None
            if kind is Kind.OTHER:
                self._loose.setdefault(index, set()).add(found)
        return found

    def once(
        self, value: Json, path: Path, name: Path, choice: int, pieces: list[Piece], closes: list[Channel]
    ) -> None:
        """The strings below a value of an unknown place, see `Once`."""
        if self._once.read(value, path, name, choice, pieces, closes):
            self.unread = "data"

    def spelled(self, rows: Iterable[Series], index: int, key: str, text: str, pieces: list[Piece]) -> None:
        """Token entries of a frame: a series is judged by itself from the first frame on in which it did not spell
        the frame's text."""
        for series in rows:
            name = f"{key}.{series.name}" if series.name else key
            if series.text != text:
                self.odd_tokens |= {(index, name)}
            if (index, name) in self.odd_tokens:
                channel = self.channel(index, name, Kind.OTHER)
                pieces.extend(Piece(channel, where, token) for where, token in series.parts)

    # Private.

    def _one_choice(
        self, choice: Mapping[str, Json], path: Path, index: int, pieces: list[Piece], closes: list[Channel]
    ) -> None:
        before = len(pieces)
        self.tokens_repeat = False
        self.read_choice(choice, path, index, pieces, closes)
        read = self.read_keys
        values: Iterable[Json] = choice.values()
        if self.tokens_repeat:
            values = [value for key, value in choice.items() if key != "logprobs"]
        if not self.members.none_in(values):
            self._is_odd = True
        if not choice.keys() <= read:
            self._is_odd = True
            for key in choice:
                if key not in read:
                    self.once(choice[key], (*path, key), ("choices", index, key), index, pieces, closes)
        loose = self._loose.get(index)
        if loose:
            grown = {piece.channel for piece in pieces[before:]}
            for channel in loose - grown:
                closes.append(channel)
                self._open[index].pop(channel, None)
            loose &= grown
        reason = choice.get("finish_reason")
        if reason:
            self._finishes = True
            if not is_plain(reason):
                name = ("choices", index, "finish_reason")
                self.once(reason, (*path, "finish_reason"), name, index, pieces, closes)
            closes.extend(self._open.pop(index, ()))
            self._loose.pop(index, None)

    def _positions(self, event: Event) -> list[tuple[int, int]]:
        choices = sequence(mapping(event.body).get("choices"))
        return [(position, choice_index(mapping(entry), position)) for position, entry in enumerate(choices)]

    def _changes(self, event: Event, edits: Mapping[int, Edit]) -> dict[Path, bytes | None]:
        changes: dict[Path, bytes | None] = {}
        for piece, edit in piece_edits(event, edits):
            changes.update(value_change(at(event.body, piece.path), piece.path, piece.text, edit))
            changes.update(self.copies(event, piece, edit))
        return with_token_copies(event.body, changes)

    def _filtered(self, index: int, message: str) -> bytes:
        out = self._chunk(self.text_choice(index, message, begun=index in self._begun))
        self._begun.add(index)
        self._finished |= {index}
        return out + self._chunk(self.finish_choice(index))

    def _chunk(self, choice: Json) -> bytes:
        chunk: dict[str, Json] = {**self.told.meta, "choices": [choice]}
        if self._request.usage_chunk:
            chunk["usage"] = None
        return encode(jsonio.dumps(chunk))
