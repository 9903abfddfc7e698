"""The index of words: which parts hold a word, and which exchanges those parts belong to.

An FTS5 table without content of its own, over tokens from `words`. It is filled in behind the records, before their
postings; so whatever has a posting has its words in the index. Like postings it decides only what is read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeAlias

from proxy.log.encode import Codec, Damaged, part_place
from proxy.log.index import Facet
from proxy.log.intern import insert
from proxy.log.recent import Recent
from proxy.log.words import Sought, Words

PARTS_STEP: Final = 512
PARTS_STEP_BYTES: Final = 2 * 1024 * 1024
"""Content that one step puts into the index; a part that is larger is a step of its own."""
PARTS_MAX: Final = 1_000
"""A word in more parts than this is common: a search for it reads the newest exchanges instead."""
PLACES_MAX: Final = 10_000
"""The same for a word whose parts belong to more exchanges, or more steps of windows, than this."""
MERGE_PAGES: Final = 64
"""Pages of the index that one step of writing it anew goes through."""

Place: TypeAlias = tuple[int, int]
"""Where an exchange stands in the order of a search: started_ms and seq."""


def word_some(db: sqlite3.Connection, words: Words, codec: Codec, recent: Recent) -> bool:
    """Put the words of the next parts into the index, within the caller's transaction; returns whether those were
    all. Raises sqlite3.Error."""
    row = db.execute("SELECT part FROM wording").fetchone()
    if row is None:  # for `verify` to name
        return True
    upto = row[0]
    new = recent.parts_after(upto)
    rows: list[tuple[int, str]] = []
    size = last = seen = 0
    for part, content in islice(_stored(db, codec, upto) if new is None else new, PARTS_STEP):
        last, seen = part, seen + 1
        tokens = _tokens(words, content)
        if tokens:
            rows.append((part, tokens))
        size += len(content)
        if size >= PARTS_STEP_BYTES:
            break
    if not seen:
        return True
    insert(db, "word (rowid, tokens)", rows)
    db.execute("UPDATE wording SET part = ?", (last,))
    return seen < PARTS_STEP and size < PARTS_STEP_BYTES


def _stored(db: sqlite3.Connection, codec: Codec, after: int) -> Iterator[tuple[int, bytes]]:
    """Parts and their contents, from the store."""
    sql = "SELECT id, data FROM part WHERE id > ? ORDER BY id LIMIT ?"
    for part, blob in db.execute(sql, (after, PARTS_STEP)):
        yield part, _content(codec, part, blob)


def unword(db: sqlite3.Connection, words: Words, part: int, content: bytes) -> None:
    """Take a part's words out of the index, within the caller's transaction. Raises sqlite3.Error."""
    tokens = _tokens(words, content)
    if tokens and part <= db.execute("SELECT part FROM wording").fetchone()[0]:
        db.execute("INSERT INTO word (word, rowid, tokens) VALUES ('delete', ?, ?)", (part, tokens))


def merge_words(db: sqlite3.Connection, *, begin: bool) -> bool:
    """A step of writing the index anew, without what was taken out of it; whether there is more to do."""
    before = db.total_changes
    pages = -MERGE_PAGES if begin else MERGE_PAGES
    db.execute("INSERT INTO word (word, rank) VALUES ('merge', ?)", (pages,))
    return db.total_changes - before >= 2


def places(
    db: sqlite3.Connection, words: Words, sought: Sequence[Sought], upper: Place, lower: int
) -> list[Place] | None:
    """Every exchange with postings that may hold the rarest of the words, newest first; None where each is common,
    or the index cannot tell."""
    if db.execute("SELECT part < due FROM wording").fetchone()[0]:
        return None  # an upgraded store, and not come so far yet
    rarest: list[int] | None = None
    for word in sought:
        query = words.asked(word)
        if query is None:
            continue
        sql = "SELECT rowid FROM word WHERE word MATCH ? LIMIT ?"
        parts = [row[0] for row in db.execute(sql, (query, PARTS_MAX + 1))]
        if len(parts) <= PARTS_MAX and (rarest is None or len(parts) < len(rarest)):
            rarest = parts
    return None if rarest is None else _places(db, rarest, upper, lower)


def _places(db: sqlite3.Connection, parts: Iterable[int], upper: Place, lower: int) -> list[Place] | None:
    """The exchanges that refer to these parts, themselves or by their windows."""
    found: set[Place] = set()
    todo: list[int] = []
    left = PLACES_MAX
    asked = (
        "SELECT at, seq FROM posting WHERE kind = ? AND value = ? AND at >= ? AND (at, seq) < (?, ?) LIMIT ?"
    )
    for part in parts:
        found.update(db.execute(asked, (int(Facet.PART), part, lower, *upper, PLACES_MAX)).fetchall())
        todo.extend(
            row[0] for row in db.execute("SELECT id FROM node WHERE part = ? LIMIT ?", (part, left + 1))
        )
    while todo:
        left -= 1
        if left < 0 or len(found) > PLACES_MAX or len(todo) > PLACES_MAX:
            return None
        node = todo.pop()
        found.update(db.execute(asked, (int(Facet.NODE), node, lower, *upper, PLACES_MAX)).fetchall())
        todo.extend(
            row[0] for row in db.execute("SELECT id FROM node WHERE parent = ? LIMIT ?", (node, left + 1))
        )
    return sorted(found, reverse=True)


def exchange_of(db: sqlite3.Connection, part: int) -> str | None:
    """The id of the oldest exchange that holds a part of content; None where there is none, or too many do."""
    found = _places(db, [part], (1 << 62, 1 << 62), -1)
    row = db.execute("SELECT id FROM exchange WHERE seq = ?", (found[-1][1],)).fetchone() if found else None
    return None if row is None else str(row[0])


def _content(codec: Codec, part: int, blob: bytes) -> bytes:
    try:
        return codec.unpack(blob, part_place(part))
    except Damaged:  # for `verify` to name
        return b""


def _tokens(words: Words, content: bytes) -> str:
    try:
        return words.of_part(content)
    except Damaged:
        return ""
