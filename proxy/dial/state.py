"""Where the dial is kept: the store's port, and the embedded store in SQLite.

A write replaces all settings (there are few), brings the restraints to what they are and appends to the changes,
all in one transaction, so that a crash leaves the state before or after it, never between. Changes are append-only;
triggers hold that against mistakes. The store is used by one thread, which is not the event loop's.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from proxy.dial.restraint import Kind, Restraint
from proxy.dial.setting import Actor, ActorKind, Change, Setting
from proxy.errors import GuardrailError, Invalid
from proxy.model.level import Level
from proxy.scopes import Scope

SCHEMA_VERSION = 2
APPLICATION_ID = 0x47444C31  # "GDL1": tells the dial's file from any other database
BUSY_MS_MAX = 500
"""How long a write waits for another process's lock before it counts as failed."""

_RESTRAINTS = """
CREATE TABLE restraints (
    kind TEXT NOT NULL, id TEXT NOT NULL, about TEXT NOT NULL, value TEXT NOT NULL,
    actor_kind TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL, since REAL NOT NULL, expires REAL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
"""
_SCHEMA = """
CREATE TABLE settings (
    scope TEXT NOT NULL, slot TEXT NOT NULL, level TEXT NOT NULL,
    actor_kind TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL, since REAL NOT NULL, expires REAL,
    PRIMARY KEY (scope, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at REAL NOT NULL,
    actor_kind TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, scope TEXT NOT NULL,
    before TEXT, after TEXT, reason TEXT NOT NULL
) STRICT;
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (1, 0);
CREATE TRIGGER changes_stay BEFORE UPDATE ON changes
    BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;
CREATE TRIGGER changes_last BEFORE DELETE ON changes
    BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;
"""
_UPGRADES = (_SCHEMA, _RESTRAINTS)
"""From each version of the schema to the next one, the first from an empty file."""
_SETTINGS = "SELECT scope, level, actor_kind, actor, reason, since, expires FROM settings"
_ADD_SETTING = "INSERT INTO settings VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_ALL_RESTRAINTS = "SELECT kind, id, about, value, actor_kind, actor, reason, since, expires FROM restraints"
_PUT_RESTRAINT = "INSERT OR REPLACE INTO restraints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DROP_RESTRAINT = "DELETE FROM restraints WHERE kind = ? AND id = ?"
_ADD_CHANGE = (
    "INSERT OR IGNORE INTO changes (id, at, actor_kind, actor, action, scope, before, after, reason)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_CHANGES = (
    "SELECT seq, id, at, actor_kind, actor, action, scope, before, after, reason FROM changes"
    " WHERE ? IS NULL OR seq < ? ORDER BY seq DESC LIMIT ?"
)


class StoreError(GuardrailError):
    """The store could not be opened, read or written; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The dial as it is stored."""

    version: int
    settings: tuple[Setting, ...] = ()
    restraints: tuple[Restraint, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredChange:
    """A change and its place in the trail."""

    seq: int
    change: Change


class DialStore(Protocol):
    """A store of the dial. Calls block; each raises StoreError. A failed call may be tried again."""

    def load(self) -> Stored: ...

    def write(self, stored: Stored, changes: Sequence[Change]) -> None:
        """Durable when it returns. A change whose id is stored already is left as it is."""
        ...

    def changes(self, limit: int, before: int | None) -> tuple[StoredChange, ...]:
        """The newest first, only those with a `seq` below `before`."""
        ...

    def close(self) -> None: ...


class SqliteDialStore:
    """The embedded store: one file, readable by its owner only. Opened at first use, again after a fault."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._restraints: dict[tuple[str, str], Restraint] | None = None  # as the file has them, where known
        self._written: int | None = None  # the version of the last write that is known to have succeeded
        self._attempted = (
            0  # the highest version of a write that reported an error and may still have happened
        )

    def load(self) -> Stored:
        try:
            connection = self._open()
            version = int(connection.execute("SELECT version FROM state").fetchone()[0])
            rows = connection.execute(_SETTINGS).fetchall()
            restraint_rows = connection.execute(_ALL_RESTRAINTS).fetchall()
        except (sqlite3.Error, OSError, ValueError) as error:
            raise self._failed(error) from error
        try:
            settings = tuple(
                Setting(
                    Scope.parse(scope),
                    Level.parse(level),
                    Actor(ActorKind(kind), actor),
                    reason,
                    since,
                    expires,
                )
                for scope, level, kind, actor, reason, since, expires in rows
            )
            restraints = tuple(
                Restraint(
                    Kind(kind), id, about, value, Actor(ActorKind(actor_kind), actor), reason, since, expires
                )
                for kind, id, about, value, actor_kind, actor, reason, since, expires in restraint_rows
            )
        except (Invalid, ValueError) as error:
            raise StoreError(f"{self._path}: what is stored cannot be read: {error}") from error
        self._written = self._attempted = version
        return Stored(version, settings, restraints)

    def write(self, stored: Stored, changes: Sequence[Change]) -> None:
        version = stored.version
        try:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            self._refuse_foreign_write(connection)
            connection.execute("DELETE FROM settings")
            connection.executemany(_ADD_SETTING, [_setting_row(one) for one in stored.settings])
            restraints = self._write_restraints(connection, stored.restraints)
            connection.executemany(_ADD_CHANGE, [_change_row(one) for one in changes])
            connection.execute("UPDATE state SET version = ?", (version,))
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError, ValueError) as error:
            self._attempted = max(version, self._attempted)
            raise self._failed(error) from error
        except StoreError:
            self.close()
            raise
        self._written = self._attempted = version
        self._restraints = restraints

    def _write_restraints(
        self, connection: sqlite3.Connection, restraints: Sequence[Restraint]
    ) -> dict[tuple[str, str], Restraint]:
        """Only what differs: there may be thousands."""
        before, after = self._restraints, {one.key: one for one in restraints}
        if before is None:
            connection.execute("DELETE FROM restraints")
            before = {}
        connection.executemany(_DROP_RESTRAINT, [key for key in before if key not in after])
        changed = [one for one in restraints if before.get(one.key) is not one]
        connection.executemany(_PUT_RESTRAINT, [_restraint_row(one) for one in changed])
        return after

    def changes(self, limit: int, before: int | None) -> tuple[StoredChange, ...]:
        try:
            rows = self._open().execute(_CHANGES, (before, before, limit)).fetchall()
        except (sqlite3.Error, OSError, ValueError) as error:
            raise self._failed(error) from error
        return tuple(
            StoredChange(seq, Change(id, at, Actor(ActorKind(kind), actor), action, scope, old, new, reason))
            for seq, id, at, kind, actor, action, scope, old, new, reason in rows
        )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._restraints = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            # A file that was deleted or replaced takes writes that no restart will ever read.
            if self._path.exists() and self._path.stat().st_ino == self._inode:
                return self._connection
            self.close()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made here so that it is never readable by others, not even between two calls.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=BUSY_MS_MAX / 1000, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except (sqlite3.Error, StoreError):
            connection.close()
            raise
        self._connection = connection
        self._inode = self._path.stat().st_ino
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if application != APPLICATION_ID and (tables or application or schema):
            raise StoreError(f"{self._path} is a database, but not a dial's")
        if schema > SCHEMA_VERSION:
            raise StoreError(
                f"{self._path} was written by a newer version (schema {schema}, known: {SCHEMA_VERSION})"
            )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if schema < SCHEMA_VERSION:
            connection.executescript(
                f"BEGIN IMMEDIATE; {''.join(_UPGRADES[schema:])} PRAGMA application_id = {APPLICATION_ID};"
                f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        if schema == 0:
            self._written = None

    def _refuse_foreign_write(self, connection: sqlite3.Connection) -> None:
        """Two processes on one file would each undo what the other set."""
        if self._written is None:
            return
        (found,) = connection.execute("SELECT version FROM state").fetchone()
        if not self._written <= found <= self._attempted:
            raise StoreError(
                f"{self._path} was changed by another process; one data_dir belongs to one proxy"
            )

    def _failed(self, error: Exception) -> StoreError:
        self.close()
        return StoreError(f"{self._path}: {error}")


def _setting_row(one: Setting) -> tuple[str | float | None, ...]:
    return (*one.key, one.level.word, one.actor.kind, one.actor.name, one.reason, one.since, one.expires)


def _restraint_row(one: Restraint) -> tuple[str | float | None, ...]:
    actor = one.actor
    return (*one.key, one.about, one.value, actor.kind, actor.name, one.reason, one.since, one.expires)


def _change_row(one: Change) -> tuple[str | float | None, ...]:
    actor = one.actor
    return (one.id, one.at, actor.kind, actor.name, one.action, one.scope, one.before, one.after, one.reason)
