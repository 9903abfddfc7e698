"""Filling in the indexes costs what is new, however much is on the log."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from proxy.log import store as store_module
from proxy.log.schema import open_for_writing
from proxy.log.store import Store
from proxy.model.secret import Secrets
from tests.log.make import T0, begun, finished

STEPS_AT_ONCE = 100
"""Of SQLite's machine, between two counts."""


class Counted:
    """Counts the work of a store's connection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        monkeypatch.setattr(store_module, "open_for_writing", self._open)

    def _open(self, path: Path, now_ms: int, *, secrets: Secrets | None, busy_ms: int) -> sqlite3.Connection:
        db = open_for_writing(path, now_ms, secrets=secrets, busy_ms=busy_ms)
        db.set_progress_handler(self._count, STEPS_AT_ONCE)
        return db

    def _count(self) -> int:
        self.steps += 1
        return 0


def test_indexing_a_record_costs_the_same_on_a_long_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    store = Store(tmp_path / "log.sqlite3", lambda: T0)

    def cost(first: int) -> int:
        """Of indexing a few more records."""
        numbers = range(first, first + 16)
        store.write([begun(number) for number in numbers])
        store.write([finished(number, received=f"reply {number}") for number in numbers])
        before = counted.steps
        while store.index(128):
            pass
        return counted.steps - before

    early = cost(0)
    for first in range(100, 4100, 500):
        store.write([begun(number) for number in range(first, first + 500)])
        store.write([finished(number) for number in range(first, first + 500)])
        while store.index(128):
            pass
    assert cost(10_000) < 2 * early
    store.release()
