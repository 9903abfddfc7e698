"""The recorder: durable when it says so, bounded, quick to fail and quick to recover."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.errors import LogUnavailable
from proxy.log import sqlite
from proxy.log.journal import first_frame, journal_path
from proxy.log.port import Search
from proxy.log.reading import READS_MAX
from proxy.log.seal import StoreUnusable
from proxy.log.sqlite import SqliteRecorder
from proxy.model.level import Outcome
from proxy.model.record import Json
from tests.log.make import begun, finished


class Seen:
    """Keeps what the recorder tells its observer."""

    def __init__(self) -> None:
        self.commits: list[int] = []
        self.failures: list[str] = []
        self.queue: list[int] = []

    def on_commit(self, seconds: float, records: int) -> None:
        assert seconds >= 0
        self.commits.append(records)

    def on_failure(self, reason: str) -> None:
        self.failures.append(reason)

    def on_removed(self, why: str, exchanges: int) -> None:
        raise AssertionError("nothing was to be removed")

    def on_queue(self, records: int) -> None:
        self.queue.append(records)


def path_in(folder: Path) -> Path:
    return folder / "data" / "exchanges.db"


@pytest.fixture
async def recorder(tmp_path: Path) -> AsyncIterator[SqliteRecorder]:
    recorder = SqliteRecorder(path_in(tmp_path), observer=None)
    await recorder.start()
    yield recorder
    await recorder.stop()


async def test_a_record_is_durable_once_its_future_resolved_and_soon_there_for_other_readers(
    tmp_path: Path,
) -> None:
    recorder = SqliteRecorder(path_in(tmp_path))
    await recorder.start()
    other = sqlite3.connect(path_in(tmp_path))
    await recorder.begin(begun(1))
    assert first_frame(path_in(tmp_path)), "the journal has it"
    await rows(other, "SELECT id FROM exchange", [(f"{1:032x}",)])
    assert other.execute("SELECT count(*) FROM open").fetchone() == (1,)
    await recorder.finish(finished(1))
    await rows(other, "SELECT seq, link FROM finish", [(1, 1)])
    assert other.execute("SELECT count(*) FROM open").fetchone() == (0,)
    await recorder.stop()
    assert journal_path(path_in(tmp_path)).read_bytes().strip(b"\0") == b"", "and no longer"
    other.close()


async def rows(db: sqlite3.Connection, sql: str, expected: list[tuple[object, ...]]) -> None:
    async with asyncio.timeout(10):
        while db.execute(sql).fetchall() != expected:  # noqa: ASYNC110  # another process would ask as well
            await asyncio.sleep(0.02)


async def test_the_whole_record_comes_back(recorder: SqliteRecorder) -> None:
    body: Json = {"model": "support-bot", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}
    await recorder.begin(begun(1, body=body))
    await recorder.finish(finished(1, received="good day", outcome=Outcome.RELEASED))
    record = await recorder.show(f"{1:032x}")
    assert record is not None
    assert list(record) == [
        "id", "started_at", "finished_at", "api", "path", "stream", "app", "subject", "model", "backend", "level",
        "policy", "request", "response", "latency_ms", "findings", "scores", "outcome", "error", "body_bytes",
        "hash", "previous_hash",
    ]  # fmt: skip
    assert record["request"] == {"body": body}
    assert record["started_at"] == "2026-09-21T14:13:21.250Z"
    assert record["response"] == {
        "received": "good day",
        "finish_reason": "stop",
        "logprobs": None,
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    assert await recorder.show("nobody") is None


async def test_an_exchange_under_way_is_shown_without_an_outcome(recorder: SqliteRecorder) -> None:
    await recorder.begin(begun(1))
    record = await recorder.show(f"{1:032x}")
    assert record is not None
    assert (record["outcome"], record["finished_at"], record["hash"]) == (None, None, None)
    page = await recorder.search(Search())
    assert [hit["outcome"] for hit in page.exchanges] == [None]


async def test_a_begin_and_its_end_may_share_one_commit(tmp_path: Path) -> None:
    seen = Seen()
    recorder = SqliteRecorder(path_in(tmp_path), observer=seen)
    await recorder.start()
    futures = [
        future for n in range(50) for future in (recorder.begin(begun(n)), recorder.finish(finished(n)))
    ]
    await asyncio.gather(*futures)
    assert sum(seen.commits) == 100
    assert len(seen.commits) < 50
    await recorder.stop()
    assert recorder.queue_depth == 0


async def test_files_are_for_their_owner_alone(recorder: SqliteRecorder, tmp_path: Path) -> None:
    await recorder.begin(begun(1))
    folder = path_in(tmp_path).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert "exchanges.db-wal" in modes


async def test_async_durability_resolves_at_once_and_still_writes(tmp_path: Path) -> None:
    recorder = SqliteRecorder(path_in(tmp_path), durability="async")
    await recorder.start()
    assert recorder.begin(begun(1)).done()
    assert recorder.finish(finished(1)).done()
    await recorder.stop()
    with sqlite3.connect(path_in(tmp_path)) as db:
        assert db.execute("SELECT count(*) FROM finish").fetchone() == (1,)


async def test_stop_writes_what_is_queued(tmp_path: Path) -> None:
    recorder = SqliteRecorder(path_in(tmp_path))
    await recorder.start()
    futures = [recorder.begin(begun(n)) for n in range(300)]
    await recorder.stop()
    assert all(future.exception() is None for future in futures)
    late = recorder.begin(begun(999))
    with pytest.raises(LogUnavailable, match="closing"):
        await late


async def test_a_locked_store_fails_fast_with_a_reason_and_recovers(tmp_path: Path) -> None:
    seen = Seen()
    recorder = SqliteRecorder(path_in(tmp_path), observer=seen)
    await recorder.start()
    await recorder.begin(begun(1))
    await recorder.show("")  # it comes into the tables
    intruder = sqlite3.connect(path_in(tmp_path), isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    await recorder.finish(finished(1))  # the journal is not locked
    async with asyncio.timeout(10):
        while recorder.healthy:  # noqa: ASYNC110  # the recorder tells nobody of its health; it is asked
            await asyncio.sleep(0.02)
    with pytest.raises(LogUnavailable, match="locked"):
        await asyncio.wait_for(recorder.begin(begun(3)), 5)
    with pytest.raises(LogUnavailable, match="locked"):
        await asyncio.wait_for(recorder.begin(begun(2)), 5)
    assert not recorder.healthy
    assert seen.failures == ["locked", "locked"]
    intruder.execute("ROLLBACK")
    intruder.close()
    await healthy(recorder)
    # What failed meanwhile was kept, in order, and is written now.
    await recorder.finish(finished(2))
    outcomes = [hit["outcome"] for hit in (await recorder.search(Search())).exchanges]
    assert outcomes == [None, "released", "released"]
    await recorder.stop()


async def healthy(recorder: SqliteRecorder) -> None:
    async with asyncio.timeout(10):
        while not recorder.healthy:  # noqa: ASYNC110  # the recorder tells nobody of its health; it is asked
            await asyncio.sleep(0.02)


async def test_a_full_disk_fails_fast_and_recovers(tmp_path: Path) -> None:
    """A file size limit stands in for the disk: SQLite meets EFBIG where it would meet ENOSPC."""
    import resource

    recorder = SqliteRecorder(path_in(tmp_path))
    await recorder.start()
    await recorder.begin(begun(1))
    await recorder.show("")  # it comes into the tables
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        for n in range(2, 12):
            with pytest.raises(LogUnavailable, match="cannot be written"):
                await asyncio.wait_for(recorder.begin(begun(n, body={"prompt": os.urandom(4000).hex()})), 5)
        assert not recorder.healthy
        assert (await recorder.show(f"{1:032x}")) is not None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await healthy(recorder)
    await asyncio.gather(*(recorder.finish(finished(n)) for n in range(1, 12)))
    await recorder.stop()


async def test_a_store_that_cannot_be_opened_yet_lets_the_proxy_start(tmp_path: Path) -> None:
    folder = path_in(tmp_path).parent
    folder.write_text("in the way")  # a file where the folder should be: no root rights get past that
    recorder = SqliteRecorder(path_in(tmp_path))
    await recorder.start()
    assert not recorder.healthy
    with pytest.raises(LogUnavailable):
        await recorder.begin(begun(1))
    folder.unlink()
    await healthy(recorder)
    await recorder.finish(finished(1))
    await recorder.stop()


async def test_a_file_moved_away_is_noticed(tmp_path: Path) -> None:
    recorder = SqliteRecorder(path_in(tmp_path))
    await recorder.start()
    await recorder.begin(begun(1))
    path_in(tmp_path).rename(tmp_path / "elsewhere.db")
    with pytest.raises(LogUnavailable):
        await recorder.finish(finished(1))
    await recorder.stop()


async def test_the_queue_is_bounded_by_records_and_bytes(
    recorder: SqliteRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "QUEUE_RECORDS_MAX", 3)
    futures = [recorder.begin(begun(n)) for n in range(5)]
    assert recorder.queue_depth == 3
    answers = await asyncio.gather(*futures, return_exceptions=True)
    assert answers[:3] == [None, None, None]
    assert [str(answer) for answer in answers[3:]] == ["the exchange log's queue is full"] * 2

    monkeypatch.setattr(sqlite, "QUEUE_RECORDS_MAX", 8192)
    monkeypatch.setattr(sqlite, "QUEUE_BYTES_MAX", 100_000)
    large: list[asyncio.Future[None]] = [
        recorder.finish(finished(n, received="x" * 90_000)) for n in range(2)
    ]
    assert (await asyncio.gather(*large, return_exceptions=True))[0] is None
    assert isinstance(large[1].exception(), LogUnavailable)


async def test_one_bad_record_costs_only_itself(recorder: SqliteRecorder) -> None:
    bad = recorder.begin(begun(1, body={"set": {1, 2}}))  # type: ignore[dict-item]  # no JSON value: a bug's work
    good = recorder.begin(begun(2))
    orphan = recorder.finish(finished(3))
    answers = await asyncio.gather(bad, good, orphan, return_exceptions=True)
    assert [type(answer) for answer in answers] == [LogUnavailable, type(None), LogUnavailable]
    assert "beginning is not on the log" in str(answers[2])


async def test_what_a_crash_cut_is_interrupted_at_the_next_start(tmp_path: Path) -> None:
    first = SqliteRecorder(path_in(tmp_path))
    await first.start()
    await asyncio.gather(*(first.begin(begun(n)) for n in range(3)))
    await first.finish(finished(1))
    await first.stop()  # the exchanges 0 and 2 are still under way: as good as a crash to the store
    second = SqliteRecorder(path_in(tmp_path), clock=lambda: 1_800_000_000.0)
    await second.start()
    page = await second.search(Search(outcome="interrupted"))
    assert [hit["id"] for hit in page.exchanges] == [f"{2:032x}", f"{0:032x}"]
    assert page.exchanges[0]["finished_at"] == "2027-01-15T08:00:00.000Z"
    with pytest.raises(LogUnavailable):
        await second.finish(finished(2))
    await second.stop()


async def test_two_proxies_do_not_write_one_log(
    recorder: SqliteRecorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.log.writer.LOCK_WAIT_S", 0.0)
    second = SqliteRecorder(path_in(tmp_path))
    with pytest.raises(StoreUnusable, match="another proxy"):
        await second.start()
    await second.stop()


async def test_two_hundred_conversations_are_told_at_once_whatever_people_ask(
    recorder: SqliteRecorder,
) -> None:
    await recorder.begin(begun(1, body={"input": "hi"}))
    await recorder.finish(replace(finished(1), response_id="resp_1"))
    searches = [asyncio.ensure_future(recorder.search(Search())) for _ in range(READS_MAX)]
    chains = await asyncio.gather(*(recorder.conversation("resp_1", lambda _: None) for _ in range(200)))
    assert {chain and chain[0][0].reply for chain in chains} == {"good day"}
    await asyncio.gather(*searches)


async def test_more_readers_than_wait_read_what_there_is(
    recorder: SqliteRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.log.behind.BRING_IN_S", 60.0)
    monkeypatch.setattr(sqlite, "READERS_WAITING_MAX", 0)
    await recorder.begin(begun(1))
    assert await recorder.show(f"{1:032x}") is None
    monkeypatch.setattr(sqlite, "READERS_WAITING_MAX", 1)
    for _ in range(3):  # a reader that was answered waits no more
        assert await recorder.show(f"{1:032x}") is not None
