"""What survives: restarts, kill -9, disks that fail and come back; and what a failing disk may never do."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.dial.control import Dial
from proxy.dial.state import SqliteDialStore
from proxy.dial.turn import NotDurable
from proxy.model.level import Level
from proxy.model.subject import Reach
from proxy.scopes import Scope
from tests.dial.conftest import StartDial
from tests.dial.helpers import (
    ANN,
    BEN,
    GLOBAL,
    Counted,
    Running,
    TurnedClock,
    UnreliableStore,
    stored_levels,
    until,
)

BOT = Scope.parse("model:bot")


async def test_a_restart_takes_up_settings_version_and_trail(start_dial: StartDial) -> None:
    first = await start_dial()
    await first.set(GLOBAL, Level.KILLED, actor=ANN, reason="x", ttl_s=600)
    await first.set(BOT, Level.GUARDED, actor=BEN, reason="y")
    before, trail = first.snapshot(), await first.changes(10)
    await first.stop()
    again = await start_dial()
    assert again.snapshot() == before
    assert again.snapshot().settings == before.settings
    assert await again.changes(10) == trail


async def test_what_ran_out_while_the_proxy_was_down_does_not_come_back(
    start_dial: StartDial, clock: TurnedClock
) -> None:
    first = await start_dial()
    await first.set(GLOBAL, Level.KILLED, actor=ANN, reason="x", ttl_s=60)
    await first.stop()
    clock.at += 3600
    again = await start_dial()
    assert again.effective(Reach()).level is Level.GUARDED
    assert again.snapshot().settings == ()


async def test_the_files_are_for_their_owner_only(dial: Dial, path: Path) -> None:
    await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "dial.sqlite3-wal" in modes


_TURNER = """
import asyncio, sys, time
from pathlib import Path
from proxy.dial.control import Dial
from proxy.dial.setting import Actor
from proxy.scopes import Scope
from proxy.dial.state import SqliteDialStore
from proxy.model.level import Level

async def main():
    dial = Dial(SqliteDialStore(Path(sys.argv[1])), clock=time.time)
    await dial.start()
    for number in range(1_000_000):
        level = Level.KILLED if number % 2 else Level.GUARDED
        turned = await dial.set(Scope.parse("global"), level, actor=Actor.person("p"), reason=f"turn {number}")
        assert turned.durable
        sys.stderr.write(f"{number} {level.word}\\n")
        sys.stderr.flush()

asyncio.run(main())
"""


@pytest.mark.parametrize("turns", [1, 2, 25])
def test_kill_9_loses_no_turn_that_was_answered_as_durable(path: Path, turns: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _TURNER, str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    ) as process:
        assert process.stderr is not None
        for _ in range(turns):
            last = process.stderr.readline().split()
        process.send_signal(signal.SIGKILL)
        answered = [last, *(line.split() for line in process.stderr)]
    number, level = answered[-1]
    store = SqliteDialStore(path)
    (setting,) = store.load().settings
    found = int(setting.reason.split()[1])
    assert found in (int(number), int(number) + 1)  # the next one may have been stored and not answered
    assert found != int(number) or setting.level.word == level
    trail = store.changes(10_000, None)
    store.close()
    assert [one.change.reason for one in reversed(trail)] == [f"turn {at}" for at in range(found + 1)]


# A store that fails


async def test_a_kill_works_without_a_disk_and_becomes_durable_when_it_is_back(
    start_dial: StartDial, path: Path
) -> None:
    store, counted = UnreliableStore(SqliteDialStore(path)), Counted()
    dial = await start_dial(store, observer=counted)
    running = Running()
    dial.attach(running)
    store.broken = True
    turned = await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="leaks")
    assert not turned.durable
    assert dial.effective(Reach()).level is Level.KILLED
    assert running.told == [Level.KILLED]
    assert counted.unstored == 1
    assert [change.reason for _, change in dial.unstored()] == ["leaks"]
    store.broken = False
    await until(lambda: counted.unstored == 0)
    assert stored_levels(path) == {"global": "killed"}
    assert [one.change.reason for one in await dial.changes(10)] == ["leaks"]


class FaultyStore(SqliteDialStore):
    """The real store on a real file, where SQLite itself refuses what a test's pragma forbids."""

    pragma = ""

    def _prepare(self, connection: sqlite3.Connection) -> None:
        super()._prepare(connection)
        connection.execute(self.pragma)


@pytest.mark.parametrize(
    ("pragma", "said"),
    [
        pytest.param("PRAGMA query_only = 1", "readonly database", id="read-only"),
        pytest.param("PRAGMA max_page_count = 1", "disk is full", id="full"),
    ],
)
async def test_a_kill_works_where_sqlite_can_write_nothing(
    pragma: str, said: str, start_dial: StartDial, path: Path
) -> None:
    store, counted = FaultyStore(path), Counted()
    dial = await start_dial(store, observer=counted)
    assert (await dial.set(GLOBAL, Level.GUARDED, actor=ANN, reason="before")).durable
    store.pragma = pragma
    store.close()
    turns = 0
    # A full file still takes what fits into the pages that it has.
    while (await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason=f"{turns} " + "x" * 900)).durable:
        turns += 1
        assert turns < 50
    assert dial.effective(Reach()).level is Level.KILLED
    with pytest.raises(NotDurable, match=said):
        await dial.set(GLOBAL, Level.OPEN, actor=ANN, reason="y" * 900)
    assert dial.effective(Reach()).level is Level.KILLED
    store.pragma = ""  # after a fault it opens the file anew by itself
    await until(lambda: counted.unstored == 0)
    assert stored_levels(path) == {"global": "killed"}


async def test_a_loosening_without_a_disk_is_refused_and_never_holds(
    start_dial: StartDial, path: Path
) -> None:
    store = UnreliableStore(SqliteDialStore(path))
    dial = await start_dial(store)
    await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")
    store.broken = True
    for turn in (
        dial.set(GLOBAL, Level.GUARDED, actor=ANN, reason="y"),
        dial.clear(GLOBAL, actor=ANN, reason="y"),
        dial.set(BOT, Level.OPEN, actor=ANN, reason="y"),
    ):
        with pytest.raises(NotDurable):
            await turn
    assert dial.effective(Reach(frozenset({"bot"}))).level is Level.KILLED
    store.broken = False
    await dial.set(GLOBAL, Level.GUARDED, actor=ANN, reason="z")
    assert dial.effective(Reach()).level is Level.GUARDED
    assert [one.change.reason for one in await dial.changes(10)] == ["z", "x"]


async def test_changes_made_without_a_disk_are_stored_in_their_order(
    start_dial: StartDial, path: Path
) -> None:
    store = UnreliableStore(SqliteDialStore(path))
    dial = await start_dial(store)
    store.broken = True
    for number in range(5):
        assert not (await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason=f"turn {number}")).durable
    store.broken = False
    assert (await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="turn 5")).durable
    assert [one.change.reason for one in await dial.changes(10)] == [
        f"turn {at}" for at in (5, 4, 3, 2, 1, 0)
    ]


async def test_a_stop_stores_what_was_not(start_dial: StartDial, path: Path) -> None:
    store = UnreliableStore(SqliteDialStore(path))
    dial = await start_dial(store)
    store.broken = True
    await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")
    store.broken = False
    await dial.stop()
    assert stored_levels(path) == {"global": "killed"}


async def test_the_backlog_is_bounded_and_what_falls_off_is_counted(
    start_dial: StartDial, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 100
    monkeypatch.setattr("proxy.dial.keep.BACKLOG_MAX", most)
    store, counted = UnreliableStore(SqliteDialStore(path)), Counted()
    dial = await start_dial(store, observer=counted, tighten_wait_s=0)
    store.broken = True
    for number in range(most + 3):
        await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason=f"turn {number}")
    assert (counted.unstored, counted.dropped) == (most, 3)
    store.broken = False
    await until(lambda: counted.unstored == 0)
    # A write that was under way when the disk came back may even have carried one that had fallen off.
    newest = [f"turn {number}" for number in range(most + 2, 2, -1)]
    assert [one.change.reason for one in await dial.changes(2000)][:most] == newest
    assert stored_levels(path) == {"global": "killed"}


async def test_a_locked_file_is_waited_for_a_moment_and_then_in_the_background(
    start_dial: StartDial, path: Path
) -> None:
    counted = Counted()
    dial = await start_dial(observer=counted)
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    turned = await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")
    assert not turned.durable
    with pytest.raises(NotDurable, match="locked"):
        await dial.clear(GLOBAL, actor=ANN, reason="y")
    locker.execute("ROLLBACK")
    locker.close()
    await until(lambda: counted.unstored == 0)
    assert stored_levels(path) == {"global": "killed"}


async def test_a_deleted_file_is_made_again_with_all_that_holds(start_dial: StartDial, path: Path) -> None:
    dial = await start_dial()
    await dial.set(BOT, Level.KILLED, actor=ANN, reason="x")
    for file in path.parent.iterdir():
        file.unlink()
    turned = await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="y")
    assert turned.durable
    assert stored_levels(path) == {"model:bot": "killed", "global": "killed"}


async def test_a_folder_that_vanished_and_cannot_be_made_does_not_stop_a_kill(
    start_dial: StartDial, path: Path
) -> None:
    counted = Counted()
    dial = await start_dial(observer=counted)
    aside = path.parent.rename(path.parent.with_name("aside"))
    path.parent.write_text("a file where the folder was")
    assert not (await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")).durable
    path.parent.unlink()
    aside.rename(path.parent)
    await until(lambda: counted.unstored == 0)
    assert stored_levels(path) == {"global": "killed"}
