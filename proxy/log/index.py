"""Postings: for every word that a search can ask for, which exchanges carry it, in the order of time.

They are written behind the records, many at a time, so that nobody waits for scattered index pages. A search
reads the few records that have none yet by itself. Postings also tell what is still in use: every name, part and
node that a record refers to has one, so that what loses its last reference can be removed.
"""

from __future__ import annotations

import sqlite3
from enum import IntEnum
from typing import Final

from proxy.log.encode import Codec, Damaged
from proxy.log.fetch import RECORD, Fetch, read_record
from proxy.log.intern import Intern, marks, slices
from proxy.log.prepare import found_words as words_of
from proxy.log.recent import Ended
from proxy.log.rows import BeginRow, FinishRow

SCORE_STEPS: Final = 10
"""A score of 0.87 is posted at 0.1, 0.2 … 0.8; a search for 0.85 reads those at 0.8 and looks closer."""


class Facet(IntEnum):
    """What a posting is about; stored. `SCORE` + n is a label's score of at least n tenths. `KEPT` words are those
    of the settings and the backends, never removed: one posting each, of no exchange."""

    ALL = 0
    MODEL = 1
    APP = 2
    KEY = 3
    USER = 4
    IP = 5
    REGION = 6
    OUTCOME = 7
    LEVEL = 8
    POLICY = 9
    RULE = 10
    PATH = 11
    KEPT = 12
    NODE = 16
    PART = 17
    SCORE = 32


def score_step(score: float) -> int:
    """The highest step that a score reaches, 0 for none."""
    return min(SCORE_STEPS, int(score * SCORE_STEPS + 1e-9))


def postings(
    begin: BeginRow, finish: FinishRow, rules: set[int], steps: dict[int, int]
) -> set[tuple[int, int]]:
    """Kind and value of every posting of a record. `rules` and the keys of `steps` are names' numbers."""
    # Plain numbers: an enum's members hash by Python code, some twenty times a record.
    found: set[tuple[int, int]] = {(0, 0), (_LEVEL, finish.level), (_OUTCOME, finish.outcome)}
    found.add((_POLICY, begin.policy))
    for kind, value in (
        (_APP, begin.app),
        (_KEY, begin.key),
        (_USER, begin.user),
        (_IP, begin.ip),
        (_REGION, begin.region),
        (_PATH, begin.path),
        (_MODEL, begin.requested),
        (_MODEL, begin.sent),
        (_MODEL, finish.requested),
        (_MODEL, finish.sent),
        (_MODEL, finish.served),
        (_NODE, begin.node or None),
        (_NODE, finish.sent_node or None),
        (_PART, begin.skeleton),
        (_PART, finish.sent_skeleton),
        (_PART, finish.received),
        (_PART, finish.delivered),
    ):
        if value is not None:
            found.add((kind, value))
    for rule in rules:
        found.add((_RULE, rule))
    for label, top in steps.items():
        for step in range(1, top + 1):
            found.add((_SCORE + step, label))
    return found


def kept_words(begin: BeginRow, finish: FinishRow) -> set[int]:
    """The words of a record that are never removed, as names' numbers."""
    words = (begin.api, begin.model_version, finish.model_version, finish.backend, finish.fingerprint)
    return {word for word in words if word is not None}


_APP, _KEY, _USER, _IP = int(Facet.APP), int(Facet.KEY), int(Facet.USER), int(Facet.IP)
_REGION, _MODEL, _OUTCOME = int(Facet.REGION), int(Facet.MODEL), int(Facet.OUTCOME)
_LEVEL, _POLICY, _RULE, _SCORE = int(Facet.LEVEL), int(Facet.POLICY), int(Facet.RULE), int(Facet.SCORE)
_PATH, _NODE, _PART = int(Facet.PATH), int(Facet.NODE), int(Facet.PART)
NAMING: Final = (
    *(_MODEL, _APP, _KEY, _USER, _IP, _REGION, _OUTCOME, _POLICY, _RULE, _PATH, int(Facet.KEPT)),
    *range(_SCORE + 1, _SCORE + SCORE_STEPS + 1),
)
"""The kinds of postings whose values are names' numbers."""
UNPOSTED: Final = (
    "SELECT seq FROM chain WHERE link > (SELECT indexed_link FROM store) AND seq IS NOT NULL "
    "UNION ALL SELECT seq FROM open"
)
"""The exchanges that have no postings yet."""


def index_some(db: sqlite3.Connection, intern: Intern, codec: Codec, records_max: int) -> int:
    """Write the postings of the next records of the chain, within the caller's transaction; returns how many those
    were. Raises sqlite3.Error."""
    (upto,) = db.execute("SELECT indexed_link FROM store").fetchone()
    ended = intern.recent.records_after(upto, records_max)
    links = len(ended)
    if not ended:
        links, ended = _stored(db, codec, upto, records_max)
        if not links:
            return 0
    intern.learn_names((*one.rules, *one.scores) for one in ended)
    kept: set[int] = set()
    rows: list[tuple[int, int, int, int]] = []
    for begin, finish, rules, scores in ended:
        kept |= kept_words(begin, finish)
        named = {intern.number(rule) for rule in rules}
        steps = {intern.number(label): score_step(score) for label, score in scores.items()}
        for kind, value in postings(begin, finish, named, steps):
            rows.append((kind, value, begin.started_ms, begin.seq))
    rows.extend((int(Facet.KEPT), word, 0, 0) for word in kept - intern.kept)
    rows.sort()
    intern.add_all("posting", rows)
    intern.flush()
    db.execute("UPDATE store SET indexed_link = ?", (upto + links,))
    intern.kept |= kept
    return links


def _stored(db: sqlite3.Connection, codec: Codec, after: int, records_max: int) -> tuple[int, list[Ended]]:
    """How many places of the chain those are, and the records there that are finished exchanges."""
    # A subquery, not a join: that would go through the whole chain to find its end.
    sql = "SELECT link, seq FROM chain WHERE link > ? ORDER BY link LIMIT ?"
    links = db.execute(sql, (after, records_max)).fetchall()
    if not links:
        return 0, []
    seqs = [seq for _, seq in links if seq is not None]
    fetch = Fetch(db, codec)
    ended: list[Ended] = []
    for some in slices(seqs):
        for row in db.execute(f"{RECORD} WHERE e.seq IN ({marks(some)})", some).fetchall():
            begin, finish = read_record(row)
            if finish is not None:
                ended.append(Ended(begin, finish, *found_words(fetch, finish)))
    return links[-1][0] - after, ended


def found_words(fetch: Fetch, finish: FinishRow | None) -> tuple[set[str], dict[str, float]]:
    """The rules that found something in a record, and its scores by label."""
    if finish is None:
        return set(), {}
    try:
        return words_of(fetch.detail(finish))
    except Damaged:  # for `verify` to name; the record is still found by all else
        return set(), {}
