"""Replies that a backend keeps, found again by their ids there, back to where their conversation began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.log import conversation as module
from proxy.log.conversation import conversation
from proxy.log.keep import Keep
from proxy.log.port import Chain
from proxy.log.query import LogReader
from proxy.log.schema import FILE_NAME, open_for_writing
from proxy.log.store import Store
from proxy.log.verify import verify
from proxy.model.level import Outcome
from proxy.model.record import Json
from tests.log.make import T0, begun, finished
from tests.log.removing import DAY_S, upkeep


def put(store: Store, number: int, id: str, previous: str | None = None, *, asks: bool = False) -> None:
    body: Json = {"model": "m", "input": f"question {number}", "previous_response_id": previous}
    begin = begun(number, body=body, at=T0 + number * DAY_S)
    store.write([replace(begin, body=None) if asks else begin])
    assert store.write([replace(finished(number, received=f"answer {number}"), response_id=id)]) == {}


def made(path: Path, keep: Keep | None = None) -> Store:
    """A conversation of three turns, its last reply asked for once more, and another one."""
    store = Store(path, lambda: T0 + 5 * DAY_S, keep)
    store.open()
    put(store, 1, "a")
    put(store, 2, "b", "a")
    put(store, 3, "c", "b")
    put(store, 4, "c", asks=True)
    put(store, 5, "x", "gone")
    return store


def previous(request: Json) -> str | None:
    assert isinstance(request, Mapping)
    id = request["previous_response_id"]
    assert id is None or isinstance(id, str)
    return id


def found(path: Path, id: str) -> list[list[tuple[Json, Json]]] | None:
    """Whether each exchange about each reply has a request, and what its reply says."""
    with LogReader(path) as reader:
        chain: Chain | None = conversation(reader, id, previous)
    if chain is None:
        return None
    return [[(one.request is not None, one.reply) for one in about] for about in chain]


def test_each_reply_leads_to_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    made(path).release()
    assert found(path, "c") == [
        [(True, "answer 1")], [(True, "answer 2")], [(True, "answer 3"), (False, "answer 4")]
    ]  # fmt: skip
    assert found(path, "b") == [[(True, "answer 1")], [(True, "answer 2")]]
    assert found(path, "x") is None, "what it goes on from is not known"
    assert found(path, "y") is None


def test_a_ring_is_no_conversation(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    store = made(path)
    put(store, 6, "r", "s")
    put(store, 7, "s", "r")
    store.release()
    assert found(path, "s") is None


@pytest.mark.parametrize(("limit", "value"), [("TURNS_MAX", 2), ("BYTES_MAX", 100)])
def test_a_long_one_is_not_read(
    limit: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE_NAME
    made(path).release()
    monkeypatch.setattr(module, limit, value)
    assert found(path, "c") is None
    assert found(path, "a") is not None


def test_of_many_looks_at_a_reply_the_first_and_the_last_are_read(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    store = made(path)
    for number in range(10, 40):
        put(store, number, "a", asks=True)
    store.release()
    (about,) = found(path, "a") or [[]]
    assert len(about) == 2 * module.ABOUT_ONE_MAX
    assert (about[0], about[-1]) == ((True, "answer 1"), (False, "answer 39"))


def test_what_is_removed_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    store = made(path, Keep({Outcome.RELEASED: 3.5 * DAY_S}))
    assert upkeep(store) == 1
    store.release()
    assert found(path, "c") is None
    with LogReader(path) as reader:
        assert verify(reader).fault is None
        assert reader.db.execute("SELECT count(*) FROM response").fetchone() == (4,)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE response SET seq = 2 WHERE seq = 1",
        "UPDATE response SET address = zeroblob(16) WHERE seq = 1",
        "INSERT INTO response VALUES (zeroblob(16), 1)",
        "INSERT INTO response VALUES (zeroblob(16), 99)",
    ],
)
def test_verify_finds_an_id_that_leads_elsewhere(change: str, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    made(path).release()
    db = open_for_writing(path, 0, busy_ms=100)
    db.execute(change)
    db.close()
    with LogReader(path) as reader:
        fault = verify(reader).fault
    assert fault is not None
    assert "reply's id" in fault.text
