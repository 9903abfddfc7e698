"""Rows and content read back, for the writer's start, the search and the verification alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from proxy.log import digest
from proxy.log.context import join
from proxy.log.encode import Codec, Damaged, decode, decode_name, detail_place, encode_name, part_place
from proxy.log.rows import BeginRow, FinishRow, begin_digest, finish_digest
from proxy.model.record import Json

_CACHED_MAX: Final = 4096
_BEGIN: Final = ", ".join(f"e.{column}" for column in BeginRow._fields)
_FINISH: Final = ", ".join(f"f.{column}" for column in FinishRow._fields)
_WIDTH: Final = len(BeginRow._fields)
COLUMNS: Final = f"{_BEGIN}, {_FINISH}"
RECORD: Final = f"SELECT {COLUMNS} FROM exchange e LEFT JOIN finish f ON f.seq = e.seq"


def read_record(row: Sequence[int | str | bytes | None]) -> tuple[BeginRow, FinishRow | None]:
    """The two halves of a row of the `RECORD` query; no second half while the exchange is under way."""
    begin = BeginRow._make(row[:_WIDTH])
    if row[_WIDTH] is None:
        return begin, None
    return begin, FinishRow._make(row[_WIDTH:])


class Fetch:
    """Reads through one connection, remembering names and parts. Methods raise Damaged, sqlite3.Error."""

    def __init__(self, db: sqlite3.Connection, codec: Codec) -> None:
        self._db = db
        self._codec = codec
        self._names: dict[int, str] = {}
        self._commitments: dict[int, bytes] = {}

    def name(self, number: int | None) -> str | None:
        """The word of that number."""
        if number is None:
            return None
        known = self._names.get(number)
        if known is None:
            row = self._db.execute("SELECT text FROM name WHERE id = ?", (number,)).fetchone()
            if row is None or not isinstance(row[0], str | bytes):
                raise Damaged(f"name {number} is missing")
            if len(self._names) >= _CACHED_MAX:
                self._names.clear()
            known = self._names[number] = decode_name(row[0])
        return known

    def number(self, word: str) -> int | None:
        """The number of that word, None where the store never saw it."""
        row = self._db.execute("SELECT id FROM name WHERE text = ?", (encode_name(word),)).fetchone()
        return None if row is None else int(row[0])

    def names_from(self, beginning: str) -> list[int]:
        """The numbers of a few words that begin so."""
        first = encode_name(beginning)
        after = first + ("\U0010ffff" if isinstance(first, str) else b"\xff")  # type: ignore[operator]
        sql = "SELECT id FROM name WHERE text >= ? AND text < ? LIMIT 8"
        return [int(row[0]) for row in self._db.execute(sql, (first, after))]

    def content(self, part: int) -> bytes:
        """The content of a part."""
        return self._part(part)[1]

    def value(self, part: int | None) -> Json:
        """The JSON value of a part."""
        return None if part is None else decode(self.content(part))

    def detail(self, finish: FinishRow) -> bytes:
        """The content of an end record's detail."""
        return self._codec.unpack(finish.detail, detail_place(finish.seq))

    def body(self, skeleton: int | None, node: int) -> Json:
        """A request body, put together again."""
        if skeleton is None:
            return None
        return join(self.content(skeleton), self.window(node))

    def window(self, node: int) -> list[tuple[int, bytes]]:
        """The parts of a context window from its beginning, as `context.join` takes them."""
        return [(slot, self.content(part)) for slot, part in self.window_parts(node)]

    def window_parts(self, node: int) -> list[tuple[int, int]]:
        """Slot and part of each step of a window, from its beginning."""
        steps: list[tuple[int, int]] = []
        while node:
            row = self._db.execute("SELECT parent, slot, part FROM node WHERE id = ?", (node,)).fetchone()
            # A node's parent is older than itself; anything else would be damage, and could go in a ring.
            if row is None or not 0 <= row[0] < node:
                raise Damaged(f"node {node} of a context window is missing or misplaced")
            steps.append((row[1], row[2]))
            node = row[0]
        steps.reverse()
        return steps

    def open_exchanges(self) -> Iterator[BeginRow]:
        """Every exchange under way, in the order of beginning."""
        sql = f"SELECT {_BEGIN} FROM open o JOIN exchange e ON e.seq = o.seq ORDER BY o.seq"
        for row in self._db.execute(sql).fetchall():
            yield BeginRow._make(row)

    def begin_digest(self, begin: BeginRow) -> bytes:
        """The begin half of a record's hash, from what is stored."""
        return begin_digest(
            begin, self.name, skeleton=self.commitment(begin.skeleton), window=self._window_digest(begin.node)
        )

    def finish_digest(self, begin: BeginRow, finish: FinishRow) -> bytes:
        """The end half of a record's hash, from what is stored."""
        return finish_digest(
            finish,
            self.name,
            sent_skeleton=self.commitment(finish.sent_skeleton),
            sent_window=self._window_digest(finish.sent_node),
            received=self.commitment(finish.received),
            delivered=self.commitment(finish.delivered),
            detail=digest.commitment(self._codec.salt(begin.salt), self.detail(finish)),
        )

    def commitment(self, part: int | None) -> bytes | None:
        """The commitment to a part's content, computed from the content that is there now."""
        if part is None:
            return None
        known = self._commitments.get(part)
        if known is None:
            salt, content = self._part(part)
            if len(self._commitments) >= _CACHED_MAX:
                self._commitments.clear()
            known = self._commitments[part] = digest.commitment(self._codec.salt(salt), content)
        return known

    def _window_digest(self, node: int) -> bytes:
        if node == 0:
            return digest.EMPTY_WINDOW
        row = self._db.execute("SELECT digest FROM node WHERE id = ?", (node,)).fetchone()
        if row is None:
            raise Damaged(f"node {node} of a context window is missing")
        return bytes(row[0])

    def _part(self, part: int) -> tuple[bytes, bytes]:
        row = self._db.execute("SELECT salt, data FROM part WHERE id = ?", (part,)).fetchone()
        if row is None:
            raise Damaged(f"part {part} is missing")
        return row[0], self._codec.unpack(row[1], part_place(part))
