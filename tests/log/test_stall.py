"""A disk that does not answer: callers are told in time, memory stays bounded, and it all goes on afterwards."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog

from proxy.errors import LogUnavailable
from proxy.log import health, kept, sqlite, writer
from proxy.log.items import Item
from proxy.log.port import Search
from proxy.log.prepare import Entry
from proxy.log.query import LogReader
from proxy.log.sqlite import SqliteRecorder
from proxy.log.store import Store
from proxy.log.writer import Writer
from proxy.model.level import Outcome
from proxy.model.record import Begun
from tests.log.make import begun, finished


class Counts:
    """Keeps the reasons that the recorder gives its observer."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def on_commit(self, seconds: float, records: int) -> None:
        assert records

    def on_failure(self, reason: str) -> None:
        self.failures.append(reason)

    def on_removed(self, why: str, exchanges: int) -> None:
        raise AssertionError("nothing was to be removed")

    def on_queue(self, records: int) -> None:
        assert records >= 0


def silent(monkeypatch: pytest.MonkeyPatch, *, but: type[Entry] | None = None) -> threading.Event:
    """A disk that takes nothing, but where there is only that in a batch, before the event is set; the limits
    of a stall are short."""
    go_on = threading.Event()
    write = Store.append

    def stalled(self: Store, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        if but is None or any(not isinstance(entry, but) for entry in entries):
            go_on.wait(20)
        return write(self, entries, again=again)

    monkeypatch.setattr(Store, "append", stalled)
    monkeypatch.setattr(sqlite, "STALL_S", 0.1)
    monkeypatch.setattr(sqlite, "_WATCH_S", 0.02)
    return go_on


async def healthy(recorder: SqliteRecorder) -> None:
    async with asyncio.timeout(10):
        while not recorder.healthy:  # noqa: ASYNC110  # the recorder tells nobody of its health; it is asked
            await asyncio.sleep(0.01)


async def test_a_stalled_commit_fails_those_who_wait_and_new_ones_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = silent(monkeypatch)
    recorder = SqliteRecorder(tmp_path / "log.sqlite3")
    await recorder.start()
    with pytest.raises(LogUnavailable, match="has not answered"):
        await asyncio.wait_for(recorder.begin(begun(1)), 10)
    assert recorder.fault is not None
    late = recorder.begin(begun(2))
    assert late.done()
    assert isinstance(late.exception(), LogUnavailable)
    go_on.set()
    await healthy(recorder)
    # The records were refused to their callers and written all the same: their ends find them.
    await recorder.finish(finished(1))
    await recorder.finish(finished(2))
    await recorder.stop()


async def test_a_revocable_end_that_was_refused_leaves_its_place_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = silent(monkeypatch, but=Begun)
    recorder = SqliteRecorder(tmp_path / "log.sqlite3")
    await recorder.start()
    for number in (1, 2, 3):
        await recorder.begin(begun(number))
    left = recorder.finish(finished(2, outcome=Outcome.RELEASED), revocable=True)
    left.cancel()
    with pytest.raises(LogUnavailable, match="has not answered"):
        await recorder.finish(finished(1, outcome=Outcome.RELEASED), revocable=True)
    ends = [recorder.finish(finished(number, outcome=Outcome.REFUSED)) for number in (1, 2)]
    assert all(isinstance(end.exception(), LogUnavailable) for end in ends), (
        "told at once, written afterwards"
    )
    go_on.set()
    await healthy(recorder)
    too_late = recorder.finish(finished(3, outcome=Outcome.RELEASED), revocable=True)
    await too_late
    assert not too_late.cancel()
    with (
        structlog.testing.capture_logs() as lines,
        pytest.raises(LogUnavailable, match="its end on the log already"),
    ):
        await recorder.finish(finished(3, outcome=Outcome.REFUSED))
    told = {key: lines[-1][key] for key in ("event", "exchange", "outcome")}
    assert told == {"event": "log_overtaken", "exchange": begun(3).id, "outcome": "refused"}
    page = await recorder.search(Search())
    assert [row["outcome"] for row in page.exchanges] == ["released", "refused", "refused"]
    await recorder.stop()


async def test_a_revocable_end_that_could_not_be_written_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Store.append
    faults: list[Exception] = []

    def failing(self: Store, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        if faults:
            raise faults.pop()
        return write(self, entries, again=again)

    monkeypatch.setattr(Store, "append", failing)
    recorder = SqliteRecorder(tmp_path / "log.sqlite3")
    await recorder.start()
    await recorder.begin(begun(1))
    faults.append(OSError("a fault that passes"))
    with pytest.raises(LogUnavailable, match="a fault that passes"):
        await recorder.finish(finished(1, outcome=Outcome.RELEASED), revocable=True)
    with pytest.raises(LogUnavailable, match="a fault that passes"):
        await recorder.finish(finished(1, outcome=Outcome.REFUSED))
    await healthy(recorder)
    page = await recorder.search(Search())
    assert [row["outcome"] for row in page.exchanges] == ["refused"]
    await recorder.stop()


async def test_what_is_kept_through_a_fault_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "KEPT_RECORDS_MAX", 5)
    folder = tmp_path / "data"
    folder.write_text("in the way")
    counts = Counts()
    recorder = SqliteRecorder(folder / "log.sqlite3", observer=counts)
    await recorder.start()
    futures = [recorder.begin(begun(number)) for number in range(12)]
    answers = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(answer, LogUnavailable) for answer in answers)
    assert counts.failures.count("dropped") == 7
    folder.unlink()
    await healthy(recorder)
    ends = [recorder.finish(finished(number)) for number in range(12)]
    answers = await asyncio.gather(*ends, return_exceptions=True)
    assert [answer is None for answer in answers] == [True] * 5 + [False] * 7
    await recorder.stop()


async def test_a_mistake_in_the_writer_costs_its_batch_and_not_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Store.append
    broken = [True]

    def mistaken(self: Store, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        if broken.pop() if broken else False:
            raise KeyError("never thought of")
        return write(self, entries, again=again)

    monkeypatch.setattr(Store, "append", mistaken)
    recorder = SqliteRecorder(tmp_path / "log.sqlite3")
    await recorder.start()
    with pytest.raises(LogUnavailable, match="KeyError"):
        await recorder.begin(begun(1))
    await healthy(recorder)
    await recorder.begin(begun(2))
    await recorder.stop()


async def test_what_was_kept_and_cannot_be_written_does_not_hold_up_the_log_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Store.append
    faults: list[Exception] = [OSError("a fault that passes")]

    def mistaken(self: Store, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        if faults:
            raise faults.pop()
        if any(entry.id == f"{1:032x}" for entry in entries):
            raise KeyError("never thought of")
        return write(self, entries, again=again)

    monkeypatch.setattr(Store, "append", mistaken)
    counts = Counts()
    recorder = SqliteRecorder(tmp_path / "log.sqlite3", observer=counts)
    await recorder.start()
    with pytest.raises(LogUnavailable, match="a fault that passes"):
        await recorder.begin(begun(1))  # kept, and a mistake of ours from now on
    await healthy(recorder)
    assert counts.failures == ["io", "dropped"]
    await recorder.begin(begun(2))
    await recorder.stop()


async def test_going_down_and_coming_back_are_told_once_each_and_quote_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Store.append
    broken = [True]

    def failing(self: Store, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        if broken:
            raise KeyError("sk-canary")
        return write(self, entries, again=again)

    monkeypatch.setattr(Store, "append", failing)
    monkeypatch.setattr(Store, "probe", lambda self: failing(self, ()))
    monkeypatch.setattr(writer, "RETRY_S", 0.001)
    monkeypatch.setattr(health, "TELL_S", 0.0)
    with structlog.testing.capture_logs() as lines:
        recorder = SqliteRecorder(tmp_path / "log.sqlite3")
        await recorder.start()
        for number in range(20):
            with pytest.raises(LogUnavailable, match="KeyError") as raised:
                await recorder.begin(begun(number))
            assert "canary" not in str(raised.value)
        broken.clear()
        await healthy(recorder)
        await recorder.begin(begun(100))
        await asyncio.sleep(0)
    down, up = lines
    assert (down["event"], down["reason"], down["log_level"]) == ("log_down", "bug", "error")
    assert down["fault"][0].startswith("KeyError < ")
    assert (up["event"], up["log_level"]) == ("log_up", "warning")
    assert "canary" not in str(lines)
    await recorder.stop()


async def test_a_log_that_comes_and_goes_does_not_flood_the_proxys_own_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Store.append
    calls = iter(range(1000))

    def flapping(self: Store, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        if next(calls) % 2:
            raise OSError("now and then")
        return write(self, entries, again=again)

    monkeypatch.setattr(Store, "append", flapping)
    monkeypatch.setattr(writer, "RETRY_S", 0.0)
    monkeypatch.setattr(health, "TELL_S", 60.0)
    with structlog.testing.capture_logs() as lines:
        recorder = SqliteRecorder(tmp_path / "log.sqlite3")
        await recorder.start()
        for number in range(100):
            await asyncio.gather(recorder.begin(begun(number)), return_exceptions=True)
        await recorder.stop()
    assert [line["event"] for line in lines] == ["log_down"]


async def test_a_writer_that_ended_is_not_taken_for_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(self: Writer, batch: list[Item]) -> None:
        self._stopping = True

    monkeypatch.setattr(Writer, "_commit", ends)
    recorder = SqliteRecorder(tmp_path / "log.sqlite3")
    await recorder.start()
    with pytest.raises(LogUnavailable, match="has ended"):
        await asyncio.wait_for(recorder.begin(begun(1)), 10)
    assert not recorder.healthy
    late = recorder.begin(begun(2))
    assert late.done()
    assert isinstance(late.exception(), LogUnavailable)
    await recorder.stop()


async def test_a_stall_takes_no_more_memory_than_the_queue_may_and_all_of_it_is_written_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = silent(monkeypatch)
    monkeypatch.setattr(sqlite, "QUEUE_RECORDS_MAX", 20)
    counts = Counts()
    recorder = SqliteRecorder(tmp_path / "log.sqlite3", observer=counts)
    await recorder.start()
    with pytest.raises(LogUnavailable, match="has not answered"):
        await recorder.begin(begun(0))
    late = [recorder.begin(begun(number)) for number in range(1, 40)]
    assert all(isinstance(one.exception(), LogUnavailable) for one in late)
    assert recorder.queue_depth == 20
    assert counts.failures == ["stalled"] * 20 + ["queue_full"] * 20
    go_on.set()
    await healthy(recorder)
    await recorder.stop()
    with LogReader(tmp_path / "log.sqlite3") as reader:
        ids = [hit["id"] for hit in reader.search(Search()).exchanges]
    assert ids == [begun(number).id for number in reversed(range(20))]
