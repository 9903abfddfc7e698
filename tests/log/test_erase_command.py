"""`log erase` and `log compact`, with a proxy that writes the log and without one."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from proxy.commands.log import app_log
from proxy.log import keep
from proxy.log.keep import Keep
from proxy.log.query import LogReader
from proxy.log.schema import FILE_NAME
from proxy.log.seal import StoreUnusable
from proxy.log.sqlite import SqliteRecorder
from proxy.log.store import Store
from proxy.log.verify import verify
from tests.log.make import T0, begun, finished
from tests.log.removing import DAY_S, check, files_with, found, put, stored_plain
from tests.waits import within


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("proxy.log.encode.Codec.pack", stored_plain)
    store = Store(tmp_path / FILE_NAME, lambda: T0)
    for number in range(20):
        user = "annette" if number % 2 else "bob"
        put(store, number, user=user, words=f"words-of-{user}")
    store.put_head(last=True)
    store.release()
    return tmp_path


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(app_log, [*words, "--data-dir", str(data)])


def test_without_a_proxy_the_command_erases_by_itself(data: Path) -> None:
    assert files_with(data, ["words-of-annette"]) != []
    result = run(data, "erase", "--subject", "user:annette", "--reason", "ticket 12")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "nothing of user:annette is on the log any more\n"
    assert files_with(data, ["annette"]) == []
    assert found(data / FILE_NAME) == list(range(0, 20, 2))
    verdict = run(data, "verify").stdout.splitlines()
    assert verdict[:2] == [
        "ok: 10 records fit, 0 under way",
        "10 were removed by retention or erasure, which the chain has on record",
    ]
    assert len(verdict) == 3  # the last head covers the removal
    assert run(data, "erase", "--subject", "user:nobody").exit_code == 0


def test_a_store_too_large_to_be_written_anew_in_use_is_compacted_by_the_command(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "REWRITE_BYTES_MAX", 1)
    assert run(data, "erase", "--subject", "user:annette").exit_code == 0
    assert files_with(data, ["annette"]) == []


async def test_a_running_proxy_erases_between_its_records(data: Path) -> None:
    recorder = SqliteRecorder(data / FILE_NAME)
    await recorder.start()
    await recorder.begin(begun(30, user="annette"))
    held = await asyncio.to_thread(run, data, "erase", "--subject", "user:annette", "--wait", "0")
    assert held.exit_code == 1
    assert "not done yet" in held.stderr
    await recorder.finish(finished(30))
    command = asyncio.to_thread(run, data, "erase", "--subject", "user:annette", "--wait", "60")
    erasing = asyncio.ensure_future(command)
    number = 100
    while not erasing.done():
        number += 1
        await recorder.begin(begun(number, user="bob"))
        await recorder.finish(finished(number))
    result = erasing.result()
    assert (result.exit_code, result.output) == (0, "nothing of user:annette is on the log any more\n")
    await recorder.show("")  # what was written last is there for other readers too
    assert files_with(data, ["annette"]) == []
    assert found(data / FILE_NAME) == [*range(0, 20, 2), *range(101, number + 1)]
    compacted = await asyncio.to_thread(run, data, "compact")
    assert compacted.exit_code == 1
    assert "stop it first" in compacted.stderr
    await recorder.stop()
    check(data / FILE_NAME)


async def test_a_running_proxy_keeps_what_the_settings_say_and_counts_what_goes(data: Path) -> None:
    gone = asyncio.Event()

    class Observer:
        removed = 0

        def on_commit(self, seconds: float, records: int) -> None: ...

        def on_failure(self, reason: str) -> None:
            raise AssertionError(reason)

        def on_queue(self, records: int) -> None: ...

        def on_removed(self, why: str, exchanges: int) -> None:
            assert why == "age"
            self.removed += exchanges
            if self.removed == 7:
                gone.set()

    recorder = SqliteRecorder(
        data / FILE_NAME,
        keep=Keep({"released": DAY_S}),
        observer=Observer(),
        clock=lambda: T0 + 100 * DAY_S,
    )
    await recorder.start()
    await within(gone.wait())
    await recorder.stop()
    assert found(data / FILE_NAME) == [number for number in range(20) if number % 3]
    check(data / FILE_NAME)


def test_an_erasure_cut_off_by_a_crash_goes_on_at_the_next_start(data: Path) -> None:
    store = Store(data / FILE_NAME, lambda: T0)
    store.open()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("proxy.commands.log_erase._carry_out", lambda *_: None)
        store.release()
        run(data, "erase", "--subject", "user:annette")
    assert files_with(data, ["annette"]) != []
    again = Store(data / FILE_NAME, lambda: T0)
    while again.index(100):
        pass
    while again.upkeep().more:
        pass
    again.release()
    assert files_with(data, ["annette"]) == []
    with LogReader(data / FILE_NAME) as reader:
        assert verify(reader).fault is None


@pytest.mark.parametrize("subject", ["annette", "region:DE", "app:shop", "ip:10.0.0.0/8"])
def test_what_cannot_be_erased_is_refused(data: Path, subject: str) -> None:
    result = run(data, "erase", "--subject", subject)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_where_there_is_no_log_none_is_made(tmp_path: Path) -> None:
    for words in (("erase", "--subject", "user:ann"), ("compact",)):
        assert isinstance(run(tmp_path, *words).exception, StoreUnusable)
    assert list(tmp_path.iterdir()) == []


def test_a_compacted_log_is_smaller_and_whole(data: Path) -> None:
    with sqlite3.connect(data / FILE_NAME) as db:
        db.execute("CREATE TABLE filler (a BLOB)")
        db.execute("INSERT INTO filler VALUES (zeroblob(1000000))")
        db.execute("DROP TABLE filler")
    db.close()
    before = (data / FILE_NAME).stat().st_size
    assert run(data, "compact").exit_code == 0
    assert (data / FILE_NAME).stat().st_size < before
    check(data / FILE_NAME)
