"""Versions of the store: made, upgraded step by step, refused when newer or somebody else's."""

from __future__ import annotations

import lzma
import os
import re
import sqlite3
from pathlib import Path

import pytest

from proxy.log import schema
from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.seal import StoreUnusable
from proxy.log.store import Store
from proxy.log.verify import verify
from tests.log.make import T0, begun, finished


def made(path: Path) -> Path:
    store = Store(path, lambda: T0)
    store.write([begun(1), finished(1)])
    store.release()
    return path


def execute(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path)
    with db:
        for sql in statements:
            db.execute(sql)
    db.close()


def test_a_newer_store_is_refused_for_reading_and_for_writing(tmp_path: Path) -> None:
    path = made(tmp_path / "log.sqlite3")
    execute(path, "PRAGMA user_version = 99")
    with pytest.raises(StoreUnusable, match="form 99, newer than"):
        LogReader(path)
    with pytest.raises(StoreUnusable, match="form 99, newer than"):
        Store(path, lambda: T0).open()


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    execute(path, "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)")
    with pytest.raises(StoreUnusable, match="another program's"):
        Store(path, lambda: T0).open()
    with pytest.raises(StoreUnusable, match="another program's"):
        LogReader(path)
    db = sqlite3.connect(path)
    assert db.execute("SELECT a FROM theirs").fetchall() == [(1,)]
    db.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    path.write_bytes(b"not a database, just some text" * 200)
    with pytest.raises(StoreUnusable, match="no exchange log"):
        Store(path, lambda: T0).open()


def test_an_older_store_is_upgraded_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "log.sqlite3")
    done: list[str] = []

    def first(db: sqlite3.Connection) -> None:
        done.append("first")
        db.execute("CREATE TABLE added (a INTEGER) STRICT")

    def second(db: sqlite3.Connection) -> None:
        done.append("second")
        db.execute("INSERT INTO added VALUES (2)")

    newest = len(schema.UPGRADES) + 1
    monkeypatch.setattr(schema, "UPGRADES", (*schema.UPGRADES, first, second))
    with pytest.raises(StoreUnusable, match=f"older form {newest}"):
        LogReader(path)
    store = Store(path, lambda: T0)
    store.open()
    store.release()
    assert done == ["first", "second"]
    with LogReader(path) as reader:
        assert reader.db.execute("PRAGMA user_version").fetchone() == (newest + 2,)
        assert verify(reader).records == 1
    Store(path, lambda: T0).open()
    assert done == ["first", "second"]


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "log.sqlite3")

    def fails(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE added (a INTEGER) STRICT")
        db.execute("INSERT INTO missing VALUES (1)")

    upgrades = schema.UPGRADES
    monkeypatch.setattr(schema, "UPGRADES", (*upgrades, fails))
    store = Store(path, lambda: T0)
    with pytest.raises(sqlite3.OperationalError, match="missing"):
        store.open()
    store.release()
    monkeypatch.setattr(schema, "UPGRADES", upgrades)
    with LogReader(path) as reader:
        assert verify(reader).fault is None
        assert reader.db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'added'").fetchone() == (0,)


FORMS = sorted((Path(__file__).parent / "stored").glob("form-*.sqlite3.xz"))


@pytest.mark.parametrize("stored", FORMS, ids=[file.name for file in FORMS])
def test_a_stored_file_of_an_older_form_is_upgraded_whole(stored: Path, tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    path.write_bytes(lzma.decompress(stored.read_bytes()))
    with sqlite3.connect(path) as db:
        ids = [row[0] for row in db.execute("SELECT id FROM exchange ORDER BY seq DESC")]
    db.close()
    store = Store(path, lambda: T0 + 1000)
    store.open()  # the exchange that was under way ends as interrupted
    with LogReader(path) as reader:
        assert verify(reader).fault is None  # with what the old form had indexed, and the rest not
        before = list(reader.records(Search(limit=100)))
        said = (
            list(reader.records(Search(limit=100, q="mail"))),
            list(reader.records(Search(limit=100, q="w3"))),
        )
    assert [record["id"] for record in before] == ids
    while store.index(100):
        pass
    with LogReader(path) as reader:  # the same by the index of words as without one
        assert (
            list(reader.records(Search(limit=100, q="mail"))),
            list(reader.records(Search(limit=100, q="w3"))),
        ) == said
    assert said != ([], [])
    store.write([begun(50), finished(50)])
    store.release()
    fresh = made(tmp_path / "fresh.sqlite3")
    with LogReader(path) as reader, LogReader(fresh) as other:
        assert verify(reader).fault is None
        after = list(reader.records(Search(limit=100)))
        assert [record for record in after if record["id"] != f"{50:032x}"] == before
        assert tables(reader) == tables(other)


def tables(reader: LogReader) -> list[tuple[str, str | None]]:
    """Every table and index, without the comments in it."""
    rows = reader.db.execute("SELECT name, sql FROM sqlite_schema ORDER BY 1").fetchall()
    return [(name, sql and re.sub(" *--.*", "", sql)) for name, sql in rows]


def test_there_is_a_stored_file_of_each_older_form() -> None:
    assert [file.name for file in FORMS] == [
        f"form-{form}.sqlite3.xz" for form in range(1, len(schema.UPGRADES) + 1)
    ]


def test_who_writes_the_store_only_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a `log` command does that brings in what a crash left, just as the proxy starts again."""
    path = tmp_path / "log.sqlite3"
    locks = [schema.take_lock(path)]
    with pytest.raises(schema.StoreLocked, match="another proxy or `log` command"):
        schema.take_lock(path)
    monkeypatch.setattr("proxy.log.schema.time.sleep", lambda s: os.close(locks.pop()))
    os.close(schema.take_lock(path, wait_s=60.0))
    assert not locks
