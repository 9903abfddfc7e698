"""Heads beside the store: what is cut off the end shows, and so does any byte changed in either file."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from proxy.log import heads, store
from proxy.log.heads import heads_path
from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.seal import StoreUnusable
from proxy.log.sqlite import SqliteRecorder
from proxy.log.store import Store
from proxy.log.verify import Verdict, verify
from proxy.model.record import Json
from tests.log.make import T0, begun, finished
from tests.waits import within

RECORDS = 6


def written(path: Path, *, guarded: int = RECORDS) -> Path:
    """A store with a head after every record up to `guarded`."""
    log = Store(path, lambda: T0)
    for number in range(RECORDS):
        log.write([begun(number), finished(number, received=f"reply {number}")])
        if number < guarded:
            log.put_head(last=True)
    log.checkpoint()
    log.release()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    return path


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = written(tmp_path_factory.mktemp("heads") / "log.sqlite3")
    assert check(path) == (None, 0)
    return path


@pytest.fixture(scope="module")
def copy(pristine: Path) -> Callable[[], Path]:
    def fresh() -> Path:
        folder = pristine.parent / "copy"
        folder.mkdir(exist_ok=True)
        for file in (pristine, heads_path(pristine)):
            shutil.copy(file, folder)
        return folder / pristine.name

    return fresh


def verdict_of(path: Path) -> Verdict:
    with LogReader(path) as reader:
        return verify(reader)


def check(path: Path) -> tuple[str | None, int | None]:
    verdict = verdict_of(path)
    return (None if verdict.fault is None else verdict.fault.text), verdict.unguarded


def cut(path: Path, keep: int) -> None:
    """Take records off the end as somebody would who knows the tables."""
    db = sqlite3.connect(path)
    with db:
        seqs = "SELECT seq FROM chain WHERE link > ?"
        for table in ("posting", "finish", "exchange"):
            db.execute(f"DELETE FROM {table} WHERE seq IN ({seqs})", (keep,))
        db.execute("DELETE FROM chain WHERE link > ?", (keep,))
        db.execute("UPDATE store SET indexed_link = min(indexed_link, ?)", (keep,))
    db.close()


@pytest.mark.parametrize("keep", range(RECORDS))
def test_records_cut_off_the_end_show(copy: Callable[[], Path], keep: int) -> None:
    path = copy()
    cut(path, keep)
    fault = verdict_of(path).fault
    assert fault is not None
    assert fault.link == keep + 1
    assert "missing from the end" in fault.text


def test_without_heads_the_cut_does_not_show_and_that_is_said(copy: Callable[[], Path]) -> None:
    path = copy()
    cut(path, 3)
    heads_path(path).unlink()
    assert check(path) == (None, None)


def test_records_behind_the_last_head_are_counted(tmp_path: Path) -> None:
    assert check(written(tmp_path / "log.sqlite3", guarded=4)) == (None, 2)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_byte_changed_in_the_heads_shows(copy: Callable[[], Path], data: st.DataObject) -> None:
    path = copy()
    lines = bytearray(heads_path(path).read_bytes())
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] ^= data.draw(st.integers(1, 255))
    heads_path(path).write_bytes(lines)
    assert verdict_of(path).fault is not None


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_head_removed_or_swapped_shows(copy: Callable[[], Path], data: st.DataObject) -> None:
    path = copy()
    lines = heads_path(path).read_bytes().splitlines(keepends=True)
    one, other = sorted(data.draw(st.permutations(range(len(lines))))[:2])
    if data.draw(st.booleans()):
        lines[one], lines[other] = lines[other], lines[one]
    else:
        del lines[one]
    heads_path(path).write_bytes(b"".join(lines))
    assert verdict_of(path).fault is not None


def contents(path: Path) -> list[Json]:
    with LogReader(path) as reader:
        return [dict(record) for record in reader.records(Search(limit=100))]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_byte_changed_in_the_file_shows_or_changes_nothing_that_is_read(
    pristine: Path, copy: Callable[[], Path], data: st.DataObject
) -> None:
    path = copy()
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        fault = verdict_of(path).fault
    except (StoreUnusable, sqlite3.DatabaseError):
        return  # the file cannot be read at all: that shows
    if fault is None:
        assert contents(path) == contents(pristine)


def test_the_file_is_its_owners_and_a_line_cut_short_by_a_crash_is_mended(tmp_path: Path) -> None:
    path = written(tmp_path / "log.sqlite3", guarded=2)
    file = heads_path(path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open("ab") as lines:
        lines.write(b"000000000003 17900000")
    assert check(path) == (None, RECORDS - 2)  # no head yet, and no fault either
    log = Store(path, lambda: T0)
    log.open()
    log.put_head(last=True)
    log.release()
    assert check(path) == (None, 0)


def test_heads_come_after_so_many_records_or_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = T0
    path = tmp_path / "log.sqlite3"
    log = Store(path, lambda: now)
    monkeypatch.setattr(store, "HEAD_RECORDS", 3)

    def unguarded() -> int | None:
        log.put_head()
        return verdict_of(path).unguarded

    log.write([begun(1), finished(1)])
    assert unguarded() == 0
    log.write([begun(2), finished(2)])
    assert unguarded() == 1
    now += heads.HEAD_S
    assert unguarded() == 0
    for number in (3, 4, 5):
        log.write([begun(number), finished(number)])
        assert unguarded() == {3: 1, 4: 2, 5: 0}[number]
    log.release()


def test_heads_of_another_store_do_not_pass(tmp_path: Path) -> None:
    path = written(tmp_path / "log.sqlite3")
    (tmp_path / "other").mkdir()
    other = written(tmp_path / "other" / "log.sqlite3")
    shutil.copy(heads_path(other), heads_path(path))
    assert verdict_of(path).fault is not None


async def test_a_running_log_writes_its_head_at_the_end_and_says_at_the_start_what_is_gone(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.sqlite3"
    recorder = SqliteRecorder(path)
    await recorder.start()
    for number in range(5):
        await recorder.begin(begun(number))
        await recorder.finish(finished(number))
    await recorder.stop()
    assert check(path) == (None, 0)
    cut(path, 3)
    with capture_logs() as lines:
        again = SqliteRecorder(path)
        await again.start()
        await again.begin(begun(10))
        await again.finish(finished(10))
        await again.stop()
    assert [line["reason"] for line in lines if line["event"] == "log_noted"] == ["cut_off"]
    fault = verdict_of(path).fault
    assert fault is not None  # what was written since does not cover it up
    assert "missing from the end" in fault.text


async def test_heads_that_cannot_be_written_stop_no_record(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    heads_path(path).mkdir()
    told: asyncio.Event = asyncio.Event()

    class Observer:
        def on_commit(self, seconds: float, records: int) -> None: ...

        def on_failure(self, reason: str) -> None:
            assert reason == "heads"
            told.set()

        def on_queue(self, records: int) -> None: ...

        def on_removed(self, why: str, exchanges: int) -> None: ...

    recorder = SqliteRecorder(path, observer=Observer())
    await recorder.start()
    await recorder.begin(begun(1))
    await recorder.finish(finished(1))
    await within(told.wait())
    assert recorder.healthy
    await recorder.stop()
