"""What no hash covers because it follows from the records: addresses, postings, and the file's own order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from proxy.log import digest
from proxy.log.fetch import RECORD, Fetch, read_record
from proxy.log.index import Facet, found_words, kept_words, postings, score_step
from proxy.log.prepare import read_detail


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing found that does not fit. With `index` the records themselves fit: what is wrong is an index,
    which follows from them and can be made anew."""

    text: str
    id: str | None = None  # of the exchange, where it is one's
    link: int | None = None  # its place in the chain, from 1
    index: bool = False


def derived(db: sqlite3.Connection, fetch: Fetch, key: bytes, links: int) -> Iterator[Fault]:
    """Everything that does not fit. `links` is the length of the chain. Raises Damaged."""
    yield from _addresses(db, fetch, key)
    yield from _postings(db, fetch, links)
    yield from _responses(db, fetch, key)
    yield from _file(db)


def _addresses(db: sqlite3.Connection, fetch: Fetch, key: bytes) -> Iterator[Fault]:
    """Each part is found by its content, and by nothing else."""
    sql = "SELECT a.address, a.part, p.id FROM part_address a LEFT JOIN part p ON p.id = a.part"
    row = db.execute("SELECT part FROM addressing").fetchone()
    if row is None:
        yield Fault("the index of content does not say how far it goes", index=True)
        return
    upto, known = int(row[0]), 0  # addresses of the newest parts may be still to come
    for stored, part, there in db.execute(sql):
        if there is None or digest.address(key, fetch.content(part)) != stored:
            yield Fault(f"part {part} is filed under another content's address", index=True)
            return
        known += 1
    parts = int(db.execute("SELECT count(*) FROM part WHERE id <= ?", (upto,)).fetchone()[0])
    # Two parts of one content share its address, after the first one's was lost and made anew.
    if parts != known and (lost := sum(1 for _ in _unfiled(db, fetch, key, upto))):
        yield Fault(f"{lost} parts of content have no address", index=True)


def _unfiled(db: sqlite3.Connection, fetch: Fetch, key: bytes, upto: int) -> Iterator[int]:
    unfiled = "SELECT id FROM part WHERE id <= ? AND id NOT IN (SELECT part FROM part_address)"
    for (part,) in db.execute(unfiled, (upto,)):
        sql = "SELECT 1 FROM part_address WHERE address = ?"
        if db.execute(sql, (digest.address(key, fetch.content(part)),)).fetchone() is None:
            yield part


def _postings(db: sqlite3.Connection, fetch: Fetch, links: int) -> Iterator[Fault]:
    """The search index holds what follows from the records that it covers, and nothing else."""
    upto = int(db.execute("SELECT indexed_link FROM store").fetchone()[0])
    if not 0 <= upto <= links:
        yield Fault("the search index claims records that are not there", index=True)
        return
    expected = 0
    kept: set[int] = set()
    asked = "SELECT 1 FROM posting WHERE kind = ? AND value = ? AND at = ? AND seq = ?"
    for row in db.execute(f"{RECORD} WHERE f.link <= ?", (upto,)):
        begin, finish = read_record(row)
        if finish is None:
            continue
        rules, scores = found_words(fetch, finish)
        scores = {label: score for label, score in scores.items() if score_step(score)}
        numbers = {word: fetch.number(word) for word in (*rules, *scores)}
        if None in numbers.values():
            yield Fault("the search index lacks a rule or a label", begin.id, finish.link, index=True)
            return
        rule_numbers = {number for word in rules if (number := numbers[word]) is not None}
        steps = {
            number: score_step(score)
            for label, score in scores.items()
            if (number := numbers[label]) is not None
        }
        kept |= kept_words(begin, finish)
        for kind, value in postings(begin, finish, rule_numbers, steps):
            expected += 1
            if db.execute(asked, (kind, value, begin.started_ms, begin.seq)).fetchone() is None:
                yield Fault("the search index does not fit the record", begin.id, finish.link, index=True)
                return
    if not all(db.execute(asked, (int(Facet.KEPT), word, 0, 0)).fetchone() for word in kept):
        yield Fault("the search index lacks a word that is never removed", index=True)
    # Such words stay when the last record that has one is gone.
    sql = f"SELECT count(*) FROM posting WHERE kind != {int(Facet.KEPT)}"
    there = int(db.execute(sql).fetchone()[0])
    if there != expected:
        yield Fault(
            f"the search index holds {there} entries where {expected} follow from the records", index=True
        )


def _responses(db: sqlite3.Connection, fetch: Fetch, key: bytes) -> Iterator[Fault]:
    """Each reply's id leads to the exchanges about it, and to nothing else. Raises Damaged."""
    named = 0
    for row in db.execute(f"{RECORD} WHERE f.seq IN (SELECT seq FROM response)"):
        begin, finish = read_record(row)
        assert finish is not None, "the query asks for finished ones"
        id = read_detail(fetch.detail(finish)).response_id
        asked = "SELECT 1 FROM response WHERE address = ? AND seq = ?"
        if id is None or db.execute(asked, (digest.response(key, id), begin.seq)).fetchone() is None:
            yield Fault("another reply's id leads to the record", begin.id, finish.link, index=True)
            return
        named += 1
    if named != int(db.execute("SELECT count(*) FROM response").fetchone()[0]):
        yield Fault("a reply's id leads to records that are not there, or not its own", index=True)


def unlisted(db: sqlite3.Connection, fetch: Fetch, key: bytes) -> Iterator[Fault]:
    """Records whose reply's id does not lead to them. Raises Damaged."""
    asked = "SELECT 1 FROM response WHERE address = ? AND seq = ?"
    for row in db.execute(f"{RECORD} WHERE f.seq IS NOT NULL"):
        begin, finish = read_record(row)
        id = None if finish is None else read_detail(fetch.detail(finish)).response_id
        if id is not None and db.execute(asked, (digest.response(key, id), begin.seq)).fetchone() is None:
            yield Fault("the record is not found by its reply's id", begin.id, index=True)


def _file(db: sqlite3.Connection) -> Iterator[Fault]:
    if db.execute("SELECT count(*) FROM probe").fetchone()[0]:
        yield Fault("table probe is not empty")
    answer = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if answer != "ok":
        yield Fault(f"the file itself is damaged: {answer}")
