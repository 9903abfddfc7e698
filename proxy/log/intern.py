"""What rows share: names, parts and window nodes, each stored once and known by a number.

Numbers are assigned here, so that all rows of a batch go in by a few statements of many rows each: every
statement lets go of the interpreter's lock and has to wait for it again while the event loop is busy.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple, TypeAlias, TypeVar

from proxy.log import digest
from proxy.log.encode import Codec, Damaged, decode_name, encode_name, part_place
from proxy.log.recent import Recent

ASKED_AT_ONCE: Final = 256
_CACHED_MAX: Final = 32_768
_ROWS_AT_ONCE: Final = (256, 128, 64, *range(32, 0, -1))
_VALUES_AT_ONCE: Final = 1024
STATEMENTS_MAX: Final = 512
"""Prepared statements that a connection keeps: of each of these sizes for the few tables of a commit."""

T = TypeVar("T")
Row: TypeAlias = "Sequence[int | str | bytes | None]"


class Known(NamedTuple):
    """Something in the store: its number, and a part's commitment or a node's window digest."""

    number: int
    digest: bytes


ROOT: Final = Known(0, digest.EMPTY_WINDOW)


class Intern:
    """Numbers for what a batch mentions, from memory, from the store, or new. Belongs to one connection; new
    rows wait for `flush`."""

    def __init__(self, db: sqlite3.Connection, store_key: bytes, codec: Codec) -> None:
        self._db = db
        self._key = store_key
        self._codec = codec
        self._names: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._parts: dict[bytes, Known] = {}
        # Those whose addresses are not in the store yet, in the order of their numbers: in `_parts` too.
        self._unaddressed: dict[bytes, Known] = {}
        self._nodes: dict[tuple[int, int, int], Known] = {}
        self._next = {
            table: (db.execute(f"SELECT max(id) FROM {table}").fetchone()[0] or 0) + 1
            for table in ("name", "part", "node")
        }
        # A removed part's number must not come again while the index of words takes it for done.
        done = db.execute("SELECT coalesce(max(part), 0) FROM wording").fetchone()[0]
        self._next["part"] = max(self._next["part"], done + 1)
        # From these numbers on they are new in this batch, and no use to ask the store for.
        self._fresh_nodes, self._fresh_parts = self._next["node"], self._next["part"]
        self.recent = Recent(self._next["part"])
        self._rows: dict[str, list[Row]] = {}
        self._unpacked: list[tuple[str, Row, bytes, bytes]] = []
        # Words that are never removed and have their posting (12 is `index.Facet.KEPT`).
        self.kept = {int(row[0]) for row in db.execute("SELECT value FROM posting WHERE kind = 12")}

    def add(self, table: str, row: Row) -> None:
        """Have a row written by the next `flush`."""
        self._rows.setdefault(table, []).append(row)

    def add_all(self, table: str, rows: Sequence[Row]) -> None:
        """Have rows written by the next `flush`."""
        self._rows.setdefault(table, []).extend(rows)

    def add_packed(self, table: str, row: Row, content: bytes, place: bytes) -> None:
        """Have a row written by the next `flush` that ends with the blob of this content, which lies there."""
        self._unpacked.append((table, row, content, place))

    def flush(self) -> None:
        """Write all rows that wait. Raises sqlite3.Error."""
        blobs = self._codec.pack_all([(content, place) for _, _, content, place in self._unpacked])
        for (table, row, _, _), blob in zip(self._unpacked, blobs, strict=True):
            self.add(table, (*row, blob))
        self._unpacked = []
        for table, rows in self._rows.items():
            insert(self._db, table, rows)
        self._rows = {}
        self._fresh_nodes, self._fresh_parts = self._next["node"], self._next["part"]
        # Memory is bounded by starting anew; what is still in use comes back by one question each.
        if len(self._parts) > _CACHED_MAX:
            self._parts = dict(self._unaddressed)
        if len(self._nodes) > _CACHED_MAX:
            self._nodes.clear()
        if len(self._names) > _CACHED_MAX:
            self._names.clear()
            self._texts.clear()

    def learn_names(self, groups: Iterable[Iterable[str | None]]) -> None:
        """See that every word of every group has a number."""
        names = self._names
        unknown = {word for words in groups for word in words if word not in names and word is not None}
        if not unknown:
            return
        stored = {encode_name(word): word for word in unknown}
        for some in slices(list(stored)):
            sql = f"SELECT id, text FROM name WHERE text IN ({marks(some)})"
            for number, text in self._db.execute(sql, some).fetchall():
                self._remember_name(decode_name(text), number)
        for text, word in stored.items():
            if word not in self._names:
                self._remember_name(word, self._number("name"))
                self.add("name", (self._names[word], text))

    def number(self, word: str) -> int:
        """The number of a word that was learnt in this batch."""
        return self._names[word]

    def name(self, word: str | None) -> int | None:
        """The number of a word that was learnt in this batch."""
        return None if word is None else self._names[word]

    def text(self, number: int | None) -> str | None:
        """The word of a number that was learnt in this batch."""
        return None if number is None else self._texts[number]

    def parts(self, contents: Iterable[bytes]) -> list[Known]:
        """Every content's part, in order, with its commitment; asked for all of a batch at once."""
        known = self._parts
        addresses: list[bytes] = []
        unknown: dict[bytes, bytes] = {}
        for content in contents:
            address = digest.address(self._key, content)
            addresses.append(address)
            if address not in known:
                unknown[address] = content
        for some in slices(list(unknown)):
            sql = (
                "SELECT a.address, p.id, p.salt FROM part_address a JOIN part p ON p.id = a.part "
                f"WHERE a.address IN ({marks(some)})"
            )
            for address, number, salt in self._db.execute(sql, some).fetchall():
                known[address] = Known(
                    number, digest.commitment(self._codec.salt(salt), unknown.pop(address))
                )
        salts = os.urandom(digest.SALT_BYTES * len(unknown))
        for place, (address, content) in enumerate(unknown.items()):
            salt = salts[place * digest.SALT_BYTES : (place + 1) * digest.SALT_BYTES]
            commitment = digest.commitment(self._codec.salt(salt), content)
            number = self._number("part")
            known[address] = Known(number, commitment)
            self.add_packed("part", (number, salt), content, part_place(number))
            self._unaddressed[address] = known[address]
            self.recent.part(number, content)
        return [known[address] for address in addresses]

    def learn_unaddressed(self) -> None:
        """Find out the addresses that are not in the store yet. Raises sqlite3.Error."""
        sql = "SELECT id, salt, data FROM part WHERE id > (SELECT part FROM addressing) ORDER BY id"
        for number, salt, blob in self._db.execute(sql):
            try:
                content = self._codec.unpack(blob, part_place(number))
            except Damaged:  # for `verify` to name; it will not be shared
                continue
            known = Known(number, digest.commitment(self._codec.salt(salt), content))
            address = digest.address(self._key, content)
            self._parts[address] = self._unaddressed[address] = known

    def put_addresses(self, addresses_max: int) -> int:
        """Write the next addresses that are not in the store yet; returns how many. Raises sqlite3.Error."""
        some = list(islice(self._unaddressed.items(), addresses_max))
        if some:
            # In their order, as few pages as there are.
            rows = sorted((address, known.number) for address, known in some)
            # Where an address was lost and found again, the older part keeps it.
            insert(self._db, "part_address", rows, "INSERT OR IGNORE")
            self._db.execute("UPDATE addressing SET part = ?", (some[-1][1].number,))
            for address, _ in some:
                del self._unaddressed[address]
        return len(some)

    def window(self, slots: Sequence[int], parts: Sequence[Known]) -> Known:
        """The last node of the window that these parts make."""
        node = ROOT
        for slot, part in zip(slots, parts, strict=True):
            key = (node.number, part.number, slot)
            known = self._nodes.get(key)
            if known is None:
                known = self._nodes[key] = self._stored_node(key) or self._new_node(node, part, slot)
            node = known
        return node

    def find_name(self, word: str) -> int | None:
        """The number of any word, None where the store does not have it. Raises sqlite3.Error."""
        known = self._names.get(word)
        if known is None:
            row = self._db.execute("SELECT id FROM name WHERE text = ?", (encode_name(word),)).fetchone()
            known = None if row is None else int(row[0])
        return known

    def forget_name(self, number: int) -> None:
        """It is no longer in the store."""
        word = self._texts.pop(number, None)
        if word is not None:
            self._names.pop(word, None)

    def forget_part(self, address: bytes) -> None:
        """It is no longer in the store."""
        self._parts.pop(address, None)
        self._unaddressed.pop(address, None)

    def forget_node(self, parent: int, part: int, slot: int) -> None:
        """It is no longer in the store."""
        self._nodes.pop((parent, part, slot), None)

    def _stored_node(self, key: tuple[int, int, int]) -> Known | None:
        parent, part, _ = key
        if parent >= self._fresh_nodes or part >= self._fresh_parts:
            return None
        sql = "SELECT id, digest FROM node WHERE parent = ? AND part = ? AND slot = ?"
        row = self._db.execute(sql, key).fetchone()
        return None if row is None else Known(row[0], row[1])

    def _new_node(self, parent: Known, part: Known, slot: int) -> Known:
        known = Known(self._number("node"), digest.window(parent.digest, slot, part.digest))
        self.add("node", (known.number, parent.number, part.number, slot, known.digest))
        return known

    def _number(self, table: str) -> int:
        number = self._next[table]
        self._next[table] = number + 1
        return number

    def _remember_name(self, word: str, number: int) -> None:
        self._names[word] = number
        self._texts[number] = word


def insert(db: sqlite3.Connection, table: str, rows: Sequence[Row], how: str = "INSERT") -> None:
    """Insert rows of one width by few statements. `table` may name its columns. Raises sqlite3.Error."""
    at = 0
    while at < len(rows):
        left, width = len(rows) - at, len(rows[at])
        size = next(size for size in _ROWS_AT_ONCE if size <= left and size * width <= _VALUES_AT_ONCE)
        values = [value for row in rows[at : at + size] for value in row]
        db.execute(_insertion(how, table, width, size), values)
        at += size


@lru_cache(maxsize=STATEMENTS_MAX)
def _insertion(how: str, table: str, width: int, rows: int) -> str:
    row = f"({','.join('?' * width)})"
    return f"{how} INTO {table} VALUES {','.join([row] * rows)}"


def slices(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many values at a time as one question asks for."""
    for start in range(0, len(values), ASKED_AT_ONCE):
        yield values[start : start + ASKED_AT_ONCE]


def marks(values: Sequence[object]) -> str:
    """The question marks of a list of values in SQL."""
    return ",".join("?" * len(values))
