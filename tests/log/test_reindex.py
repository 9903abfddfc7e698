"""The indexes follow from the records: `log verify` tells a fault of theirs apart, and `log reindex` mends it."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from proxy import jsonio
from proxy.commands.log import app_log
from proxy.log import remove, verify_words
from proxy.log.keep import Keep
from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.schema import FILE_NAME
from proxy.log.store import Store
from proxy.log.verify import verify
from proxy.log.verify_derived import Fault
from proxy.model.level import Outcome
from proxy.model.record import Json
from proxy.model.secret import Secret, Secrets
from tests.log.make import T0, begun, finding, finished

SECRETS = Secrets(Secret.of("1" * 32))
COUNT = 6


@pytest.fixture(scope="module", params=["plain", "sealed"])
def pristine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Secrets | None]:
    """A conversation, what was said by nobody else, and a record taken out by retention; all of it indexed."""
    path = tmp_path_factory.mktemp(str(request.param)) / FILE_NAME
    secrets = SECRETS if request.param == "sealed" else None
    store = Store(path, lambda: T0 + 100, Keep({str(Outcome.KILLED): 1.0}), secrets)
    messages: list[Json] = []
    for number in range(COUNT):
        messages.append({"role": "user", "content": f"shared words of turn{number} 日本語の文"})
        end = finished(
            number, outcome=Outcome.KILLED if number == 2 else Outcome.RELEASED, received=f"pangolin{number}",
            findings=(finding(),), scores={"toxicity": number / 10},
        )  # fmt: skip
        store.write([begun(number, body={"model": "m", "messages": list(messages)}, user=f"user-{number}")])
        store.write([replace(end, response_id=f"resp_{number}")])
    settle(store)
    return path, secrets


def settle(store: Store) -> None:
    while store.index(64):
        pass
    while store.upkeep().more:
        pass
    store.checkpoint()
    store.put_head(last=True)
    store.release()


def check(path: Path, secrets: Secrets | None) -> Fault | None:
    with LogReader(path, secrets) as reader:
        return verify(reader, index=True).fault


def copy_of(pristine: tuple[Path, Secrets | None], *statements: str) -> Path:
    path, _ = pristine
    copy = path.parent / "copy" / path.name
    shutil.rmtree(copy.parent, ignore_errors=True)
    copy.parent.mkdir()
    for name in (path.name, "log.heads"):
        shutil.copy(path.with_name(name), copy.with_name(name))
    with sqlite3.connect(copy) as db:
        for statement in statements:
            db.execute(statement)
    db.close()
    return copy


def mended(path: Path, secrets: Secrets | None) -> Path:
    store = Store(path, lambda: T0 + 100, secrets=secrets)
    store.open()
    store.reindex()
    settle(store)
    return path


def found(path: Path, secrets: Secrets | None, q: str) -> list[int]:
    with LogReader(path, secrets) as reader:
        return [int(str(hit["id"]), 16) for hit in reader.search(Search(q=q, limit=100)).exchanges]


WORD_FAULTS = {
    "a word is lacking": (
        "INSERT INTO word (word, rowid, tokens) SELECT 'delete', doc, term FROM entry WHERE doc = (SELECT received "
        "FROM finish WHERE seq = 4)",
        "lacks 1 words of part",
        3,
    ),
    "a word is foreign": (
        "INSERT INTO word (rowid, tokens) SELECT received, 'abcdefgh' FROM finish WHERE seq = 4",
        "has 1 that are not in it",
        3,
    ),
    "words of a part that is not there": (
        "INSERT INTO word (rowid, tokens) VALUES (9999, 'abcdefgh')",
        "part 9999",
        None,
    ),
    "the index is emptied": ("INSERT INTO word (word) VALUES ('delete-all')", "lacks", 0),
    "it does not say how far it goes": ("DELETE FROM wording", "how far", None),
    "its own pages are damaged": ("UPDATE word_data SET block = zeroblob(20) WHERE id > 10", "lacks", 0),
}


@pytest.mark.parametrize("case", WORD_FAULTS)
def test_what_the_index_of_words_lacks_or_has_too_much_is_named_and_mended(
    pristine: tuple[Path, Secrets | None], case: str
) -> None:
    sql, said, number = WORD_FAULTS[case]
    _, secrets = pristine
    path = copy_of(pristine, "CREATE VIRTUAL TABLE temp.entry USING fts5vocab(main, word, instance)", sql)
    fault = check(path, secrets)
    assert fault is not None
    assert fault.index
    assert said in fault.text
    assert fault.id == (None if number is None else f"{number:032x}")
    with LogReader(path, secrets) as reader:
        assert verify(reader).fault is None  # which does not look there
    assert check(mended(path, secrets), secrets) is None
    assert found(path, secrets, "pangolin3") == [3]
    assert found(path, secrets, "turn4 本語") == [5, 4]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM posting WHERE kind = 10",
        "DELETE FROM posting WHERE kind = 12",
        "INSERT INTO posting VALUES (10, 1, 1, 1)",
        "DELETE FROM part_address WHERE part = 3",
        "UPDATE part_address SET part = 9999 WHERE part = 3",
        "DELETE FROM response WHERE seq = 4",
        "UPDATE response SET seq = 1 WHERE seq = 4",
        "UPDATE store SET indexed_link = 9999",
    ],
)
def test_the_other_indexes_too(pristine: tuple[Path, Secrets | None], sql: str) -> None:
    _, secrets = pristine
    path = copy_of(pristine, sql)
    fault = check(path, secrets)
    assert fault is not None
    assert fault.index
    assert check(mended(path, secrets), secrets) is None


def test_the_index_is_made_as_it_was(pristine: tuple[Path, Secrets | None]) -> None:
    path, secrets = pristine
    before = contents(path)
    assert contents(mended(copy_of(pristine), secrets)) == before


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(path) as db:
        db.execute("CREATE VIRTUAL TABLE temp.entry USING fts5vocab(main, word, instance)")
        tables = ("posting", "part_address", "response", "entry", "chain", "name")
        rows = {table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}
    db.close()
    return rows


def test_content_that_is_there_twice_is_no_fault(pristine: tuple[Path, Secrets | None]) -> None:
    """Where an address was lost, what is said again is stored again."""
    _, secrets = pristine
    path = copy_of(
        pristine, "DELETE FROM part_address WHERE part = (SELECT received FROM finish WHERE seq = 4)"
    )
    store = Store(path, lambda: T0 + 100, secrets=secrets)
    store.write([begun(20), finished(20, received="pangolin3")])
    settle(store)
    assert check(mended(path, secrets), secrets) is None
    assert found(path, secrets, "pangolin3") == [20, 3]


@given(st.data())
@settings(max_examples=12, deadline=None)
def test_any_byte_changed_in_the_index_of_words_is_found(
    pristine: tuple[Path, Secrets | None], data: st.DataObject
) -> None:
    path, secrets = pristine
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT id, block FROM word_data WHERE id > 10").fetchall()
    db.close()
    number, block = data.draw(st.sampled_from(rows))
    at, bits = data.draw(st.integers(0, len(block) - 1)), data.draw(st.integers(1, 255))
    changed = block[:at] + bytes([block[at] ^ bits]) + block[at + 1 :]
    before = contents(path)["entry"]
    copy = copy_of(pristine, f"UPDATE word_data SET block = x'{changed.hex()}' WHERE id = {number}")
    try:
        same = contents(copy)["entry"] == before
    except sqlite3.DatabaseError:
        same = False
    fault = check(copy, secrets)
    assert fault is None if same else fault is not None and fault.index, (number, at, bits)


def test_a_reindex_that_was_cut_off_goes_on_by_itself(
    pristine: tuple[Path, Secrets | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secrets = pristine
    path = copy_of(pristine)
    store = Store(path, lambda: T0 + 100, secrets=secrets)
    store.open()
    store.reindex()
    store.index(2)
    store.release()
    assert found(path, secrets, "pangolin3") == [3]
    assert check(path, secrets) is None
    monkeypatch.setattr(remove, "SWEEP_UNPOSTED_MAX", 0)
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO garbage VALUES (1, (SELECT received FROM finish WHERE seq = 4))")
    db.close()
    store = Store(path, lambda: T0 + 100, secrets=secrets)
    assert not store.upkeep().more  # it waits for the postings
    settle(store)
    assert check(path, secrets) is None
    assert found(path, secrets, "pangolin3") == [3]


def test_groups_of_parts_share_a_sum(
    pristine: tuple[Path, Secrets | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_words, "GROUPS", 2)
    _, secrets = pristine
    assert check(copy_of(pristine), secrets) is None
    fault = check(copy_of(pristine, WORD_FAULTS["a word is foreign"][0]), secrets)
    assert fault is not None
    assert fault.id == f"{3:032x}"


def test_the_commands(tmp_path: Path) -> None:
    def run(*words: str) -> Result:
        return CliRunner().invoke(app_log, [*words, "--data-dir", str(tmp_path)])

    store = Store(tmp_path / FILE_NAME, lambda: T0)
    store.write([begun(1), finished(1, received="pangolin")])
    settle(store)
    assert run("verify", "--index").exit_code == 0
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("INSERT INTO word (rowid, tokens) SELECT received, 'abcdefgh' FROM finish")
    db.close()
    assert run("verify").exit_code == 0
    told = run("verify", "--index")
    assert told.exit_code == 1
    assert told.stderr.startswith(f"INDEX: exchange {1:032x}: the index of words lacks 0 words of part")
    assert "the 1 records themselves fit" in told.stderr
    assert "log reindex" in told.stderr
    verdict = jsonio.loads(run("verify", "--index", "--json").stdout.encode())
    assert isinstance(verdict, dict)
    bad = verdict["first_bad"]
    assert isinstance(bad, dict)
    assert (verdict["ok"], bad["kind"], bad["id"]) == (False, "index", f"{1:032x}")
    held = Store(tmp_path / FILE_NAME, lambda: T0)
    held.open()
    assert "stop it first" in run("reindex").stderr
    held.release()
    assert run("reindex").exit_code == 0
    assert run("verify", "--index").exit_code == 0


def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    store = Store(path, lambda: T0)
    store.write([begun(1), finished(1, received="pangolin")])
    settle(store)
    store.release()
    with sqlite3.connect(path) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'posting'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    told = CliRunner().invoke(app_log, ["reindex", "--data-dir", str(tmp_path)])
    assert told.exit_code == 1
    assert isinstance(told.exception, SystemExit), told.exception
    assert f"{path}: " in told.output
    assert "malformed" in told.output
