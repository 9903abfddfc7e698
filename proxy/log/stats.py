"""Figures of the store, for a person who asks how large it is and what is in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from proxy.log import record_json
from proxy.log.encode import decode_name
from proxy.log.index import Facet
from proxy.log.query import LogReader
from proxy.model.record import Json

_MOST: Final = 20
"""Names that each count lists; the rest is left out."""


def stats(reader: LogReader) -> Mapping[str, Json]:
    """Counts and sizes in bytes. Reads every row's small columns once. Raises sqlite3.Error."""
    db = reader.db
    times = "SELECT min(started_ms), max(started_ms), count(*) FROM exchange"
    first, last, exchanges = db.execute(times).fetchone()
    page = _one(db, "PRAGMA page_size")
    wal = reader.path.with_name(f"{reader.path.name}-wal")
    return {
        "exchanges": exchanges,
        "under_way": _one(db, "SELECT count(*) FROM open"),
        "first": None if first is None else record_json.time_text(first),
        "last": None if last is None else record_json.time_text(last),
        "outcomes": _counts(db, "SELECT outcome AS name, count(*) AS n FROM finish GROUP BY 1"),
        "models": _counts(db, "SELECT requested AS name, count(*) AS n FROM exchange GROUP BY 1"),
        "rules": _counts(
            db, f"SELECT value AS name, count(*) AS n FROM posting WHERE kind = {int(Facet.RULE)} GROUP BY 1"
        ),
        "parts": _one(db, "SELECT count(*) FROM part"),
        "request_bytes": _one(db, "SELECT coalesce(sum(body_bytes), 0) FROM exchange"),
        "file_bytes": page * _one(db, "PRAGMA page_count"),
        "free_bytes": page * _one(db, "PRAGMA freelist_count"),
        "wal_bytes": wal.stat().st_size if wal.exists() else 0,
    }


def _one(db: sqlite3.Connection, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0])


def _counts(db: sqlite3.Connection, counted: str) -> dict[str, Json]:
    sql = (
        f"SELECT w.text, c.n FROM ({counted}) c JOIN name w ON w.id = c.name ORDER BY c.n DESC LIMIT {_MOST}"
    )
    return {decode_name(text): count for text, count in db.execute(sql)}
