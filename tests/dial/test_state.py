"""The store's file: what is refused, and what cannot happen to it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from proxy.dial.control import Dial
from proxy.dial.setting import Change
from proxy.dial.state import SqliteDialStore, Stored, StoreError
from tests.dial.helpers import ANN, TurnedClock


def test_a_file_of_something_else_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (x)")
    with pytest.raises(StoreError, match="not a dial's"):
        SqliteDialStore(path).load()
    path.write_bytes(b"no database at all, but long enough to be looked at")
    with pytest.raises(StoreError, match="not a database"):
        SqliteDialStore(path).load()


def test_a_newer_schema_is_refused(path: Path) -> None:
    store = SqliteDialStore(path)
    store.load()
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer version"):
        SqliteDialStore(path).load()


async def test_a_proxy_does_not_start_on_a_dial_that_it_cannot_read(
    tmp_path: Path, clock: TurnedClock
) -> None:
    dial = Dial(SqliteDialStore(tmp_path), clock=clock)  # a folder
    with pytest.raises(StoreError):
        await dial.start()
    await dial.stop()


def test_two_processes_on_one_file_do_not_undo_each_other(path: Path) -> None:
    one, two = SqliteDialStore(path), SqliteDialStore(path)
    one.load()
    two.load()
    change = Change("id-1", 0.0, ANN, "dial.set", "global", None, "killed", "x")
    one.write(Stored(1), (change,))
    with pytest.raises(StoreError, match="another process"):
        two.write(Stored(1), ())
    one.close()
    two.close()


def test_storing_a_change_twice_leaves_one_and_none_can_be_edited(path: Path) -> None:
    store = SqliteDialStore(path)
    store.load()
    change = Change("id-1", 0.0, ANN, "dial.set", "global", None, "killed", "x")
    store.write(Stored(1), (change,))
    store.write(Stored(2), (change,))
    assert [one.change for one in store.changes(10, None)] == [change]
    store.close()
    with sqlite3.connect(path) as connection:
        for statement in ("UPDATE changes SET reason = 'y'", "DELETE FROM changes"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
