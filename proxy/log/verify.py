"""Whether the store still says what was written: every hash computed again from the content that is there now.

The walk goes along the chain, beside it the file of heads, and stops at the first record that does not fit; behind
it come the tables that no hash covers because they follow from the rest (addresses, postings, what is under way).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from proxy.log import digest
from proxy.log.encode import Damaged, decode, removal_place
from proxy.log.fetch import RECORD, Fetch, read_record
from proxy.log.heads import FILE_NAME as HEADS_NAME
from proxy.log.heads import Head, HeadsChanged, HeadsReader
from proxy.log.query import LogReader
from proxy.log.rows import KIND_EXCHANGE, KIND_REMOVAL, RECORD_VERSION, BeginRow, FinishRow
from proxy.log.verify_derived import Fault, derived, unlisted
from proxy.log.verify_words import worded
from proxy.model.record import Json


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found. `head` is the last record's hash in hex. The last `unguarded` records are newer
    than the last head in the file of heads: if they were cut off, it would not show. None without such a file.
    `removed` exchanges went by retention or erasure, and the chain has the record of it."""

    records: int
    removed: int
    under_way: int
    head: str
    unguarded: int | None
    fault: Fault | None


def verify(reader: LogReader, *, index: bool = False) -> Verdict:
    """Walk the whole store; with `index` hold the index of words against the content too. Raises sqlite3.Error or
    OSError where the files cannot be read at all."""
    db = reader.db
    heads = HeadsReader.open(reader.path)  # before the snapshot, which then holds every record they name
    db.execute("BEGIN")  # one snapshot, while a proxy may go on writing
    try:
        walk = _Walk(reader, heads)
        fault = next(walk.faults(), None)
        if fault is None and index:
            rest = chain(unlisted(db, reader.fetch, reader.key), worded(db, reader.key, reader.codec))
            fault = next(rest, None)
        under_way = int(db.execute("SELECT count(*) FROM open").fetchone()[0])
        unguarded = None if heads is None else walk.place - walk.guarded
        return Verdict(walk.records, walk.removed, under_way, walk.head.hex(), unguarded, fault)
    finally:
        db.execute("COMMIT")
        if heads is not None:
            heads.close()


class _Walk:
    def __init__(self, reader: LogReader, heads: HeadsReader | None) -> None:
        self._db = reader.db
        self._fetch: Fetch = reader.fetch
        (created_ms,) = self._db.execute("SELECT created_ms FROM store").fetchone()
        self._key = reader.key
        self.head = digest.genesis(self._key, created_ms)
        self.records = 0
        self.removed = 0
        self.place = 0  # in the chain, up to which it fits
        self._runs: dict[int, digest.Runs] = {}  # of removals that come later in the chain
        self._seqs: dict[int, Json] = {}  # what removals say of exchanges
        self._last_seq = 0
        self._read = dict.fromkeys(("removal", "removed_link", "removed_seq"), 0)
        self._next_head: Head | None = None
        self._codec = reader.codec
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
            yield from derived(self._db, self._fetch, self._key, self.place)
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
        self._next_head = next(self._heads, None)
        for link, kind, seq, stored in self._db.execute(
            "SELECT link, kind, seq, hash FROM chain ORDER BY link"
        ):
            if not self._skip_removed(link):
                yield Fault(f"record {self.place + 1} of the chain is missing", link=self.place + 1)
                return
            begin: BeginRow | None = None
            finish: FinishRow | None = None
            if kind != KIND_REMOVAL:
                row = self._db.execute(f"{RECORD} WHERE e.seq = ?", (seq,)).fetchone()
                begin, finish = (None, None) if row is None else read_record(row)
                if kind != KIND_EXCHANGE or begin is None or finish is None:
                    yield Fault(f"record {link} of the chain has no exchange", link=link)
                    return
            elif seq is not None:
                yield Fault("it is a removal, and names an exchange", link=link)
                return
            who = None if begin is None else begin.id
            try:
                halves = (
                    self._removal(link) if begin is None or finish is None else self._halves(begin, finish)
                )
            except Damaged as error:
                yield Fault(f"its content cannot be read: {error}", who, link)
                return
            own = digest.link(self.head, link, kind, *halves)
            if own != stored or not self._fits(link, begin, finish, bad_nodes):
                yield Fault("its hash does not fit its content and the record before it", who, link)
                return
            self.head, self.place = own, link
            self.records += begin is not None
            if not self._heads_fit(own):
                yield Fault(f"its hash is not the one in {HEADS_NAME}", who, link)
                return
        if self._runs:
            yield Fault("records are gone by a removal that is not in the chain", link=min(self._runs))
            return
        if self._next_head is not None:
            missing = (
                f"records {self.place + 1} to {self._next_head.link} are missing from the end of the chain"
            )
            yield Fault(f"{missing}: {HEADS_NAME} has their head", link=self.place + 1)

    def _halves(self, begin: BeginRow, finish: FinishRow) -> tuple[bytes, bytes]:
        return self._fetch.begin_digest(begin), self._fetch.finish_digest(begin, finish)

    def _fits(self, link: int, begin: BeginRow | None, finish: FinishRow | None, bad_nodes: set[int]) -> bool:
        """What of an exchange's rows the hash does not cover."""
        if begin is None or finish is None:
            return True
        return (
            finish.link == link
            and begin.version == RECORD_VERSION
            and not {begin.node, finish.sent_node} & bad_nodes
        )

    def _skip_removed(self, link: int) -> bool:
        """Go over places that removals emptied, up to the one before `link`; False where one is just missing."""
        while self.place + 1 < link:
            sql = "SELECT last, hash, removal FROM removed_link WHERE first = ?"
            row = self._db.execute(sql, (self.place + 1,)).fetchone()
            if row is None or not self.place < row[0] < link:
                return False
            last, hash_, removal = row
            self._read["removed_link"] += 1
            self._runs.setdefault(removal, digest.Runs()).add(self.place + 1, last, hash_)
            self.head, self.place = hash_, last
            if not self._heads_fit(hash_):
                return False
        return True

    def _heads_fit(self, own: bytes) -> bool:
        """Hold the heads up to this place against it; one of a place within a removed run has nothing to fit."""
        while self._next_head is not None and self._next_head.link <= self.place:
            if self._next_head.link == self.place and self._next_head.hash != own:
                return False
            self.guarded = self._next_head.link
            self._next_head = next(self._heads, None)
        return True

    def _removal(self, link: int) -> tuple[bytes, bytes]:
        """The halves of a removal's hash, once the runs of places that it emptied fit what it says of them."""
        sql = "SELECT at_ms, last_seq, detail FROM removal WHERE link = ?"
        row = self._db.execute(sql, (link,)).fetchone()
        if row is None:
            raise Damaged("the removal is missing")
        at_ms, last_seq, blob = row
        content = self._codec.unpack(blob, removal_place(link))
        detail = decode(content)
        if not isinstance(detail, dict) or self._runs.pop(link, digest.Runs()).hex() != detail.get("links"):
            raise Damaged("the places that it emptied are not those that are empty")
        self._read["removal"] += 1
        self._seqs[link] = detail.get("seqs")
        self._last_seq = last_seq
        return digest.removal(at_ms, last_seq, content), digest.EMPTY_WINDOW

    def _sequence(self) -> Iterator[Fault]:
        """Begins are gapless but for what was removed, and each is either finished, once, or under way."""
        sql = (
            "SELECT e.seq, e.id, f.link, o.seq FROM exchange e LEFT JOIN finish f ON f.seq = e.seq "
            "LEFT JOIN open o ON o.seq = e.seq ORDER BY e.seq"
        )
        ends = place = 0
        gone: dict[int, digest.Runs] = {}
        for seq, identity, link, under_way in self._db.execute(sql):
            if seq != place + 1:
                place = self._removed_seqs(place, gone)
            if seq != place + 1:
                yield Fault(f"exchange number {place + 1} is missing")
                return
            if (link is None) == (under_way is None):
                what = "neither finished nor under way" if link is None else "finished and under way at once"
                yield Fault(f"the exchange is {what}", str(identity))
                return
            ends += link is not None
            place = seq
        if self._removed_seqs(place, gone) < self._last_seq:
            yield Fault(f"exchange number {self._last_seq} is missing")
        for link, said in self._seqs.items():
            if gone.pop(link, digest.Runs()).hex() != said:
                yield Fault("the exchanges that it removed are not those that are gone", link=link)
        for table, rows in self._read.items():
            if gone or self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] != rows:
                yield Fault(f"table {table} speaks of what no removal in the chain took out")
        for table in ("finish", "open"):
            sql = f"SELECT t.seq FROM {table} t LEFT JOIN exchange e ON e.seq = t.seq WHERE e.seq IS NULL LIMIT 1"
            stray = self._db.execute(sql).fetchone()
            if stray is not None:
                yield Fault(f"table {table} speaks of exchange number {stray[0]}, which is not there")
        if ends != self.records:
            yield Fault(f"{ends} exchanges are finished, but {self.records} are in the chain")

    def _removed_seqs(self, place: int, gone: dict[int, digest.Runs]) -> int:
        """The last of the exchanges' numbers behind `place` that removals took without a gap."""
        while True:
            sql = "SELECT last, removal FROM removed_seq WHERE first = ?"
            row = self._db.execute(sql, (place + 1,)).fetchone()
            if row is None or row[0] <= place:
                return place
            last, removal = row
            self._read["removed_seq"] += 1
            gone.setdefault(removal, digest.Runs()).add(place + 1, last)
            self.removed += last - place
            place = last
