"""The store as its one writer holds it: records in, rows out, many records to a transaction.

After any error the connection and everything remembered are dropped; opening again reads them from the file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from proxy.log.encode import Codec
from proxy.log.enter import enter
from proxy.log.heads import HEAD_RECORDS, HEAD_S, Head, append_head, heads_path, last_head
from proxy.log.index import index_some
from proxy.log.intern import slices
from proxy.log.keep import Keep, Step, compact, upkeep
from proxy.log.prepare import Entry, Prepared, PreparedBegin, Revocable, prepare
from proxy.log.reindex import clear
from proxy.log.schema import open_for_writing, take_lock
from proxy.log.seal import open_key
from proxy.log.session import Session, cut_off, present, recall
from proxy.log.wording import PARTS_STEP, word_some
from proxy.model.secret import Secrets

BUSY_MS: Final = 250
"""How long a write waits for another connection's lock before it counts as failed."""
ENDED_ALREADY: Final = "the exchange has its end on the log already"
"""Why a second end is not written: it came too late to revoke the first."""
OPEN_MAX: Final = 100_000
"""Exchanges under way; one more is not begun."""


class Store:
    """One file, one writer; not for two threads at once. Unless said otherwise, methods raise sqlite3.Error
    and OSError for what may pass by itself, and StoreUnusable for what will not; call `close` after either."""

    def __init__(
        self, path: Path, now: Callable[[], float], keep: Keep | None = None, secrets: Secrets | None = None
    ) -> None:
        self._path = path
        self._now = now
        self._keep = keep or Keep()
        self._secrets = secrets
        self._codec = Codec()
        self._session: Session | None = None
        self._lock: int | None = None
        self._spare: sqlite3.Connection | None = None
        self._was_open = False
        self._last_head: Head | None = None
        self._head_known = False

    def open(self) -> None:
        """Open the file and read where it stands. The first time, what was never finished becomes
        `interrupted`."""
        if self._lock is None:
            self._lock = take_lock(self._path)
        db, self._spare = self._spare, None
        if db is None:
            db = open_for_writing(self._path, int(self._now() * 1000), secrets=self._secrets, busy_ms=BUSY_MS)
        try:
            db.execute("PRAGMA synchronous = FULL")
            key = open_key(db, self._path, self._secrets, writes=True)
            self._codec = key.codec()
            session = self._session = recall(db, self._path, self._codec, key.key)
            if not self._was_open:
                with suppress(OSError):  # `put_head` tries again, and tells
                    self._learn_head()
                for some in slices(cut_off(session, self._codec, self._now())):
                    self.write(some)
        except BaseException:
            self._session = None
            db.close()
            raise
        self._was_open = True

    def close(self) -> None:
        """Let go of the file; whatever was not committed is gone. Raises nothing."""
        session, self._session = self._session, None
        if session is not None:
            session.db.close()
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    def give_up(self) -> None:
        """After an error that may pass: forget what was not committed, but hold on to the file, since a full
        disk has no room to open it again, for readers either. Raises nothing."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            if session.db.in_transaction:
                session.db.execute("ROLLBACK")
        except sqlite3.Error:
            session.db.close()
            return
        self._spare = session.db

    def release(self) -> None:
        """Close, and let another process write the store. Raises nothing."""
        self.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        """Commit these records in one transaction, but for those that are revoked by then; returns, by place, why
        one could not be written.

        With `again` some may be in the store already: those count as written.
        """
        session = self._connected()
        refused: dict[int, str] = {}
        prepared: list[tuple[int, Prepared]] = []
        for place, entry in enumerate(entries):
            try:
                prepared.append((place, prepare(entry.end if isinstance(entry, Revocable) else entry)))
            except Exception as error:  # noqa: BLE001  # the declared boundary: one bad value must not cost the batch
                refused[place] = f"it cannot be written: {type(error).__name__}"  # whose text may quote it
        session.db.execute("BEGIN IMMEDIATE")
        there = present(session.db, [ready for _, ready in prepared]) if again else frozenset()
        admitted: dict[int, Prepared] = {}
        batch = _Batch(session)
        for place, ready in prepared:
            entry = entries[place]
            if isinstance(entry, Revocable) and entry.revoked:
                continue
            begins = isinstance(ready, PreparedBegin)
            if there and ("begin" if begins else "finish", ready.id) in there:
                continue
            why = batch.begin(ready.id) if begins else batch.finish(ready)
            if why is None:
                admitted[place] = ready
            else:
                refused[place] = why
        enter(session, self._codec, list(admitted.values()))
        session.db.execute("COMMIT")
        return refused

    def index(self, records_max: int) -> bool:
        """Fill in addresses of parts, their words, and then the postings of that many finished records; returns
        whether there may be more to do."""
        session = self._connected()
        db = session.db
        # Derived rows need no flush to the disk of their own: cut off by a crash, they are made again.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("BEGIN IMMEDIATE")
        addressed = session.intern.put_addresses(PARTS_STEP)
        all_worded = word_some(db, session.words, self._codec, session.intern.recent)
        posted = index_some(db, session.intern, self._codec, records_max) if all_worded else 0
        db.execute("COMMIT")
        db.execute("PRAGMA synchronous = FULL")
        return addressed == PARTS_STEP or not all_worded or posted == records_max

    def upkeep(self) -> Step:
        """One bounded step of what was asked to be removed, by erasures and by retention."""
        return upkeep(self._connected(), self._codec, self._keep, int(self._now() * 1000))

    def compact(self) -> None:
        """Write the whole store anew; nothing else can be written meanwhile."""
        compact(self._connected().db)

    def reindex(self) -> None:
        """Have all that follows from the records made anew, by `index`."""
        session = self._connected()
        clear(session.db, self._codec, session.key)
        self.close()

    def probe(self) -> None:
        """Write something and take it away again: does writing work?"""
        db = self._connected().db
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO probe VALUES (1, zeroblob(8192))")
        db.execute("DELETE FROM probe")
        db.execute("COMMIT")

    def put_head(self, *, last: bool = False) -> None:
        """Write the chain's head to the file of heads if one is due, or with `last` if there is anything new.
        Nothing is written while the chain is shorter than the last head says. Raises OSError; the store stays
        as it is."""
        session = self._session
        if session is None:
            return
        if not self._head_known:
            self._learn_head()
        before, now_ms = self._last_head, int(self._now() * 1000)
        new = session.next_link - 1 - (0 if before is None else before.link)
        since_ms = now_ms if before is None else now_ms - before.at_ms
        if new >= HEAD_RECORDS or (new > 0 and (last or not 0 <= since_ms < HEAD_S * 1000)):
            head = Head(session.next_link - 1, now_ms, session.head)
            append_head(heads_path(self._path), session.key, head)
            self._last_head = head

    @property
    def cut_off(self) -> bool:
        """Whether the chain is shorter than a head that was written before."""
        session, head = self._session, self._last_head
        return session is not None and head is not None and head.link >= session.next_link

    def checkpoint(self) -> None:
        """Bring the write-ahead log into the main file, as far as readers allow."""
        self._connected().db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def free_bytes(self) -> int:
        """The room left where the store lies."""
        space = os.statvfs(self._path.parent)
        return space.f_bavail * space.f_frsize

    def _connected(self) -> Session:
        if self._session is None:
            self.open()
        assert self._session is not None
        # A file that was moved away would take writes for ever without anybody finding them.
        if os.stat(self._path).st_ino != self._session.inode:
            raise OSError("the log's file was moved or replaced")
        return self._session

    def _learn_head(self) -> None:
        self._last_head = last_head(heads_path(self._path))
        self._head_known = True


class _Batch:
    """Which records of one transaction fit what is under way, in their order."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._begun: set[str] = set()
        self._ended: set[str] = set()

    def begin(self, id: str) -> str | None:
        """Why it cannot begin."""
        under_way = self._session.open
        if id in self._begun or id in under_way:
            return "an exchange of this id is under way"
        if len(under_way) + len(self._begun) - len(self._ended) >= OPEN_MAX:
            return f"more than {OPEN_MAX} exchanges under way"
        self._begun.add(id)
        return None

    def finish(self, ready: Prepared) -> str | None:
        """Why it cannot end."""
        id = ready.id
        if id in self._ended:
            return ENDED_ALREADY
        if id not in self._session.open and id not in self._begun:
            there = present(self._session.db, [ready])
            return ENDED_ALREADY if ("finish", id) in there else "its beginning is not on the log"
        self._ended.add(id)
        return None
