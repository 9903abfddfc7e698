"""Erasure and retention: what goes is gone from the bytes of every file, the rest is whole, and `verify` fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.log import keep
from proxy.log.keep import Keep
from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.request_erasure import ask, erasures
from proxy.log.store import Store
from proxy.log.verify import verify
from tests.log.make import T0
from tests.log.removing import (
    DAY_S,
    check,
    files_with,
    finish,
    found,
    indexed_words,
    put,
    stored_plain,
    upkeep,
)


def test_an_erased_person_is_in_no_byte_of_any_file_and_the_chain_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.log.encode.Codec.pack", stored_plain)
    path = tmp_path / "log.sqlite3"
    store = Store(path, lambda: T0)
    for number in range(120):
        who = "annette-x" if number % 4 == 0 else f"bob-{number % 4}"
        put(store, number, user=who, words=f"words-of-{who}")
    while store.index(100):
        pass
    store.put_head(last=True)
    assert files_with(tmp_path, ["words-of-annette-x asks", "annette-x reply", "annette-x error"]) != []
    assert indexed_words(path, {"annette", "bob"}) == {"annette", "bob"}
    ask(path, "user:annette-x", actor="command", reason="ticket 12", now_ms=5)
    assert upkeep(store) == 30
    assert files_with(tmp_path, ["annette-x"]) == []
    assert indexed_words(path, {"annette", "bob"}) == {"bob"}
    assert ("log.sqlite3", "words-of-bob-1 asks") in files_with(tmp_path, ["words-of-bob-1 asks"])
    store.put_head(last=True)
    verdict = check(path)
    assert (verdict.records, verdict.removed, verdict.unguarded) == (90, 30, 0)
    assert found(path, subject="user:annette-x") == []
    assert found(path) == [number for number in range(120) if number % 4]
    with LogReader(path) as reader:
        rows = reader.db.execute("SELECT count(*) FROM name WHERE text = 'annette-x'").fetchone()
        assert rows == (0,)
        assert erasures(reader.db) == []
    store.release()


def test_what_others_refer_to_goes_with_its_last_reference(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    store = Store(path, lambda: T0)
    put(store, 1, user="ann", words="alpha", shared="shared prompt")
    put(store, 2, user="bob", words="beta", shared="shared prompt")
    put(store, 3, user="cid", words="gamma", shared="another")

    def parts() -> int:
        with LogReader(path) as reader:
            return int(reader.db.execute("SELECT count(*) FROM part").fetchone()[0])

    def prompts() -> set[str]:
        with LogReader(path) as reader:
            return {
                str(record["request"]["body"]["messages"][0]["content"])  # type: ignore[index, call-overload]
                for record in reader.records(Search(limit=10))
            }

    before = parts()
    ask(path, "user:ann", actor="command", reason=None, now_ms=5)
    assert upkeep(store) == 1
    check(path)
    assert prompts() == {"shared prompt", "another"}
    between = parts()
    assert between < before
    ask(path, "user:bob", actor="command", reason=None, now_ms=5)
    assert upkeep(store) == 1
    check(path)
    assert prompts() == {"another"}
    # The same words again after they were removed: nothing remembered stands in the way.
    put(store, 4, user="ann", words="alpha", shared="shared prompt")
    assert upkeep(store) == 0
    check(path)
    assert prompts() == {"shared prompt", "another"}
    store.release()


def test_an_exchange_under_way_is_erased_when_it_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    store = Store(path, lambda: T0)
    put(store, 1, user="ann", words="alpha")
    put(store, 2, user="ann", words="alpha", end=False)
    ask(path, "user:ann", actor="command", reason=None, now_ms=5)
    assert upkeep(store) == 1
    put(store, 3, user="ann", words="after", end=True)  # later than what was asked for
    assert upkeep(store) == 0
    assert found(path) == [2, 3]
    finish(store, 2, words="alpha")
    assert upkeep(store) == 1
    assert found(path) == [3]
    with LogReader(path) as reader:
        assert erasures(reader.db) == []
    check(path)
    store.release()


def test_each_outcome_is_kept_as_long_as_its_setting_says(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    now = T0 + 40 * DAY_S
    store = Store(path, lambda: now, Keep({"released": 30 * DAY_S, "redacted": 10 * DAY_S}))
    for number in range(40):
        put(store, number, user=f"user-{number}", words=f"w{number}")
    upkeep(store)
    left = [n for n in range(40) if n % 3 == 2 or (n % 3 == 0 and n >= 10) or (n % 3 == 1 and n >= 30)]
    assert found(path) == left
    assert check(path).removed == 40 - len(left)
    now += 5 * DAY_S
    upkeep(store)
    assert len(found(path)) < len(left)
    check(path)
    store.release()


def test_the_oldest_go_when_the_store_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    limit = 600_000
    store = Store(path, lambda: T0, Keep({}, max_bytes=limit))
    for number in range(600):
        put(store, number, user=f"user-{number}", words=f"{number:05d}" * 40)
        if number % 50 == 0:
            upkeep(store)
    upkeep(store)
    left = found(path)
    assert left == list(range(left[0], 600))
    assert 0 < left[0] < 590
    with LogReader(path) as reader:
        pages, free = (
            reader.db.execute(f"PRAGMA {word}").fetchone()[0] for word in ("page_count", "freelist_count")
        )
        assert (pages - free) * 4096 <= limit
    check(path)
    store.release()


def test_a_number_that_was_given_out_is_never_given_out_again(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    store = Store(path, lambda: T0)
    for number in (1, 2):
        put(store, number, user="ann", words="alpha")
    ask(path, "user:ann", actor="command", reason=None, now_ms=5)
    assert upkeep(store) == 2
    check(path)
    store.release()
    again = Store(path, lambda: T0)
    put(again, 3, user="bob", words="beta")
    with LogReader(path) as reader:
        assert reader.db.execute("SELECT seq FROM exchange").fetchall() == [(3,)]
        record = reader.show(f"{3:032x}")
        assert record is not None
        before = reader.db.execute("SELECT hash FROM chain WHERE kind = 1").fetchone()[0].hex()
        assert record["previous_hash"] == before
    check(path)
    again.release()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(["ann", "bob", "cid"]), st.sampled_from(["x", "y", "z"])),
        st.tuples(st.just("begin"), st.sampled_from(["ann", "bob"]), st.sampled_from(["x", "y"])),
        st.tuples(st.just("erase"), st.sampled_from(["ann", "bob", "cid"]), st.just("")),
        st.tuples(st.just("age"), st.just(""), st.just("")),
        st.tuples(st.just("restart"), st.just(""), st.just("")),
        st.tuples(st.just("step"), st.just(""), st.just("")),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_any_order_of_writing_removing_and_restarting_leaves_a_whole_log(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("any") / "log.sqlite3"
    kept: dict[int, str] = {}
    days = [0.0]

    def opened() -> Store:
        store = Store(path, lambda: T0 + days[0] * DAY_S, Keep({"released": DAY_S}))
        store.open()
        return store

    store = opened()
    for number, (what, user, words) in enumerate(steps, 1):
        if what in ("put", "begin"):
            put(store, number, user=user, words=words, end=what == "put")
            kept[number] = user
            store.index(1)
        elif what == "erase":
            ask(path, f"user:{user}", actor="command", reason=None, now_ms=5)
        elif what == "age":
            days[0] += 3
        elif what == "restart":
            store.release()
            store = opened()
        else:
            store.upkeep()
        with LogReader(path) as reader:
            assert verify(reader).fault is None
    upkeep(store)
    check(path)
    with LogReader(path) as reader:
        records = list(reader.records(Search(limit=100)))
        assert not reader.db.execute("SELECT 1 FROM garbage").fetchall()
    for record in records:
        assert record["subject"]["user"] == kept[int(str(record["id"]), 16)]  # type: ignore[index, call-overload]
    store.release()


def test_a_large_store_is_left_to_compact_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "REWRITE_BYTES_MAX", 1)
    path = tmp_path / "log.sqlite3"
    store = Store(path, lambda: T0)
    put(store, 1, user="ann", words="alpha")
    put(store, 2, user="bob", words="beta")
    ask(path, "user:ann", actor="command", reason=None, now_ms=5)
    assert upkeep(store) == 1
    with LogReader(path) as reader:
        assert [erasure.state for erasure in erasures(reader.db)] == [keep.LEFT_TO_COMPACT]
    store.compact()
    with LogReader(path) as reader:
        assert erasures(reader.db) == []
    check(path)
    store.release()


def test_a_reader_holds_an_erasure_up_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    store = Store(path, lambda: T0)
    put(store, 1, user="ann", words="alpha")
    put(store, 2, user="bob", words="beta")
    reader = LogReader(path)
    reader.db.execute("BEGIN")
    reader.db.execute("SELECT count(*) FROM exchange").fetchone()
    ask(path, "user:ann", actor="command", reason=None, now_ms=5)
    assert upkeep(store) == 1
    assert not store.upkeep().more
    assert [erasure.subject for erasure in erasures(reader.db)] == []  # its snapshot is older
    reader.db.execute("COMMIT")
    assert [erasure.done for erasure in erasures(reader.db)] == [False]
    upkeep(store)
    assert erasures(reader.db) == []
    reader.close()
    store.release()
