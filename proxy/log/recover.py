"""What the journal has that the tables lack: read back at a start, and after each fault."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proxy.log.admission import key_of, present
from proxy.log.encode import Codec, Damaged
from proxy.log.enter import commit
from proxy.log.journal import Journal
from proxy.log.journal_form import unpack
from proxy.log.prepare import Prepared
from proxy.log.seal import StoreUnusable
from proxy.log.session import Session, recall

_OF_A_RECORD: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
)
_OF_THE_STORE: Final = (sqlite3.Error, OSError, MemoryError, Damaged, StoreUnusable)


@dataclass(slots=True)
class Lost:
    """What of the journal is lost: bytes that cannot be read, and records that could not be brought in, since they
    do not fit what is there or cannot be written."""

    unreadable: int = 0
    left_out: int = 0

    def __str__(self) -> str:
        """For people; empty where nothing is."""
        what = []
        if self.unreadable:
            what.append(
                f"{self.unreadable} bytes of the log's journal cannot be read: what was being written when the "
                "proxy last ended, or damage"
            )
        if self.left_out:
            what.append(
                f"{self.left_out} records of the log's journal could not be brought in: they do not fit what is on "
                "the log, or cannot be written"
            )
        return "; ".join(what)


def recover(session: Session, journal: Journal, codec: Codec, lost: Lost) -> tuple[Session, int]:
    """Bring all of the journal into the tables, and clear it; `lost` takes what is lost. Returns the session to go
    on with, and how many records came in. Raises sqlite3.Error, OSError, Damaged; nothing is cleared then."""
    payloads, unreadable = journal.read()
    left: dict[tuple[str, str], Prepared] = {}
    for payload in payloads:
        try:
            for ready in unpack(payload):
                left.setdefault(key_of(ready), ready)
        except Damaged:
            unreadable += len(payload)
    there = present(session.db, list(left.values()))
    new = [ready for key, ready in left.items() if key not in there]
    if left and not new:
        unreadable = 0  # it was being cleared: all of it had come in, by one commit
    fitting = [ready for ready in new if session.admission.why_not(ready) is None]
    failed = 0
    if fitting:
        try:
            commit(session, codec, fitting)
        except Exception as error:  # one that cannot be written must not keep the others out for ever
            if not _of_a_record(error):
                raise
            session, failed = _one_at_a_time(session, codec, fitting)
    session.admission.entered()
    journal.clear()
    lost.unreadable += unreadable
    lost.left_out += len(new) - len(fitting) + failed
    return session, len(fitting) - failed


def _one_at_a_time(session: Session, codec: Codec, records: Sequence[Prepared]) -> tuple[Session, int]:
    """Where all at once failed; returns how many did by themselves."""
    session, failed = _afresh(session, codec), 0
    for ready in records:
        try:
            commit(session, codec, [ready])
        except Exception as error:  # as above
            if not _of_a_record(error):
                raise
            session, failed = _afresh(session, codec), failed + 1
    return _afresh(session, codec), failed


def _afresh(session: Session, codec: Codec) -> Session:
    if session.db.in_transaction:
        session.db.execute("ROLLBACK")
    return recall(session.db, session.inode, codec, session.key)


def _of_a_record(error: Exception) -> bool:
    """Whether it is a record that cannot be written, by a mistake of ours, and not the store that cannot be."""
    return isinstance(error, _OF_A_RECORD) or not isinstance(error, _OF_THE_STORE)
