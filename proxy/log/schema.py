"""How the store is opened, made and upgraded. Its tables are in tables.py."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from proxy.log import tables
from proxy.log.intern import STATEMENTS_MAX
from proxy.log.seal import StoreUnusable as StoreUnusable  # where its readers look for it
from proxy.log.seal import new_key
from proxy.model.secret import Secrets

FILE_NAME: Final = "log.sqlite3"
"""The store's name in the data folder."""
APPLICATION_ID: Final = 0x47524C47
"""`GRLG` in the file's header, so that any other database is told apart."""

ASK_WAIT_S: Final = 10.0
"""How long somebody who adds a row for the writer waits for the lock."""
_LOOK_S: Final = 0.02
WAL_KEPT_BYTES: Final = 16 * 1024 * 1024
"""To this size the write-ahead log's file is cut once it was brought in; keeping some saves growing it again."""

UPGRADES: Final = tables.UPGRADES
"""The steps to the newest form, one after another."""


class StoreLocked(StoreUnusable):
    """Another process writes it."""


def take_lock(path: Path, wait_s: float = 0.0) -> int:
    """The descriptor that keeps others from writing the store at that path while it is open, waited for so long.
    Raises StoreLocked, OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(lock)
                raise StoreLocked(f"{path}: another proxy or `log` command is writing this log") from None
            time.sleep(_LOOK_S)
        else:
            return lock


def open_for_writing(
    path: Path, now_ms: int, *, secrets: Secrets | None = None, busy_ms: int
) -> sqlite3.Connection:
    """The store at that path, made where there is none, brought to the newest version.

    The file is readable by its owner alone, and so is a folder made for it. Raises StoreUnusable, and
    sqlite3.Error or OSError for what may pass (disk full, locked).
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS_MAX
    )
    try:
        db.execute(f"PRAGMA busy_timeout = {busy_ms}")
        _prepare(db, path, now_ms, secrets)
    except BaseException:
        db.close()
        raise
    return db


def open_for_reading(path: Path) -> sqlite3.Connection:
    """The store at that path, read only, whether or not a proxy writes it. Raises StoreUnusable."""
    if not path.exists():
        raise StoreUnusable(f"{path}: there is no exchange log here yet; it begins with the first `serve`")
    try:
        return _connect_reading(path, "mode=ro")
    except sqlite3.Error as error:
        # Even reading needs a little file beside the log. Where none can be made (full or read-only disk), a
        # log that nobody writes can be read as one that will not change.
        if (wal := Path(f"{path}-wal")).exists() and wal.stat().st_size:
            raise StoreUnusable(f"{path}: {error}") from None
    try:
        return _connect_reading(path, "mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise StoreUnusable(f"{path}: {error}") from None


def open_to_ask(path: Path) -> sqlite3.Connection:
    """The store at that path, to add a row for its writer. Raises StoreUnusable, sqlite3.Error."""
    open_for_reading(path).close()  # refuses what is no store of this form
    db = sqlite3.connect(path, isolation_level=None, timeout=ASK_WAIT_S)
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    return db


def _connect_reading(path: Path, how: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        db.execute("PRAGMA busy_timeout = 2000")
        version = _version(db, path)
        if version == 0:
            raise StoreUnusable(f"{path}: the exchange log is empty: no proxy has finished creating it")
        if version <= len(UPGRADES):
            raise StoreUnusable(
                f"{path}: the log has the older form {version}; starting this version of the proxy upgrades it"
            )
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, now_ms: int, secrets: Secrets | None) -> None:
    version = _version(db, path)
    newest = len(UPGRADES) + 1
    if version == 0:
        # Room that retention frees must be able to go back to the disk; it cannot be turned on later.
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA cache_size = -16384")
    # What is removed is overwritten, not only forgotten.
    db.execute("PRAGMA secure_delete = ON")
    # The writer checkpoints between commits, not inside one that somebody waits for.
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
    if version == newest:
        return
    db.execute("BEGIN EXCLUSIVE")
    try:
        if version == 0:
            tables.create(db)
            db.execute("INSERT INTO store VALUES (1, ?, ?, 0)", (now_ms, new_key(db, secrets)))
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for step in UPGRADES[max(0, version - 1) :] if version else ():
            step(db)
        db.execute(f"PRAGMA user_version = {newest}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection, path: Path) -> int:
    """The store's version, 0 for an empty file. Raises StoreUnusable for a newer one or another database."""
    try:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        application = int(db.execute("PRAGMA application_id").fetchone()[0])
        tables = int(db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    except UnicodeDecodeError:
        # The module fails over SQLite's own words where they quote a damaged schema.
        raise StoreUnusable(f"{path}: this is a damaged exchange log (its schema is no text)") from None
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            raise StoreUnusable(f"{path}: this is no exchange log, or a damaged one ({error})") from None
        raise
    if version == 0 and tables == 0:
        return 0
    if application != APPLICATION_ID:
        raise StoreUnusable(f"{path}: this is another program's database, no exchange log")
    if version > len(UPGRADES) + 1:
        raise StoreUnusable(
            f"{path}: the log has form {version}, newer than the {len(UPGRADES) + 1} that this version of "
            "the proxy knows; use the version that wrote it, or a newer one"
        )
    return version
