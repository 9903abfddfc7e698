"""The journal: what is durable before it comes into the tables, and is gone from here once it has."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.log import journal as journal_module
from proxy.log.admission import ENDED_ALREADY
from proxy.log.encode import Codec, Damaged
from proxy.log.journal import Journal, first_frame, journal_path
from proxy.log.journal_form import pack, unpack
from proxy.log.port import Search
from proxy.log.prepare import prepare
from proxy.log.query import LogReader
from proxy.log.request_erasure import ask
from proxy.log.schema import FILE_NAME
from proxy.log.seal import SealedCodec
from proxy.log.sqlite import SqliteRecorder
from proxy.log.store import Store
from proxy.log.up_to_date import bring_up_to_date
from proxy.log.verify import verify
from proxy.model.level import Outcome
from proxy.model.record import Begun, Finished, Json
from proxy.model.secret import Secrets
from tests.log.make import T0, begun, finished
from tests.log.test_seal import ONE

KEY = b"k" * 32
ODD: Json = ["\ud800", 2**70, float("inf"), None, {"": []}]


def store_in(folder: Path, secrets: Secrets | None = None) -> Store:
    return Store(folder / FILE_NAME, lambda: T0, secrets=secrets)


def crash(store: Store) -> None:
    """What is left when a process ends: the files, and none of what it knew."""
    store.release()


def outcomes(folder: Path, secrets: Secrets | None = None) -> dict[int, str]:
    """Of all that is in the tables, by number; the chain fits."""
    with LogReader(folder / FILE_NAME, secrets) as reader:
        assert verify(reader).fault is None
        hits = reader.search(Search(limit=1000)).exchanges
    return {int(str(hit["id"]), 16): str(hit["outcome"]) for hit in hits}


RECORDS: list[Begun | Finished] = [
    begun(1),
    begun(2, body=ODD, user="\udfff", app=None, model=None),
    begun(3, body={"system": "be brief", "tools": [{"name": "a"}], "messages": [{"content": "hi"}, {}]}),
    finished(1, received=ODD, delivered="", sent={"prompt": ["a"]}, scores={"toxicity": 0.25}),
    finished(2, received=None, outcome=Outcome.KILLED, error="gone"),
]


def test_every_record_comes_back_from_the_journal_as_it_was_prepared() -> None:
    prepared = [prepare(record) for record in RECORDS]
    assert unpack(pack(prepared)) == prepared


@pytest.mark.parametrize("sealed", [False, True])
@given(groups=st.lists(st.binary(max_size=60), max_size=6), data=st.data())
def test_what_is_whole_is_read_wherever_the_file_was_cut_or_changed(
    tmp_path_factory: pytest.TempPathFactory, sealed: bool, groups: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "log.journal"
    codec = SealedCodec(KEY) if sealed else Codec()
    journal = Journal(path, KEY, codec)
    ends = [0]
    for group in groups:
        journal.append(group)
        ends.append(path.stat().st_size)
    journal.close()
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content)), "at")
    whole = sum(end <= at for end in ends[1:])
    if at < len(content) and data.draw(st.booleans(), "changed, not cut"):
        path.write_bytes(content[:at] + bytes((content[at] ^ 0x41,)) + content[at + 1 :])
        expected, damaged = groups[:whole] + groups[whole + 1 :], True
    else:
        path.write_bytes(content[:at])
        ends_so = content[at:].strip(b"\0") == b"" and at > 0
        whole = len(groups) if ends_so else whole
        expected, damaged = groups[:whole], content[ends[whole] : at].strip(b"\0") != b""
    again = Journal(path, KEY, codec)
    payloads, unreadable = again.read()
    assert payloads == expected
    assert (unreadable > 0) == damaged
    again.clear()
    assert path.read_bytes().strip(b"\0") == b""
    again.append(b"more")
    assert again.read() == ([b"more"], 0)
    again.close()


def test_what_was_durable_is_there_after_a_crash(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert store.append([begun(1), begun(2)]) == {}
    assert store.append([finished(1), begun(3)]) == {}
    assert store.pending == 4
    assert outcomes(tmp_path) == {}
    crash(store)
    assert first_frame(tmp_path / FILE_NAME) is not None
    store = store_in(tmp_path)
    store.open()
    assert first_frame(tmp_path / FILE_NAME) is None
    assert outcomes(tmp_path) == {1: "released", 2: "interrupted", 3: "interrupted"}
    store.release()


@pytest.mark.parametrize("cleared", [0, 50])
def test_a_crash_between_the_commit_and_the_clearing_doubles_nothing(tmp_path: Path, cleared: int) -> None:
    store, journal = store_in(tmp_path), journal_path(tmp_path / FILE_NAME)
    store.append([begun(1)])
    store.append([begun(2), finished(1)])
    before = journal.read_bytes()
    store.bring_in()
    crash(store)
    journal.write_bytes(bytes(cleared) + before[cleared:])
    store = store_in(tmp_path)
    store.open()
    assert not store.lost()
    assert outcomes(tmp_path) == {1: "released", 2: "interrupted"}
    store.release()


def test_readers_see_what_a_proxy_left_that_was_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE_NAME
    store = store_in(tmp_path)
    store.append([begun(1), finished(1)])
    monkeypatch.setattr("proxy.log.up_to_date.WAIT_S", 0.0)
    told = bring_up_to_date(path, None, lambda: T0)  # it still runs: nothing is taken from it
    assert "has not brought in" in told
    assert outcomes(tmp_path) == {}
    crash(store)
    assert not bring_up_to_date(path, None, lambda: T0)
    assert outcomes(tmp_path) == {1: "released"}
    bring_up_to_date(tmp_path / "none.sqlite3", None, lambda: T0)
    assert not (tmp_path / "none.sqlite3").exists()


async def test_a_reader_beside_a_running_proxy_sees_what_was_durable_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.log.up_to_date.WAIT_S", 60.0)
    recorder = SqliteRecorder(tmp_path / FILE_NAME)
    await recorder.start()
    for number in range(6):
        await asyncio.gather(recorder.begin(begun(number)), recorder.finish(finished(number)))
        untold = await asyncio.to_thread(bring_up_to_date, tmp_path / FILE_NAME, None, lambda: T0)
        assert not untold
        assert len(outcomes(tmp_path)) == number + 1
    await recorder.stop()


def test_an_exchange_begins_and_ends_once_also_while_only_the_journal_has_it(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append([begun(1), begun(2), finished(1)])
    assert store.append([begun(2), finished(1), finished(3)]) == {
        0: "an exchange of this id is under way",
        1: ENDED_ALREADY,
        2: "its beginning is not on the log",
    }
    store.append([begun(1), finished(2)], again=True)  # as after a fault: what is there counts as written
    store.bring_in()
    assert outcomes(tmp_path) == {1: "released", 2: "released"}
    store.release()


def test_more_than_the_journal_takes_goes_on_in_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "JOURNAL_BYTES_MAX", 3000)
    monkeypatch.setattr("proxy.log.store.FRAME_BYTES_MAX", 1500)
    store, journal = store_in(tmp_path), journal_path(tmp_path / FILE_NAME)
    for number in range(20):
        store.append([begun(number), finished(number)])
        assert journal.stat().st_size <= 3000
    assert 0 < store.pending < 20
    store.append([begun(20, body={"prompt": "x" * 2000}), finished(20)])
    assert store.pending == 0, "a large group goes there at once, and all before it"
    assert outcomes(tmp_path) == dict.fromkeys(range(21), "released")
    store.release()


@pytest.mark.parametrize("secrets", [None, Secrets(ONE)])
def test_nothing_of_an_erased_person_is_left_in_the_journal(tmp_path: Path, secrets: Secrets | None) -> None:
    store, path = store_in(tmp_path, secrets), tmp_path / FILE_NAME
    store.append([begun(1, user="annette"), finished(1, received="for annette"), begun(2, user="annette")])
    kept = journal_path(path).read_bytes()
    assert (b"annette" in kept) == (secrets is None), "an encrypted log has no plain words here either"
    store.append([finished(2, received="for annette")])
    ask(path, "user:annette", actor="test", reason=None, now_ms=int(T0 * 1000))
    store.upkeep()
    assert journal_path(path).read_bytes().strip(b"\0") == b""
    crash(store)
    store = store_in(tmp_path, secrets)
    while store.index(512):  # what is to be removed is found by it
        pass
    while store.upkeep().more:
        pass
    assert outcomes(tmp_path, secrets) == {}
    store.release()


def test_a_journal_of_another_store_is_not_brought_in(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    store = store_in(one)
    store.append([begun(1), finished(1)])
    crash(store)
    store = store_in(two)
    store.write([begun(2), finished(2)])
    store.release()
    journal_path(one / FILE_NAME).replace(journal_path(two / FILE_NAME))
    store = store_in(two)
    store.open()
    assert "cannot be read" in store.lost()
    store.append([begun(3), finished(3)])
    crash(store)
    store = store_in(two)
    store.open()
    assert outcomes(two) == {2: "released", 3: "released"}
    assert not store.lost()
    store.release()


@pytest.mark.parametrize(
    "payload", [b"\0", pack([prepare(begun(1))])[:-1], b"\0\0\0\x03\x00[]", b"\0\0\0\x04\x00[7]"]
)
def test_what_is_no_record_is_damage_and_told(tmp_path: Path, payload: bytes) -> None:
    with pytest.raises(Damaged):
        unpack(payload)
    store = store_in(tmp_path)
    store.append([begun(1), finished(1)])
    assert store._journal is not None
    store._journal.append(payload)
    crash(store)
    store = store_in(tmp_path)
    store.open()
    assert f"{len(payload)} bytes" in store.lost()
    assert outcomes(tmp_path) == {1: "released"}
    store.release()


@pytest.mark.parametrize("codec", [Codec(), SealedCodec(KEY)])
def test_what_is_taken_lies_where_it_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: Codec
) -> None:
    monkeypatch.setattr(journal_module, "JOURNAL_BYTES_MAX", 400)
    for length in range(200, 400):
        journal = Journal(tmp_path / str(length), KEY, codec)
        payload = bytes(length)
        if journal.takes(payload):
            journal.append(payload)
            journal.close()
            journal = Journal(tmp_path / str(length), KEY, codec)
            assert journal.read() == ([payload], 0)
        journal.close()
