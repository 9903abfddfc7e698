"""The search: newest first, by postings where there are any, row by row where there are none yet.

A condition with a posting narrows the search to the exchanges that carry it; the rarest one leads. Every hit is
then held against all conditions, so the postings decide only what is read, never what is found. One page reads
a bounded number of rows; where that ends a search early, the page is short and `next` goes on from there.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from proxy import jsonio
from proxy.log import record_json
from proxy.log.encode import encode_name
from proxy.log.fetch import COLUMNS, RECORD, Fetch, read_record
from proxy.log.filters import Filters
from proxy.log.index import UNPOSTED, Facet
from proxy.log.port import PAGE_MAX, Page, Search
from proxy.log.rows import BeginRow, FinishRow
from proxy.log.schema import open_for_reading
from proxy.log.seal import StoreUnusable, open_key
from proxy.log.wording import Place, places
from proxy.log.words import Words
from proxy.model.record import Json
from proxy.model.secret import Secrets

ROWS_MAX: Final = 10_000
"""Rows that one page holds against the conditions."""
FINDING_ROWS_MAX: Final = 2_500
"""The same for a search by rule or score, which reads what was found."""
WORD_ROWS_MAX: Final = 1_000
"""The same for a search for words, which reads the content."""
WHOLE_BYTES_MAX: Final = 16 * 1024 * 1024
"""A page of whole records ends with the one that brings it to so many bytes."""
_RARE_MAX: Final = 10_000
"""Postings are counted no further than this to find the rarest condition."""
_NEWEST: Final = (1 << 62, 1 << 62)


@dataclass(frozen=True, slots=True)
class Posting:
    """A condition that postings can lead: exchanges of this kind and value."""

    kind: int
    value: int


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole record, and its JSON text as it is exported."""

    record: Mapping[str, Json]
    text: bytes


@dataclass(frozen=True, slots=True)
class WholePage:
    """Some whole records, and where to go on from; None where those were the last."""

    records: tuple[Whole, ...]
    next: str | None


class LogReader:
    """Reads the store at a path through a connection of its own. Not for two threads at once.

    Raises StoreUnusable on opening; its methods raise Damaged where stored content does not read back, and
    StoreUnusable where the file does not.
    """

    def __init__(self, path: Path, secrets: Secrets | None = None) -> None:
        self._path = path
        self._db = open_for_reading(path)
        try:
            opened = open_key(self._db, path, secrets, writes=False)
        except BaseException:
            self._db.close()
            raise
        self.key = opened.key  # the store's own
        self.codec = opened.codec()
        self._fetch = Fetch(self._db, self.codec)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if isinstance(error, sqlite3.Error):
            raise StoreUnusable(f"{self._path}: {error}") from error

    def close(self) -> None:
        self._db.close()

    @property
    def path(self) -> Path:
        """The store's file."""
        return self._path

    @property
    def db(self) -> sqlite3.Connection:
        """The connection, for `verify` and `stats`."""
        return self._db

    @property
    def fetch(self) -> Fetch:
        """What reads rows and content, for `verify`."""
        return self._fetch

    def show(self, identity: str) -> dict[str, Json] | None:
        """The whole record of an exchange, None for an unknown id."""
        row = self._db.execute(f"{RECORD} WHERE e.id = ?", (encode_name(identity),)).fetchone()
        return None if row is None else record_json.full(self._db, self._fetch, self.key, *read_record(row))

    def nearest(self, identity: str) -> str | None:
        """The id most like an unknown one: one that begins alike, else the next in time."""
        sql = "SELECT id FROM exchange WHERE id >= ? ORDER BY id LIMIT 1"
        after = self._db.execute(sql, (encode_name(identity),)).fetchone()
        if after is None:
            after = self._db.execute("SELECT id FROM exchange ORDER BY id DESC LIMIT 1").fetchone()
        return None if after is None else str(after[0])

    def search(self, search: Search) -> Page:
        """One page. Raises ValueError for a condition that makes no sense."""
        if not 1 <= search.limit <= PAGE_MAX:
            raise ValueError(f"limit must be from 1 to {PAGE_MAX}")
        filters = Filters(search, self._fetch)
        found_read = search.rule is not None or bool(search.scores or search.max_scores)
        rows_max = WORD_ROWS_MAX if search.q else FINDING_ROWS_MAX if found_read else ROWS_MAX
        found: list[Mapping[str, Json]] = []
        last: Place | None = None
        # One snapshot for the whole page: what is indexed meanwhile must not slip between two questions.
        self._db.execute("BEGIN")
        try:
            for read, (place, begin, finish) in enumerate(self._candidates(search, filters), 1):
                last = place
                if filters.hold(begin, finish):
                    found.append(record_json.summary(self._fetch, begin, finish))
                if len(found) >= search.limit or read >= rows_max:
                    break
            else:
                last = None
        finally:
            self._db.execute("COMMIT")
        return Page(tuple(found), None if last is None else _cursor(last))

    def records(self, search: Search) -> Iterator[Mapping[str, Json]]:
        """Every whole record that the search finds, newest first, reading page by page."""
        for page in self.whole_pages(search):
            for whole in page.records:
                yield whole.record

    def whole_pages(self, search: Search) -> Iterator[WholePage]:
        """The same in pages, which end where they hold as many bytes as a page may; each says where to go on from.
        Raises ValueError for a condition that makes no sense."""
        cursor = search.cursor
        while True:
            page = self.search(replace(search, cursor=cursor))
            records: list[Whole] = []
            left = WHOLE_BYTES_MAX
            for hit in page.exchanges:
                row = self._db.execute(f"{RECORD} WHERE e.id = ?", (hit["id"],)).fetchone()
                if row is None:
                    continue  # removed meanwhile
                begin, finish = read_record(row)
                record = record_json.full(self._db, self._fetch, self.key, begin, finish)
                text = jsonio.dumps(record)
                records.append(Whole(record, text))
                left -= len(text)
                if left <= 0:
                    yield WholePage(tuple(records), _cursor((begin.started_ms, begin.seq)))
                    records, left = [], WHOLE_BYTES_MAX
            yield WholePage(tuple(records), page.next)
            cursor = page.next
            if cursor is None:
                return

    def _candidates(
        self, search: Search, filters: Filters
    ) -> Iterator[tuple[Place, BeginRow, FinishRow | None]]:
        """Every exchange that may match, newest first."""
        upper = _NEWEST if search.cursor is None else _read_cursor(search.cursor)
        if search.until is not None:
            upper = min(upper, (round(search.until * 1000), 0))
        lower = -1 if search.since is None else round(search.since * 1000)
        led, count = self._led(filters)
        if led is None:
            indexed: Iterator[tuple[Place, BeginRow, FinishRow | None]] = iter(())
        elif (found := self._worded(filters, upper, lower)) is not None and len(found) < count:
            indexed = self._at(found)
        else:
            indexed = self._posted(led, upper, lower)
        return heapq.merge(indexed, self._unposted(upper, lower), key=lambda found: found[0], reverse=True)

    def _posted(
        self, led: Posting, upper: Place, lower: int
    ) -> Iterator[tuple[Place, BeginRow, FinishRow | None]]:
        # CROSS JOIN: the posting decides the order of reading, whatever the planner would think.
        sql = (
            f"SELECT {COLUMNS} FROM posting p CROSS JOIN exchange e ON e.seq = p.seq "
            "LEFT JOIN finish f ON f.seq = e.seq WHERE p.kind = ? AND p.value = ? AND p.at >= ? "
            "AND (p.at, p.seq) < (?, ?) ORDER BY p.at DESC, p.seq DESC"
        )
        for row in self._db.execute(sql, (led.kind, led.value, lower, *upper)):
            begin, finish = read_record(row)
            yield (begin.started_ms, begin.seq), begin, finish

    def _unposted(self, upper: Place, lower: int) -> Iterator[tuple[Place, BeginRow, FinishRow | None]]:
        sql = (
            f"{RECORD} WHERE e.seq IN ({UNPOSTED}) AND e.started_ms >= ? AND (e.started_ms, e.seq) < (?, ?) "
            "ORDER BY e.started_ms DESC, e.seq DESC"
        )
        for row in self._db.execute(sql, (lower, *upper)):
            begin, finish = read_record(row)
            yield (begin.started_ms, begin.seq), begin, finish

    def _worded(self, filters: Filters, upper: Place, lower: int) -> list[Place] | None:
        if not filters.words:
            return None
        return places(self._db, Words(self.key), filters.words, upper, lower)

    def _at(self, found: Sequence[Place]) -> Iterator[tuple[Place, BeginRow, FinishRow | None]]:
        for place in found:
            row = self._db.execute(f"{RECORD} WHERE e.seq = ?", (place[1],)).fetchone()
            if row is not None:
                yield (place, *read_record(row))

    def _led(self, filters: Filters) -> tuple[Posting | None, int]:
        """The rarest condition that has postings, and how many or so; None where one asks for what no indexed
        record carries."""
        best, fewest = Posting(Facet.ALL, 0), _RARE_MAX + 1
        for kind, word in filters.posted():
            value = word if isinstance(word, int) else self._fetch.number(word)
            if value is None:
                return None, 0
            sql = "SELECT count(*) FROM (SELECT 1 FROM posting WHERE kind = ? AND value = ? LIMIT ?)"
            count = self._db.execute(sql, (kind, value, _RARE_MAX)).fetchone()[0]
            if count < fewest:
                best, fewest = Posting(kind, value), count
        return best, fewest


def _cursor(place: Place) -> str:
    return f"{place[0]:x}-{place[1]:x}"


def _read_cursor(cursor: str) -> Place:
    at, dash, seq = cursor.partition("-")
    try:
        if dash:
            return int(at, 16), int(seq, 16)
    except ValueError:
        pass
    raise ValueError("this cursor is of no search: give `next` of the page before, as it is")
