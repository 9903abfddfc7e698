"""Strings of a stream in places that its wire does not know.

Such a place may hold a word that every frame repeats, or the fragments of a text. What changes from one frame to
the next is read as a text that grows, however short its pieces are; what stays the same is a copy of what was
judged.
"""

from __future__ import annotations

from collections.abc import Iterable

from proxy.errors import UnreadableReply
from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Path
from proxy.wire.base import BESIDE, Piece
from proxy.wire.data import said
from proxy.wire.shape import field_name, leaves
from proxy.wire.sse import Frame

STREAM_TEXTS_MAX = 8192
"""The most texts of one streamed reply: each string in a place that the wire does not know is one, and so is each
tool call. A reply with more is unreadable."""


class Once:
    """What was last read in each such place of one reply."""

    __slots__ = ("_last", "_values", "open")

    def __init__(self) -> None:
        self.open: dict[Channel, None] = {}  # texts that are expected to go on with the next frame
        self._last: dict[str, str] = {}
        self._values: dict[tuple[Path, Path, int], tuple[Json, list[Piece]]] = {}

    def read(
        self,
        value: Json,
        path: Path,
        name: Path,
        choice: int,
        pieces: list[Piece],
        closes: list[Channel],
        *,
        grows: bool = False,
    ) -> bool:
        """List the strings below a value, each its own channel. `name` is the path in the words of a whole reply.

        Each is closed at once, and goes on if it grows after all; with `grows` (a delta of an event that the wire
        does not know) it is open until a frame brings other text, see `ended`. Returns whether data stands there
        that was not read.
        """
        if value is None or isinstance(value, int | float):
            return False
        seen = self._values.get((path, name, choice))
        if seen is not None and seen[0] == value and not grows:
            pieces.extend(seen[1])
            return False
        data = False
        copies: list[Piece] = []
        for where, leaf in leaves(value, path):
            text = said(where, leaf)
            if text is None:
                data = True
                continue
            if len(copies) >= STREAM_TEXTS_MAX:
                raise UnreadableReply(f"it has more than {STREAM_TEXTS_MAX} texts")
            leaf = text
            field = field_name((*name, *where[len(path) :]))
            channel = Channel(field, choice, Kind.OTHER)
            copy = not grows and self._last.get(field) == leaf
            self._last[field] = leaf
            pieces.append(Piece(channel, where, leaf, copy=copy))
            copies.append(Piece(channel, where, leaf, copy=True))
            if grows:
                self.open[channel] = None
            elif not copy:
                closes.append(channel)
        if not data:
            self._values[(path, name, choice)] = (value, copies)
        return data

    def beside(self, frame: Frame, named: str, pieces: list[Piece], closes: list[Channel]) -> None:
        """What stands in a frame beside its data. Clients drop it, but not everyone who reads the bytes. `named` is
        the event's own name, which its `event:` line repeats."""
        lines = frame.beside
        if frame.event is not None and frame.event != named:
            lines = (*lines, ("events", frame.event))
        texts: dict[str, str] = {}
        for name, text in lines:
            texts[name] = f"{texts[name]}\n{text}" if name in texts else text
        self.read(texts, BESIDE, ("stream",), 0, pieces, closes)

    def ended(self, pieces: Iterable[Piece]) -> list[Channel]:
        """The open texts that a frame did not go on with, though it brought text."""
        grown = {piece.channel for piece in pieces}
        out = [channel for channel in self.open if channel not in grown] if grown else []
        for channel in out:
            del self.open[channel]
        return out
