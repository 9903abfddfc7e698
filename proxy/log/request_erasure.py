"""Asking for an erasure: a row in the store, which its one writer carries out, at once or at its next start."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.log.encode import decode_name, encode_name
from proxy.log.filters import erasable
from proxy.log.keep import ASKED, LEFT_TO_COMPACT
from proxy.log.schema import open_to_ask

WAITING_MAX: Final = 1000
"""Erasures that may be asked for and not done."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One that is not done. `subject` is empty once its records are gone."""

    id: int
    subject: str
    state: int

    @property
    def done(self) -> bool:
        """But for `log compact`."""
        return self.state == LEFT_TO_COMPACT


def ask(path: Path, subject: str, *, actor: str, reason: str | None, now_ms: int) -> int:
    """Put an erasure into the store at that path, whoever writes it; returns its number. Raises ValueError for a
    subject that cannot be erased, StoreUnusable, sqlite3.Error."""
    erasable(subject)
    db = open_to_ask(path)
    try:
        if db.execute("SELECT count(*) FROM erasure").fetchone()[0] >= WAITING_MAX:
            raise ValueError(f"{WAITING_MAX} erasures are waiting already")
        sql = "INSERT INTO erasure (at_ms, state, subject, actor, reason) VALUES (?, ?, ?, ?, ?)"
        row = db.execute(sql, (now_ms, ASKED, encode_name(subject), actor, reason)).lastrowid
        assert row is not None  # one was inserted
        return row
    finally:
        db.close()


def erasures(db: sqlite3.Connection) -> list[Erasure]:
    """Those that are not done, in the order in which they were asked for."""
    rows = db.execute("SELECT id, subject, state FROM erasure ORDER BY id").fetchall()
    return [Erasure(number, decode_name(subject), state) for number, subject, state in rows]
