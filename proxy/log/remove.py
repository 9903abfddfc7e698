"""Exchanges taken out of the log, and what nothing refers to any more after them.

Both go in steps of bounded size, each one transaction. A step that takes out exchanges puts a removal into the
chain: which places it emptied and the hash that the chain goes on from, so that `verify` still fits. What the
exchanges referred to is remembered as garbage in the same transaction, and looked at in steps of their own: a part,
a node or a name goes with its last reference.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.log import digest
from proxy.log.encode import Codec, Damaged, encode, part_place, removal_place
from proxy.log.fetch import RECORD, Fetch, read_record
from proxy.log.index import NAMING, UNPOSTED, Facet, found_words, postings, score_step
from proxy.log.intern import marks, slices
from proxy.log.prepare import read_detail
from proxy.log.rows import KIND_REMOVAL, BeginRow, FinishRow
from proxy.log.session import Session
from proxy.log.wording import unword

REMOVE_STEP: Final = 64
"""Exchanges that one step takes out."""
SWEEP_STEP: Final = 256
"""Names, parts and nodes that one step looks at."""
SWEEP_UNPOSTED_MAX: Final = 10_000
"""While more records have no postings, as after a `reindex` that was cut off, garbage waits: each step looks
through all of those."""
_NAME, _PART, _NODE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Removal:
    """Why exchanges go: `erasure`, `age` or `size`; and for an erasure who asked, with what reason."""

    why: str
    actor: str | None = None
    reason: str | None = None


def remove(session: Session, codec: Codec, seqs: Sequence[int], removal: Removal, now_ms: int) -> int:
    """Take out these exchanges, finished and indexed ones, in one transaction; returns how many those were. Raises
    sqlite3.Error, Damaged."""
    db, fetch = session.db, Fetch(session.db, codec)
    records = [
        (begin, finish)
        for some in slices(seqs)
        for begin, finish in map(read_record, db.execute(f"{RECORD} WHERE e.seq IN ({marks(some)})", some))
        if finish is not None
    ]
    if not records:
        return 0
    db.execute("BEGIN IMMEDIATE")
    for begin, finish in records:
        _unpost(db, fetch, begin, finish)
    garbage = {item for begin, finish in records for item in _referred(begin, finish)}
    _add_garbage(db, garbage)
    link, last_seq = session.next_link, session.next_seq - 1
    links = digest.Runs()
    for first, last in _runs(sorted(finish.link for _, finish in records)):
        row = db.execute("SELECT hash FROM chain WHERE link = ?", (last,)).fetchone()
        if row is None:
            raise Damaged(f"record {last} of the chain is missing")
        db.execute("INSERT INTO removed_link VALUES (?, ?, ?, ?)", (first, last, row[0], link))
        links.add(first, last, row[0])
    gone = digest.Runs()
    for first, last in _runs(sorted(begin.seq for begin, _ in records)):
        db.execute("INSERT INTO removed_seq VALUES (?, ?, ?)", (first, last, link))
        gone.add(first, last)
    for begin, finish in records:
        db.execute("DELETE FROM chain WHERE link = ?", (finish.link,))
        db.execute("DELETE FROM finish WHERE seq = ?", (begin.seq,))
        db.execute("DELETE FROM exchange WHERE seq = ?", (begin.seq,))
        _forget_response(session, fetch, finish)
    outcomes = Counter(fetch.name(finish.outcome) or "" for _, finish in records)
    detail = encode(
        {
            "why": removal.why,
            "actor": removal.actor,
            "reason": removal.reason,
            "outcomes": dict(outcomes),
            "links": links.hex(),
            "seqs": gone.hex(),
        }
    )
    begin_half = digest.removal(now_ms, last_seq, detail)
    session.head = digest.link(session.head, link, KIND_REMOVAL, begin_half, digest.EMPTY_WINDOW)
    session.next_link += 1
    db.execute(
        "INSERT INTO removal VALUES (?, ?, ?, ?)",
        (link, now_ms, last_seq, codec.pack(detail, removal_place(link))),
    )
    db.execute("INSERT INTO chain VALUES (?, ?, NULL, ?)", (link, KIND_REMOVAL, session.head))
    db.execute("COMMIT")
    return len(records)


def sweep(session: Session, codec: Codec) -> bool:
    """Look at some garbage and remove what nothing refers to; False where there is none, or it has to wait. Raises
    sqlite3.Error."""
    db = session.db
    items = db.execute("SELECT kind, id FROM garbage LIMIT ?", (SWEEP_STEP,)).fetchall()
    if not items:
        return False
    behind = f"SELECT count(*) FROM (SELECT 1 FROM ({UNPOSTED}) LIMIT ?)"
    if db.execute(behind, (SWEEP_UNPOSTED_MAX + 1,)).fetchone()[0] > SWEEP_UNPOSTED_MAX:
        return False
    db.execute("BEGIN IMMEDIATE")
    used = {
        item
        for row in db.execute(f"{RECORD} WHERE e.seq IN ({UNPOSTED})")
        for item in _referred(*read_record(row), all_names=True)
    }
    more: set[tuple[int, int]] = set()
    for kind, number in items:
        if (kind, number) in used:
            continue
        if kind == _NODE:
            more |= _sweep_node(session, number)
        elif kind == _PART:
            _sweep_part(session, codec, number)
        else:
            _sweep_name(session, number)
    db.executemany("DELETE FROM garbage WHERE kind = ? AND id = ?", items)
    _add_garbage(db, more)
    db.execute("COMMIT")
    return True


def _sweep_node(session: Session, node: int) -> set[tuple[int, int]]:
    """Remove a node that nothing stands on; returns what it stood on."""
    db = session.db
    if _posted(db, (Facet.NODE,), node) or _any(db, "SELECT 1 FROM node WHERE parent = ?", node):
        return set()
    row = db.execute("SELECT parent, part, slot FROM node WHERE id = ?", (node,)).fetchone()
    if row is None:
        return set()
    parent, part, slot = row
    db.execute("DELETE FROM node WHERE id = ?", (node,))
    session.intern.forget_node(parent, part, slot)
    return {(_PART, part)} | ({(_NODE, parent)} if parent else set())


def _sweep_part(session: Session, codec: Codec, part: int) -> None:
    db = session.db
    if _posted(db, (Facet.PART,), part) or _any(db, "SELECT 1 FROM node WHERE part = ?", part):
        return
    row = db.execute("SELECT data FROM part WHERE id = ?", (part,)).fetchone()
    if row is None:
        return
    try:
        content = codec.unpack(row[0], part_place(part))
        unword(db, session.words, part, content)
        address = digest.address(session.key, content)
        session.intern.forget_part(address)
        db.execute("DELETE FROM part_address WHERE address = ? AND part = ?", (address, part))
    except Damaged:
        # Its address cannot be told from it any more; all have to be looked through.
        db.execute("DELETE FROM part_address WHERE part = ?", (part,))
    session.intern.recent.forget_part(part)
    db.execute("DELETE FROM part WHERE id = ?", (part,))


def _sweep_name(session: Session, name: int) -> None:
    if not _posted(session.db, NAMING, name):
        session.db.execute("DELETE FROM name WHERE id = ?", (name,))
        session.intern.forget_name(name)


def _posted(db: sqlite3.Connection, kinds: Iterable[int], value: int) -> bool:
    sql = "SELECT 1 FROM posting WHERE kind = ? AND value = ? LIMIT 1"
    return any(db.execute(sql, (int(kind), value)).fetchone() is not None for kind in kinds)


def _any(db: sqlite3.Connection, sql: str, value: int) -> bool:
    return db.execute(f"{sql} LIMIT 1", (value,)).fetchone() is not None


def _unpost(db: sqlite3.Connection, fetch: Fetch, begin: BeginRow, finish: FinishRow) -> None:
    rules, scores = found_words(fetch, finish)
    rule_numbers = {number for rule in rules if (number := fetch.number(rule)) is not None}
    steps = {
        number: score_step(score)
        for label, score in scores.items()
        if (number := fetch.number(label)) is not None
    }
    db.executemany(
        "DELETE FROM posting WHERE kind = ? AND value = ? AND at = ? AND seq = ?",
        [
            (kind, value, begin.started_ms, begin.seq)
            for kind, value in postings(begin, finish, rule_numbers, steps)
        ],
    )


def _forget_response(session: Session, fetch: Fetch, finish: FinishRow) -> None:
    """Nothing goes on from its reply any more."""
    try:
        id = read_detail(fetch.detail(finish)).response_id
    except Damaged:  # it cannot be told from it any more; all have to be looked through
        session.db.execute("DELETE FROM response WHERE seq = ?", (finish.seq,))
        return
    if id is not None:
        address = digest.response(session.key, id)
        session.db.execute("DELETE FROM response WHERE address = ? AND seq = ?", (address, finish.seq))


def _referred(
    begin: BeginRow, finish: FinishRow | None, *, all_names: bool = False
) -> Iterator[tuple[int, int]]:
    """What a record refers to, as garbage's kinds and numbers; words of the settings only with `all_names`."""
    names = [
        begin.app,
        begin.key,
        begin.user,
        begin.ip,
        begin.region,
        begin.path,
        begin.requested,
        begin.sent,
    ]
    names.append(begin.policy)
    nodes, parts = [begin.node], [begin.skeleton]
    if all_names:
        names += (begin.api, begin.model_version)
    if finish is not None:
        names += (finish.requested, finish.sent, finish.served)
        nodes.append(finish.sent_node)
        parts += (finish.sent_skeleton, finish.received, finish.delivered)
        if all_names:
            names += (finish.outcome, finish.backend, finish.model_version, finish.fingerprint)
    for kind, numbers in ((_NAME, names), (_NODE, nodes), (_PART, parts)):
        for number in numbers:
            if number:
                yield kind, number


def _add_garbage(db: sqlite3.Connection, items: Iterable[tuple[int, int]]) -> None:
    db.executemany("INSERT OR IGNORE INTO garbage VALUES (?, ?)", sorted(items))


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of neighbours."""
    first = last = places[0]
    for place in places[1:]:
        if place != last + 1:
            yield first, last
            first = place
        last = place
    yield first, last
