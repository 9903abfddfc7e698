"""What the writer does beside writing: erasures that were asked for, and retention by age and by size.

Each call of `upkeep` does one step of bounded size. What comes first: garbage, so that what an earlier step
let go of is gone before more is looked for; erasures; age; size; room back to the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.log.encode import Codec, decode_name
from proxy.log.filters import erasable
from proxy.log.index import UNPOSTED, Facet
from proxy.log.remove import REMOVE_STEP, Removal, remove, sweep
from proxy.log.session import Session
from proxy.log.wording import merge_words

VACUUM_PAGES: Final = 64
"""Free pages that one step gives back to the disk."""
FREE_PAGES_MIN: Final = 1024
"""So many free pages are kept for what comes next."""
REWRITE_BYTES_MAX: Final = 64 * 1024 * 1024
"""A store up to this size is written anew after an erasure, while it is in use."""


# The states of an erasure, as stored.
ASKED: Final = 0
REMOVED: Final = 1
MERGING: Final = 2
REINDEXED: Final = 3
REWRITTEN: Final = 4
LEFT_TO_COMPACT: Final = 5


@dataclass(frozen=True, slots=True)
class Keep:
    """How long exchanges of an outcome are kept after they began, in seconds, for ever where it is not named; and
    how large the store may grow."""

    outcomes: Mapping[str, float] = field(default_factory=dict)
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: whether there may be more to do at once, and what it took out."""

    more: bool
    why: str | None = None
    exchanges: int = 0


_NOTHING: Final = Step(more=False)
_MORE: Final = Step(more=True)


def upkeep(session: Session, codec: Codec, keep: Keep, now_ms: int) -> Step:
    """One step. Raises sqlite3.Error, Damaged."""
    if sweep(session, codec):
        return _MORE
    step = _erase(session, codec, now_ms)
    if step is None:
        step = _by_age(session, codec, keep, now_ms) or _by_size(session, codec, keep, now_ms)
    if step is None and _give_back(session.db):
        step = _MORE
    return step or _NOTHING


def _erase(session: Session, codec: Codec, now_ms: int) -> Step | None:
    """A step of the oldest erasure that is asked for; None where none is, or where it has to wait."""
    db = session.db
    sql = "SELECT id, state, subject, actor, reason, upto FROM erasure WHERE state < ? ORDER BY id LIMIT 1"
    row = db.execute(sql, (LEFT_TO_COMPACT,)).fetchone()
    if row is None:
        return None
    number, state, subject, actor, reason, upto = row
    if state != ASKED:
        return _clean(db, number, state)
    if upto is None:
        db.execute("UPDATE erasure SET upto = ? WHERE id = ?", (session.next_seq - 1, number))
        return _MORE
    facet, word = erasable(decode_name(subject))
    known = session.intern.find_name(word)
    if known is not None:
        sql = "SELECT seq FROM posting WHERE kind = ? AND value = ? AND seq <= ? LIMIT ?"
        seqs = [seq for (seq,) in db.execute(sql, (int(facet), known, upto, REMOVE_STEP))]
        if seqs:
            done = remove(session, codec, seqs, Removal("erasure", actor, reason), now_ms)
            return Step(more=True, why="erasure", exchanges=done)
        sql = f"SELECT 1 FROM exchange WHERE seq IN ({UNPOSTED}) AND {facet.name} = ? AND seq <= ? LIMIT 1"
        if db.execute(sql, (known, upto)).fetchone() is not None:
            return None  # under way, or not indexed yet
    db.execute("UPDATE erasure SET subject = '', state = ? WHERE id = ?", (REMOVED, number))
    return _MORE


def _clean(db: sqlite3.Connection, number: int, state: int) -> Step | None:
    """See that nothing of what was removed stays behind: SQLite overwrites what it frees, but when it moves rows
    from page to page, copies stay in the old page's unused room; only writing everything anew takes those away."""
    if state == REMOVED:
        merge_words(db, begin=True)
        db.execute("UPDATE erasure SET state = ? WHERE id = ?", (MERGING, number))
        return _MORE
    if state == MERGING:
        if merge_words(db, begin=False):
            return _MORE
        state = REWRITTEN if _rewrite(db) else REINDEXED
        db.execute("UPDATE erasure SET state = ? WHERE id = ?", (state, number))
    busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        return None  # somebody reads; the write-ahead log can be emptied when that has ended
    if state == REWRITTEN:
        db.execute("DELETE FROM erasure WHERE id = ?", (number,))
    else:
        db.execute("UPDATE erasure SET state = ? WHERE id = ?", (LEFT_TO_COMPACT, number))
    return _MORE


def _rewrite(db: sqlite3.Connection) -> bool:
    """Write the store anew if it is small; else at least the index that holds names in the order of the alphabet,
    and so moves them most."""
    if _pages(db) * _page_bytes(db) <= REWRITE_BYTES_MAX:
        try:
            db.execute("VACUUM")
        except sqlite3.OperationalError:
            pass  # no room for a second copy, or somebody holds it: `log compact` is left to do
        else:
            return True
    db.execute("REINDEX name")
    return False


def compact(db: sqlite3.Connection) -> None:
    """Write the whole store anew, and finish the erasures that were left to this. Raises sqlite3.Error."""
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.execute("DELETE FROM erasure WHERE state = ?", (LEFT_TO_COMPACT,))


def _by_age(session: Session, codec: Codec, keep: Keep, now_ms: int) -> Step | None:
    sql = "SELECT seq FROM posting WHERE kind = ? AND value = ? AND at < ? ORDER BY at LIMIT ?"
    for outcome, age_s in keep.outcomes.items():
        known = session.intern.find_name(outcome)
        if known is None:
            continue
        before = now_ms - int(age_s * 1000)
        rows = session.db.execute(sql, (int(Facet.OUTCOME), known, before, REMOVE_STEP)).fetchall()
        if rows:
            done = remove(session, codec, [seq for (seq,) in rows], Removal("age"), now_ms)
            return Step(more=True, why="age", exchanges=done)
    return None


def _by_size(session: Session, codec: Codec, keep: Keep, now_ms: int) -> Step | None:
    if keep.max_bytes is None:
        return None
    db = session.db
    if (_pages(db) - _free_pages(db)) * _page_bytes(db) <= keep.max_bytes:
        return None
    sql = "SELECT seq FROM posting WHERE kind = ? AND value = 0 ORDER BY at LIMIT ?"
    rows = db.execute(sql, (int(Facet.ALL), REMOVE_STEP)).fetchall()
    if not rows:
        return None
    done = remove(session, codec, [seq for (seq,) in rows], Removal("size"), now_ms)
    return Step(more=True, why="size", exchanges=done)


def _give_back(db: sqlite3.Connection) -> bool:
    if _free_pages(db) <= FREE_PAGES_MIN:
        return False
    db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
    return True


def _pages(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA page_count").fetchone()[0])


def _free_pages(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA freelist_count").fetchone()[0])


def _page_bytes(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA page_size").fetchone()[0])
