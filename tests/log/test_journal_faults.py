"""The journal attacked: damage, disks that fail, what lies in its place."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.log import journal as journal_module
from proxy.log.encode import Codec
from proxy.log.enter import enter
from proxy.log.journal import first_frame, journal_path
from proxy.log.prepare import Prepared
from proxy.log.request_erasure import ask
from proxy.log.schema import FILE_NAME
from proxy.log.session import Session
from proxy.log.up_to_date import bring_up_to_date
from proxy.model.level import Outcome
from tests.log.make import T0, begun, finished
from tests.log.test_journal import crash, outcomes, store_in


def test_a_group_that_could_not_be_written_is_not_there_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes the first bytes and then no more."""
    store = store_in(tmp_path)
    store.append([begun(1), begun(2)])
    pwrite = os.pwrite

    def full(file: int, data: bytes | memoryview, at: int) -> int:
        if len(data) > 40:
            pwrite(file, bytes(data)[:40], at)
            raise OSError(28, "No space left on device")
        return pwrite(file, data, at)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space"):
            store.append([finished(1, outcome=Outcome.RELEASED)])
    store.give_up()
    store.append([finished(1, outcome=Outcome.REFUSED)])
    crash(store)
    store = store_in(tmp_path)
    store.open()
    assert outcomes(tmp_path) == {1: "refused", 2: "interrupted"}
    assert not store.lost()
    store.release()


def test_tables_that_cannot_be_written_lose_nothing_of_the_journal(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append([begun(1), finished(1)])
    intruder = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.bring_in()
    store.give_up()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.probe()
    store.give_up()
    intruder.execute("ROLLBACK")
    intruder.close()
    store.probe()
    assert outcomes(tmp_path) == {1: "released"}
    store.release()


def test_a_journal_that_was_moved_away_or_put_in_its_place_is_noticed(tmp_path: Path) -> None:
    store, journal = store_in(tmp_path), journal_path(tmp_path / FILE_NAME)
    store.append([begun(1)])
    journal.rename(tmp_path / "elsewhere")
    store.append([finished(1), begun(2)])
    journal.write_bytes(b"")
    (tmp_path / "third").write_bytes(b"")
    (tmp_path / "third").replace(journal)
    store.append([finished(2)])
    crash(store)
    store = store_in(tmp_path)
    store.open()
    assert outcomes(tmp_path) == {1: "released", 2: "released"}
    store.release()


@pytest.mark.parametrize("first_gone", [False, True])
def test_a_command_tells_what_was_changed_since_the_crash(tmp_path: Path, first_gone: bool) -> None:
    """It clears the journal, so no later start could; the frame behind the damage comes in."""
    store, path = store_in(tmp_path), tmp_path / FILE_NAME
    store.append([begun(1)])
    first = journal_path(path).stat().st_size
    store.append([begun(2), finished(2), finished(1)])
    crash(store)
    content = journal_path(path).read_bytes()
    damaged = bytes(first) if first_gone else b"?" + content[1:first]
    journal_path(path).write_bytes(damaged + content[first:])
    told = bring_up_to_date(path, None, lambda: T0)
    assert ("bytes" in told) != first_gone
    assert "1 records" in told, "an end whose beginning is gone"
    assert outcomes(tmp_path) == {2: "released"}


def test_a_frame_that_stands_there_twice_does_not_keep_the_log_closed(tmp_path: Path) -> None:
    store, journal = store_in(tmp_path), journal_path(tmp_path / FILE_NAME)
    store.append([begun(1), finished(1)])
    crash(store)
    journal.write_bytes(2 * journal.read_bytes())
    store = store_in(tmp_path)
    store.open()
    assert outcomes(tmp_path) == {1: "released"}
    store.release()


def test_a_record_that_cannot_be_brought_in_keeps_no_other_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours that shows only then must not break the log at this and every later start."""
    store = store_in(tmp_path)
    store.append([begun(1), begun(2, body={"prompt": "bad"}), begun(3), finished(1)])
    store.append([finished(2), finished(3)])

    def mistaken(session: Session, codec: Codec, records: Sequence[Prepared]) -> None:
        enter(session, codec, records)
        if any(b"bad" in content for ready in records for content in ready.contents()):
            raise KeyError("never thought of")

    monkeypatch.setattr("proxy.log.enter.enter", mistaken)
    with pytest.raises(KeyError):
        store.bring_in()
    store.close()
    store.append([begun(4)])
    told = store.lost()
    assert "2 records" in told
    assert not store.lost(), "told once"
    crash(store)
    store = store_in(tmp_path)
    store.open()
    assert outcomes(tmp_path) == {1: "released", 3: "released", 4: "interrupted"}
    store.release()


@pytest.mark.parametrize("closed", [False, True])
def test_an_end_that_was_refused_does_not_count_though_the_disk_took_it_and_gave_it_up_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    store = store_in(tmp_path)
    store.append([begun(1)])
    pwrite = os.pwrite

    def failing(file: int, data: bytes | memoryview, at: int) -> int:
        if len(data) > 40:
            pwrite(file, data, at)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", failing)
        with pytest.raises(OSError, match="Input/output"):
            store.append([finished(1, outcome=Outcome.RELEASED)])
    if closed:
        store.close()
    else:
        store.give_up()
    assert store.append([finished(1, outcome=Outcome.REFUSED)], again=True) == {}
    store.bring_in()
    assert outcomes(tmp_path) == {1: "refused"}
    store.release()


def test_a_copy_of_the_journal_put_in_its_place_brings_nobody_back(tmp_path: Path) -> None:
    """As an editor or a backup's tool does: it would have stood behind what is written from then on."""
    store, path = store_in(tmp_path), tmp_path / FILE_NAME
    for number in range(4):
        store.append([begun(number, user="annette"), finished(number)])
    copy = tmp_path / "copy"
    copy.write_bytes(journal_path(path).read_bytes())
    copy.replace(journal_path(path))
    store.append([begun(9), finished(9)])
    assert b"annette" not in journal_path(path).read_bytes()
    ask(path, "user:annette", actor="test", reason=None, now_ms=int(T0 * 1000))
    store.bring_in()
    while store.index(512):
        pass
    while store.upkeep().more:
        pass
    crash(store)
    store = store_in(tmp_path)
    store.open()
    assert outcomes(tmp_path) == {9: "released"}
    store.release()


def test_what_lies_where_the_journal_is_to_be(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    journal, elsewhere = journal_path(path), tmp_path / "precious"
    store = store_in(tmp_path)
    store.write([begun(0), finished(0)])
    store.release()
    elsewhere.write_bytes(b"precious")
    for linked in (True, False):
        journal.unlink()
        journal.symlink_to(elsewhere) if linked else os.mkfifo(journal)
        with pytest.raises(OSError, match="no plain file; move it away"):
            store.open()
        store.release()
        with pytest.raises(OSError, match="no plain file"):  # and it waits for nobody who writes into a pipe
            first_frame(path)
    assert elsewhere.read_bytes() == b"precious"
    journal.unlink()
    journal.write_bytes(bytes(journal_module.JOURNAL_BYTES_MAX) + b"for annette")
    journal.chmod(0o644)
    store = store_in(tmp_path)
    store.open()
    assert f"{len(b'for annette')} bytes" in store.lost()
    assert b"annette" not in journal.read_bytes()
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    store.release()


def test_a_full_disk_leaves_the_file_open_for_whoever_reads(tmp_path: Path) -> None:
    """What the journal has cannot be brought in; opening the tables again would take room that there is not."""
    store = store_in(tmp_path)
    store.append([begun(1), finished(1)])
    db = store._connected().db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    store.append([begun(2, body={"prompt": os.urandom(20_000).hex()}), finished(2)])
    for _ in range(3):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            store.bring_in()
        store.give_up()
        assert store._spare is not None
        assert store._spare.db is db
    db.execute("PRAGMA max_page_count = 1000000")
    store.bring_in()
    assert outcomes(tmp_path) == {1: "released", 2: "released"}
    store.release()


@pytest.mark.parametrize("faulty", [False, True])
def test_a_store_that_is_moved_away_while_it_is_written_takes_all_along(tmp_path: Path, faulty: bool) -> None:
    store, path, moved = store_in(tmp_path), tmp_path / FILE_NAME, tmp_path / "moved" / FILE_NAME
    store.append([begun(1), finished(1)])
    store.bring_in()
    store.append([begun(2), finished(2)])
    moved.parent.mkdir()
    if faulty:  # as a full disk, whose log somebody moves to make room
        intruder = sqlite3.connect(path, isolation_level=None)
        intruder.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            store.bring_in()
        store.give_up()
        intruder.close()
    path.rename(moved)
    with pytest.raises(OSError, match="moved or replaced"):
        store.append([begun(3)])
    store.close()
    store.append([begun(3), finished(3)])
    store.bring_in()
    assert not store.lost()
    assert outcomes(tmp_path) == {3: "released"}
    store.release()
    assert outcomes(moved.parent) == {1: "released", 2: "released"}
