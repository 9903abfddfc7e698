"""The store's content encrypted: nothing of it in the clear, another key is refused, a new one takes over."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxy.commands.log import app_log
from proxy.log.encode import Codec, Damaged, part_place
from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.request_erasure import ask
from proxy.log.schema import FILE_NAME
from proxy.log.seal import SealedCodec, StoreUnusable
from proxy.log.store import Store
from proxy.log.verify import verify
from proxy.model.record import Json
from proxy.model.secret import Secret, Secrets
from tests.log.make import T0, begun, finding, finished

ONE, TWO = Secret.of("1" * 32), Secret.of("2" * 32)
SAID: dict[str, Json] = {"model": "m", "messages": [{"role": "user", "content": "the pangolin sleeps " * 8}]}


def written(folder: Path, secrets: Secrets | None, count: int = 3) -> Path:
    path = folder / "log.sqlite3"
    store = Store(path, lambda: T0, secrets=secrets)
    for number in range(1, count + 1):
        store.write([begun(number, body=SAID if number == 2 else None)])
        end = finished(
            number, received=f"ocelots {number} " * 40, delivered="armadillo", findings=(finding(),)
        )
        store.write([replace(end, error="a wombat failed", logprobs=[{"token": "numbat"}])])
    while store.index(64):
        pass
    store.put_head(last=True)
    store.release()
    return path


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())


def is_whole(path: Path, secrets: Secrets) -> None:
    with LogReader(path, secrets) as reader:
        assert verify(reader).fault is None
        record = reader.show(f"{2:032x}")
        assert record is not None
        assert record["request"] == {"body": SAID}
        assert len(reader.search(Search(q="pangolin")).exchanges) == 1


def test_nothing_of_the_content_is_in_the_clear(tmp_path: Path) -> None:
    clear, sealed = tmp_path / "clear", tmp_path / "sealed"
    written(clear, None)
    path = written(sealed, Secrets(ONE))
    is_whole(path, Secrets(ONE))
    words = (b"pangolin", b"ocelots", b"armadillo", b"wombat", b"numbat", b"pii-in-replies")
    for word in words[:1] + words[2:3]:
        assert word in on_disk(
            clear
        )  # short content stands there as it is, so the search below could find it
    left = on_disk(sealed)
    for word in words[:-1]:
        assert word not in left
    # Compression hides words too; so nothing that a plain store's blobs begin with may be there either.
    db = sqlite3.connect(path)
    for part, blob in db.execute("SELECT id, data FROM part").fetchall():
        with pytest.raises(Damaged):
            Codec().unpack(blob, part_place(part))
    key = bytes(db.execute("SELECT key FROM store").fetchone()[0])
    assert len(key) == 12 + 32 + 16  # nonce, key, tag
    db.close()


def test_equal_content_has_another_address_and_other_tokens_in_every_store(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        db = sqlite3.connect(written(tmp_path / name, Secrets(ONE)))
        found.append({row[0] for row in db.execute("SELECT address FROM part_address").fetchall()})
        db.close()
    assert not found[0] & found[1]


def test_another_key_or_none_is_refused_for_reading_and_for_writing(tmp_path: Path) -> None:
    path = written(tmp_path, Secrets(ONE))
    before = on_disk(tmp_path)
    for secrets, why in ((Secrets(TWO), f"another key: its id is {ONE.id}"), (None, "the log is encrypted")):
        with pytest.raises(StoreUnusable, match=why):
            LogReader(path, secrets)
        store = Store(path, lambda: T0, secrets=secrets)
        with pytest.raises(StoreUnusable, match=why):
            store.open()
        store.release()
    assert on_disk(tmp_path) == before


def test_a_store_that_was_begun_without_stays_so(tmp_path: Path) -> None:
    path = written(tmp_path, None)
    for open_it in (
        lambda: LogReader(path, Secrets(ONE)),
        Store(path, lambda: T0, secrets=Secrets(ONE)).open,
    ):
        with pytest.raises(StoreUnusable, match="begun without encryption"):
            open_it()


def test_a_new_key_takes_over_from_an_older_one(tmp_path: Path) -> None:
    path = written(tmp_path, Secrets(ONE))
    is_whole(path, Secrets(TWO, (ONE,)))  # reading changes nothing
    is_whole(path, Secrets(ONE))
    store = Store(path, lambda: T0, secrets=Secrets(TWO, (ONE,)))
    store.write([begun(9), finished(9)])
    store.release()
    is_whole(path, Secrets(TWO))
    with pytest.raises(StoreUnusable, match=f"its id is {TWO.id}"):
        LogReader(path, Secrets(ONE))


def test_a_blob_opens_in_its_own_place_only(tmp_path: Path) -> None:
    codec = SealedCodec(b"k" * 32)
    blob = codec.pack(b"content", part_place(1))
    assert codec.unpack(blob, part_place(1)) == b"content"
    assert blob != codec.pack(b"content", part_place(1))  # another nonce
    for other in (codec.unpack, SealedCodec(b"l" * 32).unpack):
        place = part_place(2) if other == codec.unpack else part_place(1)
        with pytest.raises(Damaged, match="does not open"):
            other(blob, place)
    path = written(tmp_path, Secrets(ONE))
    db = sqlite3.connect(path)
    with db:
        first, second = db.execute("SELECT data FROM part WHERE id IN (1, 2) ORDER BY id").fetchall()
        db.execute("UPDATE part SET data = ? WHERE id = 1", second)
        db.execute("UPDATE part SET data = ? WHERE id = 2", first)
    db.close()
    with LogReader(path, Secrets(ONE)) as reader:
        assert verify(reader).fault is not None


def test_erasure_takes_content_out_of_an_encrypted_store(tmp_path: Path) -> None:
    path = written(tmp_path, Secrets(ONE))
    db = sqlite3.connect(path)
    blobs = [bytes(row[0]) for row in db.execute("SELECT data FROM part UNION SELECT detail FROM finish")]
    db.close()
    assert all(blob in on_disk(tmp_path) for blob in blobs)
    number = ask(path, "user:ann", actor="test", reason=None, now_ms=int(T0 * 1000))
    store = Store(path, lambda: T0, secrets=Secrets(ONE))
    while store.upkeep().more:
        pass
    store.release()
    left = on_disk(tmp_path)
    assert number
    assert not any(blob in left for blob in blobs)
    assert re.search(rb"\bann\b", left) is None
    with LogReader(path, Secrets(ONE)) as reader:
        verdict = verify(reader)
        assert (verdict.fault, verdict.removed) == (None, 3)


def test_an_encrypted_log_is_read_with_its_settings_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = Secret.of("k" * 32)
    (tmp_path / "data").mkdir()
    store = Store(tmp_path / "data" / FILE_NAME, lambda: T0, secrets=Secrets(secret))
    store.write([begun(1), finished(1)])
    store.release()
    config = tmp_path / "proxy.yaml"
    config.write_text(
        "backends: {b: {url: 'http://127.0.0.1:9', api: openai, key_env: NOT_SET}}\n"
        "data_dir: data\nlog: {encryption: {key_env: LOG_KEY}}\n"
    )
    for command in (["verify"], ["search"], ["show", f"{1:032x}"], ["stats"], ["export"], ["compact"]):
        monkeypatch.setenv("LOG_KEY", "k" * 32)
        done = CliRunner().invoke(app_log, [*command, "--config", str(config)])
        assert done.exit_code == 0, done.output
        monkeypatch.setenv("LOG_KEY", "w" * 32)
        done = CliRunner().invoke(app_log, [*command, "--config", str(config)])
        assert isinstance(done.exception, StoreUnusable)
        assert f"another key: its id is {secret.id}" in str(done.exception)
        done = CliRunner().invoke(app_log, [*command, "--data-dir", str(tmp_path / "data")])
        assert "the log is encrypted: name the settings" in str(done.exception)
