"""Any value changed, any row gone, any two swapped: `verify` finds it, and names the record."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proxy.log.keep import Keep
from proxy.log.query import LogReader
from proxy.log.request_erasure import ask
from proxy.log.seal import StoreUnusable
from proxy.log.store import Store
from proxy.log.verify import Verdict, verify
from proxy.model.level import Outcome
from proxy.model.record import Json
from proxy.model.secret import Secret, Secrets
from tests.log.make import T0, begun, finding, finished

RECORDS = 8
# What no record covers: exchanges under way are not chained yet, and the file's own counters follow from it.
TABLES = ("store", "name", "part", "part_address", "node", "exchange", "finish", "chain", "posting")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with conversations, edits, findings, scores, and every finished record indexed but the last two."""
    path: Path = tmp_path_factory.mktemp("pristine") / "log.sqlite3"
    store = Store(path, lambda: T0)
    messages: list[Json] = []
    for number in range(RECORDS):
        messages.append({"role": "user", "content": f"turn {number}"})
        body: Json = {"model": "support-bot", "messages": list(messages), "system": "be kind"}
        sent: Json = {"model": "gpt-test-2", "messages": messages[-1:]} if number % 2 else None
        end = finished(
            number,
            outcome=Outcome.REDACTED if number % 2 else Outcome.RELEASED,
            received=f"mail me {number}",
            delivered="mail <X>" if number % 2 else None,
            sent=sent,
            findings=(finding(),) if number % 2 else (),
            scores={"toxicity": number / 10},
        )
        assert store.write([begun(number, body=body, user=f"user-{number}")]) == {}
        assert store.write([end]) == {}
    store.index(RECORDS - 2)
    store.checkpoint()
    store.release()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    assert check(path).fault is None
    return path


def check(path: Path, secrets: Secrets | None = None) -> Verdict:
    with LogReader(path, secrets) as reader:
        return verify(reader)


def tampered(pristine: Path, sql: str, *values: object, secrets: Secrets | None = None) -> Verdict:
    copy = pristine.with_name("copy.sqlite3")
    shutil.copy(pristine, copy)
    db = sqlite3.connect(copy)
    with db:
        db.execute(sql, values)
    db.close()
    return check(copy, secrets)


def test_an_untouched_store_is_whole(pristine: Path) -> None:
    verdict = check(pristine)
    assert (verdict.records, verdict.under_way, verdict.fault) == (RECORDS, 0, None)


@pytest.mark.parametrize(
    ("sql", "link", "number"),
    [
        ("UPDATE exchange SET body_bytes = body_bytes + 1 WHERE seq = 3", 3, 2),
        ("UPDATE exchange SET user = (SELECT user FROM exchange WHERE seq = 1) WHERE seq = 3", 3, 2),
        ("UPDATE name SET text = 'somebody' WHERE text = 'user-4'", 5, 4),
        ("UPDATE finish SET outcome = (SELECT outcome FROM finish WHERE seq = 1) WHERE seq = 4", 4, 3),
        ("UPDATE finish SET delivered = NULL WHERE seq = 6", 6, 5),
        ("UPDATE finish SET detail = (SELECT detail FROM finish WHERE seq = 7) WHERE seq = 6", 6, 5),
        ("UPDATE part SET data = (SELECT data FROM part WHERE id = 1) WHERE id = 2", 1, 0),
        ("DELETE FROM exchange WHERE seq = 5", 5, None),
        ("DELETE FROM chain WHERE link = 2", 2, None),
        ("UPDATE chain SET hash = randomblob(32) WHERE link = 4", 4, 3),
        ("UPDATE finish SET seq = 17 - seq WHERE seq IN (8)", 8, None),
        ("UPDATE node SET digest = zeroblob(32) WHERE id = 2", 1, 0),
    ],
)
def test_the_first_bad_record_is_named(pristine: Path, sql: str, link: int, number: int | None) -> None:
    fault = tampered(pristine, sql).fault
    assert fault is not None
    assert fault.link == link
    assert fault.id == (None if number is None else f"{number:032x}")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO open VALUES (3)",
        "DELETE FROM posting WHERE kind = 10",
        "INSERT INTO posting VALUES (10, 1, 1, 1)",
        "UPDATE store SET indexed_link = indexed_link - 1",
        "DELETE FROM part_address WHERE part = 3",
        "DELETE FROM finish WHERE seq = 8",
        "INSERT INTO probe VALUES (1, x'00')",
        "INSERT INTO open VALUES (99)",
    ],
)
def test_what_no_hash_covers_is_held_against_the_records(pristine: Path, sql: str) -> None:
    assert tampered(pristine, sql).fault is not None


@pytest.fixture(scope="module", params=["plain", "sealed"])
def thinned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Secrets | None]:
    """A store, encrypted or not, of which retention and an erasure have taken records out."""
    path: Path = tmp_path_factory.mktemp(str(request.param)) / "log.sqlite3"
    secrets = Secrets(Secret.of("1" * 32)) if request.param == "sealed" else None
    keep = Keep({str(Outcome.KILLED): 1.0})
    store = Store(path, lambda: T0 + 100, keep, secrets)
    for number in range(RECORDS):
        outcome = Outcome.KILLED if number == 4 else Outcome.RELEASED
        user = "bob" if number in (1, 2) else "ann"
        body: Json = {"model": "m", "messages": [{"role": "user", "content": f"turn {number}"}]}
        store.write([begun(number, body=body, user=user)])
        store.write([finished(number, outcome=outcome, findings=(finding(),), received=f"so {number}")])
    ask(path, "user:bob", actor="test", reason=None, now_ms=int(T0 * 1000))
    while store.index(RECORDS):
        pass
    while store.upkeep().more:
        pass
    store.checkpoint()
    store.release()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    verdict = check(path, secrets)
    assert (verdict.fault, verdict.removed, verdict.records) == (None, 3, RECORDS - 3)
    return path, secrets


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_removals_and_encryption_hide_no_change(
    thinned: tuple[Path, Secrets | None], data: st.DataObject
) -> None:
    path, secrets = thinned
    with sqlite3.connect(path) as db:
        table = data.draw(st.sampled_from((*TABLES, "removal", "removed_link", "removed_seq")))
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        rows = db.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
    db.close()
    row = data.draw(st.sampled_from(rows))
    condition = " AND ".join(f"{column} IS ?" for column in columns)
    at = data.draw(st.integers(-1, len(columns) - 1))
    # The last of the chain are removals, which have no postings: so many fewer or more come to the same.
    assume(at < 0 or columns[at] != "indexed_link")
    try:
        if at < 0:
            verdict = tampered(path, f"DELETE FROM {table} WHERE {condition}", *row, secrets=secrets)
        else:
            sql = f"UPDATE {table} SET {columns[at]} = ? WHERE {condition}"
            verdict = tampered(path, sql, changed(row[at], data), *row, secrets=secrets)
    except (sqlite3.IntegrityError, StoreUnusable):
        return  # the tables themselves refuse it, or the store's key does not open
    if table == "name" and verdict.fault is None:
        verdict = tampered(path, f"DELETE FROM name WHERE {condition}", *row, secrets=secrets)
        assert verdict.fault is None  # it is of no record any more, and nobody misses it
        return
    assert verdict.fault is not None, f"{table} {at}: {row!r}"


def test_two_records_swapped_are_found(pristine: Path) -> None:
    copy = pristine.with_name("swapped.sqlite3")
    shutil.copy(pristine, copy)
    db = sqlite3.connect(copy)
    with db:
        for before, after in ((3, -3), (4, 3), (-3, 4)):
            db.execute("UPDATE chain SET link = ? WHERE link = ?", (after, before))
            db.execute("UPDATE finish SET link = ? WHERE link = ?", (after, before))
    db.close()
    fault = check(copy).fault
    assert fault is not None
    assert fault.link == 3


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_changed_anywhere_is_found(pristine: Path, data: st.DataObject) -> None:
    with sqlite3.connect(pristine) as db:
        table = data.draw(st.sampled_from(TABLES))
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        rows = db.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
    db.close()
    row = data.draw(st.sampled_from(rows))
    at = data.draw(st.integers(0, len(columns) - 1))
    value = changed(row[at], data)
    condition = " AND ".join(f"{column} IS ?" for column in columns)
    try:
        verdict = tampered(pristine, f"UPDATE {table} SET {columns[at]} = ? WHERE {condition}", value, *row)
    except sqlite3.IntegrityError:
        return  # the tables themselves refuse it
    assert verdict.fault is not None, f"{table}.{columns[at]}: {row[at]!r} became {value!r}"


def changed(value: object, data: st.DataObject) -> object:
    """Another value of the same type: one byte, one character or one count off."""
    if isinstance(value, bytes):
        at = data.draw(st.integers(0, len(value) - 1))
        return value[:at] + bytes([value[at] ^ data.draw(st.integers(1, 255))]) + value[at + 1 :]
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1)
    if isinstance(value, int):
        return value + data.draw(st.sampled_from([1, -1, 7]))
    return 1
