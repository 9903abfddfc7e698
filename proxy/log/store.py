"""The store as its one writer holds it: records into the journal, and from there into rows, many to a transaction.

After any error the connection and everything remembered are dropped; opening again reads them from the file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from proxy.log.admission import key_of, present
from proxy.log.encode import Codec
from proxy.log.enter import commit
from proxy.log.heads import HEAD_RECORDS, HEAD_S, Head, append_head, heads_path, last_head
from proxy.log.index import index_some
from proxy.log.intern import slices
from proxy.log.journal import FRAME_BYTES_MAX, Journal, journal_path, lies_at
from proxy.log.journal_form import pack
from proxy.log.keep import Keep, Step, compact, upkeep
from proxy.log.prepare import Entry, Prepared, Revocable, prepare
from proxy.log.recover import Lost, recover
from proxy.log.reindex import clear
from proxy.log.schema import open_for_writing, take_lock
from proxy.log.seal import open_key
from proxy.log.session import Session, cut_off, recall
from proxy.log.wording import PARTS_STEP, word_some
from proxy.model.secret import Secrets

BUSY_MS: Final = 250
"""How long a write waits for another connection's lock before it counts as failed."""


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
        self._spare: Session | None = None
        self._was_open = False
        self._last_head: Head | None = None
        self._head_known = False
        self._journal: Journal | None = None
        self.entered = 0
        """Records that have come into the tables."""
        self._lost = Lost()

    def open(self, lock_wait_s: float = 0.0) -> None:
        """Open the file and read where it stands. The first time, what was never finished becomes
        `interrupted`."""
        if self._lock is None:
            self._lock = take_lock(self._path, lock_wait_s)
        spare, self._spare = self._spare, None
        if spare is not None:
            db = spare.db
        else:
            db = open_for_writing(self._path, int(self._now() * 1000), secrets=self._secrets, busy_ms=BUSY_MS)
        try:
            inode = os.stat(self._path).st_ino if spare is None else spare.inode
            db.execute("PRAGMA synchronous = FULL")
            key = open_key(db, self._path, self._secrets, writes=True)
            self._codec = key.codec()
            self._session = recall(db, inode, self._codec, key.key)
        except BaseException:
            self._session = None
            db.close()
            raise
        try:
            self._catch_up(self._session)
        except BaseException:
            self.give_up()
            raise
        self._was_open = True

    def close(self) -> None:
        """Let go of the tables; whatever was not durable is gone. Raises nothing."""
        session, self._session = self._session, None
        if session is not None:
            session.db.close()
        if self._spare is not None:
            self._spare.db.close()
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
        self._spare = session

    def release(self) -> None:
        """Close, and let another process write the store. Raises nothing."""
        self.close()
        if self._journal is not None:  # until now it knows best what is in its file, and what was refused
            self._journal.close()
            self._journal = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def append(self, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        """Make these records durable in the journal, but for those that are revoked by then, or in the tables where
        they are too large for it; returns, by place, why one could not be written.

        With `again` some may be in the store already: those count as written.
        """
        session = self._connected()
        if again:
            self.bring_in()
        if self._journal is not None and not self._journal.in_place:
            # It would take records for ever without anybody finding them.
            self.bring_in()
            self._journaling(session).clear()
        admitted, refused = self._admit(session, entries, again=again)
        if admitted:
            payload = pack(admitted)
            if len(payload) > FRAME_BYTES_MAX:
                session.pending.extend(admitted)
                self.bring_in()
                return refused
            if self._journal is not None and not self._journal.takes(payload):
                self.bring_in()
            self._journaling(session).append(payload)
            session.pending.extend(admitted)
        return refused

    def write(self, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        """As `append`, but into the tables."""
        session = self._connected()
        if again:
            self.bring_in()
        admitted, refused = self._admit(session, entries, again=again)
        session.pending.extend(admitted)
        self.bring_in()
        return refused

    def bring_in(self) -> None:
        """Commit to the tables what only the journal has, in one transaction, and clear that."""
        self._bring_in(self._connected())

    @property
    def pending(self) -> int:
        """Records that only the journal has."""
        return 0 if self._session is None else len(self._session.pending)

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
        self.bring_in()  # what is removed must not be left in the journal
        return upkeep(self._connected(), self._codec, self._keep, int(self._now() * 1000))

    def compact(self) -> None:
        """Write the whole store anew; nothing else can be written meanwhile."""
        self.bring_in()
        compact(self._connected().db)

    def reindex(self) -> None:
        """Have all that follows from the records made anew, by `index`."""
        self.bring_in()
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

    def lost(self) -> str:
        """What of the journal is lost, since it was asked last; for people. Empty where nothing is."""
        lost, self._lost = self._lost, Lost()
        return str(lost)

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
        if not lies_at(self._path, self._session.inode):
            self._take_along(self._session)
            raise OSError("the log's file was moved or replaced")
        return self._session

    def _take_along(self, session: Session) -> None:
        """What only the journal has, and the write-ahead log, belongs to the file that was moved: one that is made
        in its place cannot read it."""
        self._bring_in(session)
        session.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _bring_in(self, session: Session) -> None:
        if not session.pending:
            return
        commit(session, self._codec, session.pending)
        self.entered += len(session.pending)
        session.pending.clear()
        session.admission.entered()
        if self._journal is not None:
            self._journal.clear()

    def _journaling(self, session: Session) -> Journal:
        journal = self._journal
        if journal is not None and not (journal.in_place and journal.key == session.key):
            journal.close()
            journal = self._journal = None
        if journal is None:
            journal = self._journal = Journal(journal_path(self._path), session.key, self._codec)
        return journal

    def _catch_up(self, session: Session) -> None:
        """Bring in what the journal has of before: the process ended, or the tables could not be written."""
        if not self._was_open:
            with suppress(OSError):  # `put_head` tries again, and tells
                self._learn_head()
        # Also where the file was moved meanwhile: the journal's records belong to it.
        journal = self._journaling(session)
        self._session, entered = recover(session, journal, self._codec, self._lost)
        self.entered += entered
        if not self._was_open:
            for some in slices(cut_off(self._connected(), self._codec, self._now())):
                self.write(some)

    def _admit(
        self, session: Session, entries: Sequence[Entry], *, again: bool
    ) -> tuple[list[Prepared], dict[int, str]]:
        """Those that are to be written, and by place why others cannot be."""
        refused: dict[int, str] = {}
        prepared: list[tuple[int, Prepared]] = []
        for place, entry in enumerate(entries):
            try:
                prepared.append((place, prepare(entry.end if isinstance(entry, Revocable) else entry)))
            except Exception as error:  # noqa: BLE001  # the declared boundary: one bad value must not cost the batch
                refused[place] = f"it cannot be written: {type(error).__name__}"  # whose text may quote it
        there = present(session.db, [ready for _, ready in prepared]) if again else frozenset()
        admitted: list[Prepared] = []
        for place, ready in prepared:
            entry = entries[place]
            if (isinstance(entry, Revocable) and entry.revoked) or (there and key_of(ready) in there):
                continue
            why = session.admission.why_not(ready)
            if why is None:
                admitted.append(ready)
            else:
                refused[place] = why
        return admitted, refused

    def _learn_head(self) -> None:
        self._last_head = last_head(heads_path(self._path))
        self._head_known = True
