"""What the tests of erasure and retention share."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.store import Store
from proxy.log.verify import Verdict, verify
from proxy.log.words import Words
from proxy.model.level import Outcome
from proxy.model.record import Json
from tests.log.make import T0, begun, finding, finished

DAY_S: Final = 86_400.0
OUTCOMES = (Outcome.RELEASED, Outcome.REDACTED, Outcome.BLOCKED_OUTPUT)


def put(
    store: Store, number: int, *, user: str, words: str, end: bool = True, shared: str = "be kind"
) -> None:
    """One exchange a day, whose every stored text has `words` in it but for the system prompt."""
    messages: list[Json] = [
        {"role": "system", "content": shared},
        {"role": "user", "content": f"{words} asks {number}"},
    ]
    body: Json = {"model": "support-bot", "messages": messages, "metadata": {"note": f"{words} note"}}
    store.write([begun(number, body=body, user=user, at=T0 + number * DAY_S)])
    if end:
        finish(store, number, words=words)


def finish(store: Store, number: int, *, words: str) -> None:
    end = finished(
        number,
        outcome=OUTCOMES[number % 3],
        received=f"{words} reply {number}",
        delivered=f"{words} delivered {number}",
        sent={"model": "gpt-test-2", "messages": [{"role": "user", "content": f"{words} sent {number}"}]},
        findings=(finding(label=f"{words}-label"),) if number % 2 else (),
        scores={"toxicity": number % 10 / 10},
        error=f"{words} error",
    )
    assert store.write([end]) == {}


def upkeep(store: Store) -> int:
    """Everything that is to be done; returns how many exchanges went."""
    gone = 0
    while store.index(100):
        pass
    while (step := store.upkeep()).more:
        gone += step.exchanges
    return gone


def check(path: Path) -> Verdict:
    with LogReader(path) as reader:
        verdict = verify(reader)
    assert verdict.fault is None
    return verdict


def found(path: Path, **conditions: str) -> list[int]:
    with LogReader(path) as reader:
        page = reader.search(Search(limit=1000, **conditions))  # type: ignore[arg-type]
    return sorted(int(str(hit["id"]), 16) for hit in page.exchanges)


def files_with(folder: Path, texts: Iterable[str]) -> list[tuple[str, str]]:
    """Which files hold which of these in their raw bytes."""
    raw = {file.name: file.read_bytes() for file in folder.iterdir()}
    return [(name, text) for text in texts for name, content in raw.items() if text.encode() in content]


def stored_plain(self: object, content: bytes, place: bytes) -> bytes:
    """In place of `Codec.pack`: content as it is, so that its bytes can be looked for."""
    del place
    return b"\x00" + zlib.crc32(content, 0).to_bytes(4, "big") + content


def indexed_words(path: Path, words: Iterable[str]) -> set[str]:
    """Which of these words the index still has anything of, what is only marked as deleted included."""
    with LogReader(path) as reader:
        (key,) = reader.db.execute("SELECT key FROM store").fetchone()
        reader.db.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, word, row)")
        terms = {term for (term,) in reader.db.execute("SELECT term FROM temp.terms")}
        tokens = {word: Words(key).of_part(b'\x00"' + word.encode() + b'"') for word in words}
    return {word for word, token in tokens.items() if token in terms}
