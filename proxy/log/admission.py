"""Which records fit what is under way: an exchange begins once, and ends once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from proxy.log.intern import marks, slices
from proxy.log.prepare import Prepared, PreparedBegin

ENDED_ALREADY: Final = "the exchange has its end on the log already"
"""Why a second end is not written: it came too late to revoke the first."""
OPEN_MAX: Final = 100_000
"""Exchanges under way; one more is not begun."""


class Admission:
    """Of one connection, whose tables have the exchanges of `under_way` begun and not ended."""

    def __init__(self, db: sqlite3.Connection, under_way: Iterable[str]) -> None:
        self._db = db
        self._under_way = set(under_way)
        self._ended: set[str] = set()  # admitted since `entered`

    def why_not(self, ready: Prepared) -> str | None:
        """Why a record does not fit; None where it does, and then it counts from now on. Raises sqlite3.Error."""
        return self._begin(ready.id) if isinstance(ready, PreparedBegin) else self._finish(ready)

    def entered(self) -> None:
        """All that was admitted is in the tables."""
        self._ended.clear()

    def _begin(self, id: str) -> str | None:
        if id in self._under_way:
            return "an exchange of this id is under way"
        if len(self._under_way) >= OPEN_MAX:
            return f"more than {OPEN_MAX} exchanges under way"
        self._under_way.add(id)
        return None

    def _finish(self, ready: Prepared) -> str | None:
        id = ready.id
        if id not in self._under_way:
            ended = id in self._ended or key_of(ready) in present(self._db, [ready])
            return ENDED_ALREADY if ended else "its beginning is not on the log"
        self._under_way.remove(id)
        self._ended.add(id)
        return None


def key_of(ready: Prepared) -> tuple[str, str]:
    """As `present` names a record."""
    return ("begin" if isinstance(ready, PreparedBegin) else "finish", ready.id)


def present(db: sqlite3.Connection, items: Sequence[Prepared]) -> frozenset[tuple[str, str]]:
    """Which of these are in the store already: ("begin" or "finish", id). Raises sqlite3.Error."""
    found: set[tuple[str, str]] = set()
    ids = {item.id for item in items}
    for some in slices(sorted(ids)):
        sql = (
            "SELECT e.id, f.seq FROM exchange e LEFT JOIN finish f ON f.seq = e.seq "
            f"WHERE e.id IN ({marks(some)})"
        )
        for identity, finished in db.execute(sql, some).fetchall():
            found.add(("begin", identity))
            if finished is not None:
                found.add(("finish", identity))
    return frozenset(found)
