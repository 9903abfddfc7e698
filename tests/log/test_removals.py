"""Removals in the chain: `verify` goes over what they emptied, and over nothing else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from proxy.log.keep import Keep
from proxy.log.query import LogReader
from proxy.log.request_erasure import ask
from proxy.log.store import Store
from proxy.log.verify import verify
from tests.log.make import T0
from tests.log.removing import DAY_S, check, put, upkeep


@pytest.fixture(scope="module")
def thinned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that lost runs of records to erasure and to retention."""
    path = tmp_path_factory.mktemp("thinned") / "log.sqlite3"
    store = Store(path, lambda: T0 + 6 * DAY_S, Keep({"redacted": DAY_S}))
    for number in range(12):
        put(store, number, user="ann" if number in (2, 3, 8) else "bob", words=f"w{number}")
        store.put_head(last=True)
    ask(path, "user:ann", actor="command", reason=None, now_ms=5)
    assert upkeep(store) == 5
    put(store, 20, user="ann", words="later")
    store.put_head(last=True)
    upkeep(store)
    store.checkpoint()
    store.release()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    check(path)
    return path


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE removal SET at_ms = at_ms + 1 WHERE link = (SELECT max(link) FROM removal)",
        "UPDATE removal SET last_seq = last_seq + 1 WHERE link = (SELECT max(link) FROM removal)",
        "UPDATE removal SET detail = (SELECT detail FROM removal ORDER BY link LIMIT 1)",
        "DELETE FROM removal WHERE link = (SELECT max(link) FROM removal)",
        "UPDATE removed_link SET hash = zeroblob(32) WHERE first = (SELECT max(first) FROM removed_link)",
        "UPDATE removed_link SET last = last + 1 WHERE first = (SELECT max(first) FROM removed_link)",
        "UPDATE removed_link SET removal = removal + 1 WHERE first = (SELECT max(first) FROM removed_link)",
        "DELETE FROM removed_link WHERE first = (SELECT max(first) FROM removed_link)",
        "DELETE FROM removed_seq WHERE first = (SELECT max(first) FROM removed_seq)",
        "UPDATE removed_seq SET removal = removal + 1 WHERE first = (SELECT max(first) FROM removed_seq)",
        "INSERT INTO removed_link VALUES (99, 99, zeroblob(32), 99)",
        "INSERT INTO removed_seq VALUES (99, 99, 99)",
        "DELETE FROM chain WHERE kind = 1",
    ],
)
def test_a_removal_cannot_be_changed_or_made_up(thinned: Path, tmp_path: Path, sql: str) -> None:
    assert tampered(thinned, tmp_path, sql) is not None


@pytest.mark.parametrize("seq", [1, 2, 5, 7, 10, 12, 13])
def test_a_record_taken_out_beside_the_removals_shows(thinned: Path, tmp_path: Path, seq: int) -> None:
    fault = tampered(
        thinned,
        tmp_path,
        f"DELETE FROM chain WHERE seq = {seq}",
        f"DELETE FROM posting WHERE seq = {seq}",
        f"DELETE FROM finish WHERE seq = {seq}",
        f"DELETE FROM exchange WHERE seq = {seq}",
    )
    with sqlite3.connect(thinned) as db:
        there = db.execute("SELECT 1 FROM exchange WHERE seq = ?", (seq,)).fetchone()
    db.close()
    assert (fault is None) == (there is None)


def tampered(pristine: Path, folder: Path, *statements: str) -> str | None:
    copy = folder / pristine.name
    for name in ("log.sqlite3", "log.heads"):
        (folder / name).write_bytes((pristine.parent / name).read_bytes())
    db = sqlite3.connect(copy)
    with db:
        for sql in statements:
            db.execute(sql)
    db.close()
    with LogReader(copy) as reader:
        fault = verify(reader).fault
    return None if fault is None else fault.text
