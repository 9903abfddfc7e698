"""Conversations that a backend keeps, read back: each reply leads to its request, and that to the reply before."""

from __future__ import annotations

from typing import Final

from proxy.log import digest
from proxy.log.fetch import RECORD, read_record
from proxy.log.port import Chain, Previous
from proxy.log.prepare import read_detail
from proxy.log.query import LogReader
from proxy.log.rows import BeginRow, FinishRow
from proxy.model.record import Kept
from proxy.model.subject import Subject

TURNS_MAX: Final = 256
"""How many replies one conversation is followed back."""
BYTES_MAX: Final = 4 * 1024 * 1024
"""How much content of it is read, a window that grew with each turn counted each time."""
ABOUT_ONE_MAX: Final = 8
"""Of the exchanges about one reply so many of the oldest are read, and as many of the newest: one asked for it, and
it may have been looked at again and again since."""

_ABOUT: Final = "SELECT seq FROM response WHERE address = ? ORDER BY seq"


def conversation(reader: LogReader, id: str, previous: Previous) -> Chain | None:
    """See `Recorder.conversation`. Raises Damaged, sqlite3.Error."""
    db = reader.db
    turns: list[tuple[Kept, ...]] = []
    seen: set[str] = set()
    read_bytes = 0
    db.execute("BEGIN")  # one snapshot: what is removed meanwhile must not be half there
    try:
        following: str | None = id
        while following is not None:
            if following in seen or len(turns) >= TURNS_MAX or read_bytes > BYTES_MAX:
                return None
            seen.add(following)
            address = digest.response(reader.key, following)
            seqs = {
                seq
                for order in ("ASC", "DESC")
                for (seq,) in db.execute(f"{_ABOUT} {order} LIMIT {ABOUT_ONE_MAX}", (address,))
            }
            found: list[Kept] = []
            for seq in sorted(seqs):
                row = db.execute(f"{RECORD} WHERE e.seq = ?", (seq,)).fetchone()
                begin, finish = read_record(row)
                if finish is not None:
                    kept, size = _kept(reader, begin, finish)
                    found.append(kept)
                    read_bytes += size
            if not found:
                return None
            turns.append(tuple(found))
            following = next((previous(one.request) for one in reversed(found) if one.request), None)
    finally:
        db.execute("COMMIT")
    return tuple(reversed(turns))


def _kept(reader: LogReader, begin: BeginRow, finish: FinishRow) -> tuple[Kept, int]:
    """What is needed of an exchange, and about how many bytes that took to read."""
    fetch = reader.fetch
    asked = (begin.skeleton, begin.node)
    if finish.sent_skeleton is not None:
        asked = (finish.sent_skeleton, finish.sent_node)
    reply = finish.received if finish.delivered is None else finish.delivered
    said = b"" if reply is None else fetch.content(reply)
    kept = Kept(
        subject=Subject(*map(fetch.name, (begin.key, begin.user, begin.ip, begin.region))),
        stream=bool(begin.stream),
        request=fetch.body(*asked),
        reply=fetch.value(reply),
        outcome=fetch.name(finish.outcome) or "",
        finish_reason=read_detail(fetch.detail(finish)).finish_reason,
    )
    return kept, len(said) + begin.body_bytes
