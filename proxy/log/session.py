"""What the writer of a store knows by heart, and how it learns it again from the file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final, NamedTuple

from proxy.log import digest
from proxy.log.admission import Admission
from proxy.log.encode import Codec
from proxy.log.fetch import Fetch
from proxy.log.intern import Intern
from proxy.log.prepare import Prepared
from proxy.log.rows import BeginRow
from proxy.log.words import Words
from proxy.model.level import Level, Outcome
from proxy.model.record import Finished, ModelUsed

_LAST_SEQ: Final = (
    "SELECT coalesce((SELECT max(seq) FROM exchange), 0), "
    "coalesce((SELECT last_seq FROM removal ORDER BY link DESC LIMIT 1), 0)"
)
"""The highest number given out: a removed exchange's is never given out again."""


class Open(NamedTuple):
    """An exchange under way."""

    begin: BeginRow
    digest: bytes  # the begin half of its hash


@dataclass(slots=True)
class Session:
    """Everything that holds for one connection only."""

    db: sqlite3.Connection
    inode: int
    key: bytes  # the store's
    intern: Intern
    words: Words
    head: bytes  # the hash of the last record
    next_seq: int
    next_link: int
    open: dict[str, Open]
    ended: list[int]  # finished in this transaction
    admission: Admission
    pending: list[Prepared]  # admitted, and not in the tables yet


def recall(db: sqlite3.Connection, inode: int, codec: Codec, key: bytes) -> Session:
    """Where the store in the file of that number stands; `key` is its own. Raises sqlite3.Error, Damaged."""
    (created_ms,) = db.execute("SELECT created_ms FROM store").fetchone()
    last = db.execute("SELECT link, hash FROM chain ORDER BY link DESC LIMIT 1").fetchone()
    fetch = Fetch(db, codec)
    intern = Intern(db, key, codec)
    intern.learn_unaddressed()
    under_way = {begin.id: Open(begin, fetch.begin_digest(begin)) for begin in fetch.open_exchanges()}
    return Session(
        db=db,
        inode=inode,
        key=key,
        intern=intern,
        words=Words(key),
        head=last[1] if last else digest.genesis(key, created_ms),
        next_seq=max(db.execute(_LAST_SEQ).fetchone()) + 1,
        next_link=last[0] + 1 if last else 1,
        open=under_way,
        ended=[],
        admission=Admission(db, under_way),
        pending=[],
    )


def cut_off(session: Session, codec: Codec, now: float) -> list[Finished]:
    """The ends of all exchanges that are under way: what a crash left. Raises sqlite3.Error, Damaged."""
    fetch = Fetch(session.db, codec)
    return [
        Finished(
            id=begin.id,
            finished_at=now,
            outcome=Outcome.INTERRUPTED,
            model=ModelUsed(
                fetch.name(begin.requested), fetch.name(begin.model_version), fetch.name(begin.sent)
            ),
            level=Level(begin.level),
        )
        for begin in fetch.open_exchanges()
    ]
