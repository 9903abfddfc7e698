"""A batch of records becomes rows: numbers for what they share, places in the chain, hashes.

What a batch asks of the store is asked at once, and written at once: every statement lets go of the interpreter's
lock and has to wait for it again while the event loop is busy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice

from proxy.log import digest
from proxy.log.context import Split
from proxy.log.encode import Codec, detail_place
from proxy.log.intern import ROOT, Intern, Known, marks, slices
from proxy.log.prepare import Prepared, PreparedBegin, PreparedFinish
from proxy.log.recent import Ended
from proxy.log.rows import KIND_EXCHANGE, RECORD_VERSION, BeginRow, FinishRow, begin_digest, finish_digest
from proxy.log.session import Open, Session


def commit(session: Session, codec: Codec, records: Sequence[Prepared]) -> None:
    """As `enter`, in a transaction of its own."""
    session.db.execute("BEGIN IMMEDIATE")
    enter(session, codec, records)
    session.db.execute("COMMIT")


def enter(session: Session, codec: Codec, records: Sequence[Prepared]) -> None:
    """Write them, in this order, within the caller's transaction. Each begin is of a new id, each end of an
    exchange that is under way or begins before it here. Raises sqlite3.Error."""
    intern = session.intern
    intern.learn_names(ready.words() for ready in records)
    parts = iter(intern.parts(content for ready in records for content in ready.contents()))
    for ready in records:
        if isinstance(ready, PreparedBegin):
            _begin(session, ready, parts)
        else:
            _finish(session, codec, ready, parts)
    intern.flush()
    for some in slices(session.ended):
        session.db.execute(f"DELETE FROM open WHERE seq IN ({marks(some)})", some)
    session.ended.clear()


def _begin(session: Session, item: PreparedBegin, parts: Iterator[Known]) -> None:
    intern = session.intern
    skeleton, window = _body(intern, item.body, parts)
    row = BeginRow._make(
        (
            session.next_seq,
            item.id,
            RECORD_VERSION,
            item.started_ms,
            intern.number(item.api),
            intern.number(item.path),
            int(item.stream),
            *map(intern.name, item.subject),
            *map(intern.name, item.model),
            item.level,
            intern.number(item.policy),
            item.body_bytes,
            None if skeleton is None else skeleton.number,
            window.number,
            os.urandom(digest.SALT_BYTES),
        )
    )
    session.next_seq += 1
    intern.add("exchange", row)
    intern.add("open", (row.seq,))
    commitment = None if skeleton is None else skeleton.digest
    half = begin_digest(row, intern.text, skeleton=commitment, window=window.digest)
    session.open[item.id] = Open(row, half)


def _finish(session: Session, codec: Codec, item: PreparedFinish, parts: Iterator[Known]) -> None:
    intern = session.intern
    begin, begin_half = session.open.pop(item.id)
    skeleton, window = _body(intern, item.sent, parts)
    received = None if item.received is None else next(parts)
    delivered = None if item.delivered is None else next(parts)
    row = FinishRow._make(
        (
            begin.seq,
            session.next_link,
            item.finished_ms,
            intern.number(item.outcome),
            item.level,
            intern.name(item.backend),
            *map(intern.name, item.model),
            None if skeleton is None else skeleton.number,
            window.number,
            None if received is None else received.number,
            None if delivered is None else delivered.number,
            b"",  # it is packed with all others
        )
    )
    half = finish_digest(
        row,
        intern.text,
        sent_skeleton=None if skeleton is None else skeleton.digest,
        sent_window=window.digest,
        received=None if received is None else received.digest,
        delivered=None if delivered is None else delivered.digest,
        detail=digest.commitment(codec.salt(begin.salt), item.detail),
    )
    session.head = digest.link(session.head, row.link, KIND_EXCHANGE, begin_half, half)
    session.next_link += 1
    intern.add_packed("finish", row[:-1], item.detail, detail_place(begin.seq))
    intern.add("chain", (row.link, KIND_EXCHANGE, row.seq, session.head))
    if item.response_id is not None:
        intern.add("response", (digest.response(session.key, item.response_id), begin.seq))
    session.ended.append(begin.seq)
    intern.recent.record(Ended(begin, row, item.rules, item.scores))


def _body(intern: Intern, body: Split | None, parts: Iterator[Known]) -> tuple[Known | None, Known]:
    """The skeleton and the last node of a body whose parts come next."""
    if body is None:
        return None, ROOT
    skeleton = next(parts)
    return skeleton, intern.window([slot for slot, _ in body.window], list(islice(parts, len(body.window))))
