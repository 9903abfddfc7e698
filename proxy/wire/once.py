"""Strings of a stream in places that its wire does not know.

Such a place may hold a word that every frame repeats, or the fragments of a text. What changes from one frame to
the next is read as a text that grows; what stays the same is a copy of what was judged.
"""

from __future__ import annotations

from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Path
from proxy.wire.base import Piece
from proxy.wire.shape import data_at, field_name, leaves


class Once:
    """What was last read in each such place of one reply."""

    __slots__ = ("_last", "_values")

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._values: dict[tuple[Path, Path, int], tuple[Json, list[Piece]]] = {}

    def read(
        self, value: Json, path: Path, name: Path, choice: int, pieces: list[Piece], closes: list[Channel]
    ) -> bool:
        """List the strings below a value, each its own channel, closed at once (it goes on if it grows after all).
        `name` is the path in the words of a whole reply. Returns whether data stands there that was not read."""
        if value is None or isinstance(value, int | float):
            return False
        seen = self._values.get((path, name, choice))
        if seen is not None and seen[0] == value:
            pieces.extend(seen[1])
            return False
        data = False
        copies: list[Piece] = []
        for where, leaf in leaves(value, path):
            if data_at(where, leaf):
                data = True
                continue
            field = field_name((*name, *where[len(path) :]))
            channel = Channel(field, choice, Kind.OTHER)
            copy = self._last.get(field) == leaf
            self._last[field] = leaf
            pieces.append(Piece(channel, where, leaf, copy=copy))
            copies.append(Piece(channel, where, leaf, copy=True))
            if not copy:
                closes.append(channel)
        if not data:
            self._values[(path, name, choice)] = (value, copies)
        return data
