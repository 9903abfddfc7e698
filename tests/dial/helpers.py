"""What the dial's tests share: a clock that is turned by hand, an exchange under way, a store that can fail."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proxy.dial.board import Effective
from proxy.dial.setting import Actor, Change, Setting
from proxy.dial.state import DialStore, SqliteDialStore, Stored, StoredChange, StoreError
from proxy.model.level import Level
from proxy.model.subject import Reach
from proxy.scopes import Scope

ANN = Actor.person("ann")
BEN = Actor.person("ben")
GLOBAL = Scope.parse("global")


class TurnedClock:
    """Unix seconds that move only when a test says so."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@dataclass(eq=False)
class Running:
    """An exchange under way that writes down what it was told."""

    reach: Reach = field(default_factory=Reach)
    began: Level = Level.GUARDED
    told: list[Level] = field(default_factory=list)

    def tightened(self, effective: Effective) -> None:
        self.told.append(effective.level)


class UnreliableStore:
    """Passes everything to a real store, and fails or waits where a test says so."""

    def __init__(self, inner: DialStore) -> None:
        self.inner = inner
        self.broken = False
        self.attempts = 0
        self.entered = threading.Event()  # a write has reached the store
        self.gate = threading.Event()  # cleared: writes wait here
        self.gate.set()

    def load(self) -> Stored:
        return self.inner.load()

    def write(self, stored: Stored, changes: Sequence[Change]) -> None:
        self.attempts += 1
        self.entered.set()
        assert self.gate.wait(20), "a test left the store's gate shut"
        if self.broken:
            raise StoreError("the disk is gone")
        self.inner.write(stored, changes)

    def changes(self, limit: int, before: int | None) -> tuple[StoredChange, ...]:
        return self.inner.changes(limit, before)

    def close(self) -> None:
        self.inner.close()


class Counted:
    """An observer that writes down what it was told."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, Level]] = []
        self.levels: dict[str, Level] = {}
        self.restraints: dict[str, int] = {}
        self.unstored = 0
        self.dropped = 0

    def on_change(self, actor_kind: str, level: Level) -> None:
        self.changes.append((actor_kind, level))

    def on_level(self, scope: str, level: Level | None) -> None:
        if level is None:
            del self.levels[scope]
        else:
            self.levels[scope] = level

    def on_restraints(self, counts: Mapping[str, int]) -> None:
        self.restraints = dict(counts)

    def on_unstored(self, changes: int) -> None:
        self.unstored = changes

    def on_dropped(self, changes: int) -> None:
        self.dropped += changes


async def until(holds: Callable[[], bool]) -> None:
    """Wait for another thread's work, at most 20 s."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.002)


def stored_levels(path: Path) -> dict[str, str]:
    """What another process reads."""
    with sqlite3.connect(path) as connection:
        return dict(connection.execute("SELECT scope, level FROM settings").fetchall())


def stored_settings(path: Path) -> tuple[Setting, ...]:
    """What a restart would find."""
    store = SqliteDialStore(path)
    try:
        return store.load().settings
    finally:
        store.close()
