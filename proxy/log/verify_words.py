"""The index of words held against the content: it says of each part the words that are in it, and nothing else.

The index lists parts by word, the content words by part, and neither fits into memory. So both are added up, as a
sum of hashes for each of a fixed number of groups of parts. Where a group's sums differ, the index is read once
more for that group alone, and the first part that differs is named.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from proxy.log.encode import Codec, Damaged, part_place
from proxy.log.verify_derived import Fault
from proxy.log.wording import exchange_of
from proxy.log.words import Words

GROUPS: Final = 65_536
"""Sums that are kept, and how many parts are read together for one that does not fit."""

_OPEN: Final = "CREATE VIRTUAL TABLE IF NOT EXISTS temp.word_entry USING fts5vocab(main, word, instance)"
# As bytes: in a damaged index a word need not be text.
_ENTRIES: Final = "SELECT CAST(term AS BLOB), doc FROM temp.word_entry"


def worded(db: sqlite3.Connection, key: bytes, codec: Codec) -> Iterator[Fault]:
    """What does not fit. `key` is the store's. Raises sqlite3.Error."""
    words = Words(key)
    try:
        row = db.execute("SELECT part FROM wording").fetchone()
        if row is None:
            yield Fault("the index of words does not say how far it goes", index=True)
            return
        db.execute(_OPEN)
        yield from _differing(db, words, codec, int(row[0]))
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        yield Fault(f"the index of words is damaged: {error}", index=True)


def _differing(db: sqlite3.Connection, words: Words, codec: Codec, upto: int) -> Iterator[Fault]:
    sums = [0] * GROUPS
    # A tuple's hash is of 64 bits, and that of bytes is keyed anew for each process.
    for term, part in db.execute(_ENTRIES):
        sums[part % GROUPS] ^= hash((term, part))
    for part, tokens in _contents(db, words, codec, upto):
        group = part % GROUPS
        for token in tokens:
            sums[group] ^= hash((token, part))
    bad = [group for group, left in enumerate(sums) if left]
    if bad:
        yield _named(db, words, codec, upto, bad[0])


def _named(db: sqlite3.Connection, words: Words, codec: Codec, upto: int, group: int) -> Fault:
    """The first part of a group that differs."""
    listed: dict[int, set[bytes]] = {}
    for term, part in db.execute(f"{_ENTRIES} WHERE (doc % {GROUPS} + {GROUPS}) % {GROUPS} = ?", (group,)):
        listed.setdefault(part, set()).add(term)
    for part, tokens in _contents(db, words, codec, upto, f"AND id % {GROUPS} = {group}"):
        there = listed.pop(part, set())
        if there != tokens:
            lacks, foreign = len(tokens - there), len(there - tokens)
            return Fault(
                f"the index of words lacks {lacks} words of part {part} of its content, and has {foreign} that "
                "are not in it",
                exchange_of(db, part),
                index=True,
            )
    return Fault(f"the index of words has words of part {min(listed)}, which is not there", index=True)


def _contents(
    db: sqlite3.Connection, words: Words, codec: Codec, upto: int, only: str = ""
) -> Iterator[tuple[int, set[bytes]]]:
    """Every part that the index covers, and what it must hold of it."""
    for part, blob in db.execute(f"SELECT id, data FROM part WHERE id <= ? {only} ORDER BY id", (upto,)):
        try:
            tokens = words.of_part(codec.unpack(blob, part_place(part)))
        except Damaged:  # the walk along the chain names it where a record is about it
            tokens = ""
        yield part, set(tokens.encode().split())
