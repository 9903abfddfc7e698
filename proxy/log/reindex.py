"""Everything in the store that follows from the records, made anew.

Addresses of content and replies by their ids at once; postings and the index of words are filled in by the writer,
as they always are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from proxy.log import digest
from proxy.log.encode import Codec, Damaged, detail_place, part_place
from proxy.log.index import Facet
from proxy.log.prepare import read_detail


def clear(db: sqlite3.Connection, codec: Codec, key: bytes) -> None:
    """Empty the indexes and fill in at once what writing needs, in one transaction; `key` is the store's. What a
    connection remembers of them is wrong afterwards. Raises sqlite3.Error."""
    kept = db.execute("SELECT DISTINCT value FROM posting WHERE kind = ?", (int(Facet.KEPT),)).fetchall()
    db.execute("BEGIN IMMEDIATE")
    for table in ("posting", "part_address", "response"):
        db.execute(f"DELETE FROM {table}")
    db.executemany("INSERT INTO posting VALUES (?, ?, 0, 0)", [(int(Facet.KEPT), word) for (word,) in kept])
    db.execute("INSERT INTO word (word) VALUES ('delete-all')")
    db.execute("DELETE FROM wording")
    db.execute("INSERT INTO wording VALUES (1, 0, (SELECT coalesce(max(id), 0) FROM part))")
    db.execute("DELETE FROM addressing")
    db.execute("INSERT INTO addressing VALUES (1, (SELECT coalesce(max(id), 0) FROM part))")
    db.execute("UPDATE store SET indexed_link = 0")
    # Two parts of one content share an address: the older one's.
    db.executemany("INSERT OR IGNORE INTO part_address VALUES (?, ?)", _addresses(db, codec, key))
    db.executemany("INSERT OR IGNORE INTO response VALUES (?, ?)", _responses(db, codec, key))
    db.execute("COMMIT")


def _addresses(db: sqlite3.Connection, codec: Codec, key: bytes) -> Iterator[tuple[bytes, int]]:
    for part, blob in db.execute("SELECT id, data FROM part ORDER BY id"):
        try:
            yield digest.address(key, codec.unpack(blob, part_place(part))), part
        except Damaged:  # for `verify` to name
            continue


def _responses(db: sqlite3.Connection, codec: Codec, key: bytes) -> Iterator[tuple[bytes, int]]:
    for seq, blob in db.execute("SELECT seq, detail FROM finish ORDER BY seq"):
        try:
            id = read_detail(codec.unpack(blob, detail_place(seq))).response_id
        except Damaged:
            continue
        if id is not None:
            yield digest.response(key, id), seq
