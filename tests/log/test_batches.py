"""Records of one commit: what it may hold, what it asks of the store, and who waits for whom."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from proxy.log import intern, recent, sqlite
from proxy.log.admission import ENDED_ALREADY
from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.sqlite import SqliteRecorder
from proxy.log.store import Store
from proxy.log.verify import verify
from proxy.model.record import Json
from tests.log.make import T0, begun, finished

FAR_S = 1000.0


class Commits:
    """How many records each commit had."""

    def __init__(self) -> None:
        self.records: list[int] = []

    def on_commit(self, seconds: float, records: int) -> None:
        self.records.append(records)

    def on_failure(self, reason: str) -> None:
        raise AssertionError(reason)

    def on_removed(self, why: str, exchanges: int) -> None:
        raise AssertionError(why)

    def on_queue(self, records: int) -> None:
        assert records >= 0


async def test_a_beginning_waits_for_records_that_somebody_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "COMPANY_S", FAR_S)
    commits = Commits()
    recorder = SqliteRecorder(tmp_path / "log.sqlite3", observer=commits)
    await recorder.start()
    begins = [recorder.begin(begun(number)) for number in range(3)]
    await recorder.finish(finished(1))
    assert all(begin.done() for begin in begins)
    assert commits.records == [4]
    later = recorder.begin(begun(4))
    recorder.hurry()
    await later
    last = recorder.begin(begun(5))
    await recorder.stop()
    await last
    assert commits.records == [4, 1, 1]


async def test_a_beginning_waits_only_for_a_moment(tmp_path: Path) -> None:
    recorder = SqliteRecorder(tmp_path / "log.sqlite3")
    await recorder.start()
    async with asyncio.timeout(10):
        await recorder.begin(begun(1))
    await recorder.stop()


def test_what_does_not_fit_what_is_under_way_is_refused_by_itself(tmp_path: Path) -> None:
    store = Store(tmp_path / "log.sqlite3", lambda: T0)
    refused = store.write(
        [begun(1), begun(1), finished(1), finished(1, received="another end"), finished(2), begun(3)]
    )
    assert refused == {
        1: "an exchange of this id is under way",
        3: ENDED_ALREADY,
        4: "its beginning is not on the log",
    }
    assert store.write([finished(1), finished(3)]) == {0: ENDED_ALREADY}
    store.release()
    with LogReader(tmp_path / "log.sqlite3") as reader:
        assert verify(reader).fault is None
        assert [hit["id"] for hit in reader.search(Search()).exchanges] == [f"{n:032x}" for n in (3, 1)]


def count(path: Path, table: str) -> int:
    db = sqlite3.connect(path)
    found = int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    db.close()
    return found


@pytest.mark.parametrize("restarted", [False, True])
def test_content_without_an_address_yet_is_stored_once(
    restarted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intern, "_CACHED_MAX", 0)  # what is known by heart is forgotten after each batch
    path = tmp_path / "log.sqlite3"
    store = Store(path, lambda: T0)
    store.write([begun(1), finished(1)])
    parts = count(path, "part")
    assert count(path, "part_address") == 0
    if restarted:
        store.release()
    body: Json = {"model": "support-bot", "messages": [{"role": "user", "content": "hello 1"}]}
    store.write([begun(2, body=body), finished(2)])
    assert count(path, "part") == parts
    while store.index(10):
        pass
    assert count(path, "part_address") == parts
    store.write([begun(3, body=body), finished(3, received="another reply")])
    assert count(path, "part") == parts + 1
    with LogReader(path) as reader:
        assert verify(reader).fault is None
    store.release()


@pytest.mark.parametrize("remembered", [True, False])
def test_the_indexes_are_the_same_from_memory_and_from_the_store(
    remembered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not remembered:
        monkeypatch.setattr(recent, "RECORDS_MAX", 2)
        monkeypatch.setattr(recent, "PARTS_BYTES_MAX", 100)
    path = tmp_path / "log.sqlite3"
    store = Store(path, lambda: T0)
    store.write([begun(number) for number in range(8)])
    store.write([finished(number, scores={"toxicity": number / 8}) for number in range(7)])
    store.index(3)
    store.write([finished(7, received="a needle"), begun(9, user="bob"), finished(9, scores={"insult": 0.5})])
    while store.index(3):
        pass
    store.release()
    assert count(path, "posting WHERE kind = 0") == 9
    with LogReader(path) as reader:
        assert verify(reader).fault is None
        found = {
            name: [int(str(hit["id"]), 16) for hit in reader.search(search).exchanges]
            for name, search in (
                ("score", Search(scores={"toxicity": 0.5})),
                ("word", Search(q="needle")),
                ("user", Search(subject="user:bob")),
            )
        }
    assert found == {"score": [6, 5, 4], "word": [7], "user": [9]}


def test_a_commit_asks_the_store_a_few_times_however_many_records_it_has(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "log.sqlite3", lambda: T0)
    store.open()
    asked: list[str] = []
    session = store._session  # what it costs is what is looked at
    assert session is not None
    store.write([begun(0), finished(0)])
    session.db.set_trace_callback(asked.append)

    def statements(first: int, exchanges: int) -> int:
        asked.clear()
        numbers = range(first, first + exchanges)
        store.write([begun(number) for number in numbers])
        store.write([finished(number, received=f"reply {number}") for number in numbers])
        return len(asked)

    assert statements(100, 1) <= 18
    assert statements(200, 16) <= 18
    store.release()
