"""Whether the store still says what was written: every hash computed again from the content that is there now.

The walk goes along the chain, beside it the file of heads, and stops at the first record that does not fit; behind
it come the tables that no hash covers because they follow from the rest (addresses, postings, what is under way).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.log import digest
from proxy.log.encode import Damaged
from proxy.log.fetch import RECORD, Fetch, read_record
from proxy.log.heads import FILE_NAME as HEADS_NAME
from proxy.log.heads import Head, HeadsChanged, HeadsReader
from proxy.log.index import found_words, postings, score_step
from proxy.log.query import LogReader
from proxy.log.rows import KIND_EXCHANGE, RECORD_VERSION


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing found that does not fit."""

    text: str
    id: str | None = None  # of the exchange, where it is one's
    link: int | None = None  # its place in the chain, from 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found. `head` is the last record's hash in hex. The last `unguarded` records are newer
    than the last head in the file of heads: if they were cut off, it would not show. None without such a file."""

    records: int
    under_way: int
    head: str
    unguarded: int | None
    fault: Fault | None


def verify(reader: LogReader) -> Verdict:
    """Walk the whole store. Raises sqlite3.Error or OSError where the files cannot be read at all."""
    db = reader.db
    heads = HeadsReader.open(reader.path)  # before the snapshot, which then holds every record they name
    db.execute("BEGIN")  # one snapshot, while a proxy may go on writing
    try:
        walk = _Walk(reader, heads)
        fault = next(walk.faults(), None)
        under_way = int(db.execute("SELECT count(*) FROM open").fetchone()[0])
        unguarded = None if heads is None else walk.records - walk.guarded
        return Verdict(walk.records, under_way, walk.head.hex(), unguarded, fault)
    finally:
        db.execute("COMMIT")
        if heads is not None:
            heads.close()


class _Walk:
    def __init__(self, reader: LogReader, heads: HeadsReader | None) -> None:
        self._db = reader.db
        self._fetch: Fetch = reader.fetch
        created_ms, self._key = self._db.execute("SELECT created_ms, key FROM store").fetchone()
        self.head = digest.genesis(self._key, created_ms)
        self.records = 0
        self._heads: Iterator[Head] = iter(()) if heads is None else heads.heads(self._key)
        self.guarded = 0  # up to this place of the chain a head vouches

    def faults(self) -> Iterator[Fault]:
        """Everything that does not fit, records first. After a record's fault the rest is no longer looked at."""
        try:
            bad_nodes = self._bad_nodes()
            for fault in self._chain(bad_nodes):
                yield fault
                return
            if bad_nodes:
                yield Fault(f"node {min(bad_nodes)} of a context window does not fit its content")
            yield from self._sequence()
            yield from self._addresses()
            yield from self._postings()
            yield from self._file()
        except (Damaged, HeadsChanged) as error:
            yield Fault(str(error))

    def _bad_nodes(self) -> set[int]:
        """Nodes whose digest does not follow from their part and their parent, and all that stand on such."""
        bad: set[int] = set()
        sql = (
            "SELECT n.id, n.parent, n.slot, n.part, n.digest, p.digest FROM node n "
            "LEFT JOIN node p ON p.id = n.parent ORDER BY n.id"
        )
        for node, parent, slot, part, own, before in self._db.execute(sql):
            above = digest.EMPTY_WINDOW if parent == 0 else before
            try:
                commitment = self._fetch.commitment(part)
                fits = (
                    above is not None
                    and commitment is not None
                    and 0 <= parent < node
                    and parent not in bad
                    and 0 <= slot < 1 << 16
                    and digest.window(above, slot, commitment) == own
                )
            except Damaged:
                fits = False
            if not fits:
                bad.add(node)
        return bad

    def _chain(self, bad_nodes: set[int]) -> Iterator[Fault]:
        rows = self._db.execute("SELECT link, kind, seq, hash FROM chain ORDER BY link")
        head = next(self._heads, None)
        for place, (link, kind, seq, stored) in enumerate(rows, 1):
            row = self._db.execute(f"{RECORD} WHERE e.seq = ?", (seq,)).fetchone()
            if link != place:
                yield Fault(f"record {place} of the chain is missing", link=place)
                return
            if kind != KIND_EXCHANGE or row is None or read_record(row)[1] is None:
                yield Fault(f"record {place} of the chain has no exchange", link=place)
                return
            begin, finish = read_record(row)
            assert finish is not None  # just asked
            try:
                begin_half = self._fetch.begin_digest(begin)
                end_half = self._fetch.finish_digest(begin, finish)
            except Damaged as error:
                yield Fault(f"its content cannot be read: {error}", begin.id, place)
                return
            own = digest.link(self.head, link, kind, begin_half, end_half)
            fits = (
                own == stored
                and finish.link == link
                and begin.version == RECORD_VERSION
                and not {begin.node, finish.sent_node} & bad_nodes
            )
            if not fits:
                yield Fault("its hash does not fit its content and the record before it", begin.id, place)
                return
            self.head = own
            self.records += 1
            while head is not None and head.link == link:
                if head.hash != own:
                    yield Fault(f"its hash is not the one in {HEADS_NAME}", begin.id, place)
                    return
                self.guarded = link
                head = next(self._heads, None)
        if head is not None:
            missing = f"records {self.records + 1} to {head.link} are missing from the end of the chain"
            yield Fault(f"{missing}: {HEADS_NAME} has their head", link=self.records + 1)

    def _sequence(self) -> Iterator[Fault]:
        """Begins are gapless, and each is either finished, once, or under way."""
        sql = (
            "SELECT e.seq, e.id, f.link, o.seq FROM exchange e LEFT JOIN finish f ON f.seq = e.seq "
            "LEFT JOIN open o ON o.seq = e.seq ORDER BY e.seq"
        )
        ends = 0
        last = 0
        for place, (seq, identity, link, under_way) in enumerate(self._db.execute(sql), 1):
            if seq != place:
                yield Fault(f"exchange number {place} is missing")
                return
            if (link is None) == (under_way is None):
                what = "neither finished nor under way" if link is None else "finished and under way at once"
                yield Fault(f"the exchange is {what}", str(identity))
                return
            ends += link is not None
            last = place
        for table, column in (("finish", "seq"), ("open", "seq")):
            stray = self._db.execute(
                f"SELECT {column} FROM {table} WHERE {column} NOT BETWEEN 1 AND ?", (last,)
            ).fetchone()
            if stray is not None:
                yield Fault(f"table {table} speaks of exchange number {stray[0]}, which is not there")
        if ends != self.records:
            yield Fault(f"{ends} exchanges are finished, but {self.records} are in the chain")

    def _addresses(self) -> Iterator[Fault]:
        """Each part is found by its content, and by nothing else."""
        sql = "SELECT a.address, a.part FROM part_address a"
        known: int = 0
        for stored, part in self._db.execute(sql):
            if digest.address(self._key, self._fetch.content(part)) != stored:
                yield Fault(f"part {part} is filed under another content's address")
                return
            known += 1
        parts = int(self._db.execute("SELECT count(*) FROM part").fetchone()[0])
        if parts != known:
            yield Fault(f"{parts - known} parts of content have no address")

    def _postings(self) -> Iterator[Fault]:
        """The search index holds what follows from the records that it covers, and nothing else."""
        upto = int(self._db.execute("SELECT indexed_link FROM store").fetchone()[0])
        if not 0 <= upto <= self.records:
            yield Fault("the search index claims records that are not there")
            return
        expected = 0
        asked = "SELECT 1 FROM posting WHERE kind = ? AND value = ? AND at = ? AND seq = ?"
        for row in self._db.execute(f"{RECORD} WHERE f.link <= ?", (upto,)):
            begin, finish = read_record(row)
            if finish is None:
                continue
            rules, scores = found_words(self._fetch, finish)
            numbers = {word: self._fetch.number(word) for word in (*rules, *scores)}
            if None in numbers.values():
                yield Fault("the search index lacks a rule or a label", begin.id, finish.link)
                return
            rule_numbers = {number for word in rules if (number := numbers[word]) is not None}
            steps = {
                number: score_step(score)
                for label, score in scores.items()
                if (number := numbers[label]) is not None
            }
            for kind, value in postings(begin, finish, rule_numbers, steps):
                expected += 1
                if self._db.execute(asked, (kind, value, begin.started_ms, begin.seq)).fetchone() is None:
                    yield Fault("the search index does not fit the record", begin.id, finish.link)
                    return
        there = int(self._db.execute("SELECT count(*) FROM posting").fetchone()[0])
        if there != expected:
            yield Fault(f"the search index holds {there} entries where {expected} follow from the records")

    def _file(self) -> Iterator[Fault]:
        if self._db.execute("SELECT count(*) FROM probe").fetchone()[0]:
            yield Fault("table probe is not empty")
        answer = str(self._db.execute("PRAGMA integrity_check(1)").fetchone()[0])
        if answer != "ok":
            yield Fault(f"the file itself is damaged: {answer}")
