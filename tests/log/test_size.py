"""What is said again is not stored again."""

from __future__ import annotations

import random
from pathlib import Path

from proxy import jsonio
from proxy.log.prepare import Entry
from proxy.log.store import Store
from proxy.model.record import Json
from tests.log.make import T0, begun, finished

TURNS = 40


def words(source: random.Random, count: int) -> str:
    """Made-up words with the frequencies of a language (Zipf), so that compression gets no gift."""
    vocabulary = ["".join(source.choices("etaoinshrdlucmfwyp", k=source.randint(2, 9))) for _ in range(3000)]
    weights = [1 / rank for rank in range(1, 3001)]
    return " ".join(source.choices(vocabulary, weights, k=count))


def conversation(seed: int, turns: int) -> list[tuple[Json, str]]:
    """The request and the reply of every turn."""
    source = random.Random(seed)
    messages: list[Json] = [{"role": "system", "content": words(source, 60)}]
    out: list[tuple[Json, str]] = []
    for _ in range(turns):
        messages.append({"role": "user", "content": words(source, 30)})
        reply = words(source, 120)
        body: Json = {"model": "support-bot", "messages": list(messages), "temperature": 0.2}
        out.append((body, reply))
        messages.append({"role": "assistant", "content": reply})
    return out


def stored_bytes(path: Path, turns: list[tuple[Json, str]]) -> int:
    store = Store(path, lambda: T0)
    entries: list[Entry] = []
    for number, (body, reply) in enumerate(turns):
        entries.append(begun(number, body=body))
        entries.append(finished(number, received=reply, scores={"toxicity": 0.01, "insult": 0.002}))
    for start in range(0, len(entries), 20):
        assert store.write(entries[start : start + 20]) == {}
    while store.index(128):
        pass
    store.checkpoint()
    store.release()
    return path.stat().st_size


def test_a_forty_turn_conversation_five_times_over_takes_at_most_fifteen_percent(tmp_path: Path) -> None:
    turns = conversation(1, TURNS) * 5
    raw = sum(len(jsonio.dumps(body)) for body, _ in turns)
    share = stored_bytes(tmp_path / "log.sqlite3", turns) / raw
    assert share <= 0.15, f"{share:.1%}"


def test_a_turn_of_a_long_conversation_costs_no_more_than_one_of_a_short(tmp_path: Path) -> None:
    short = stored_bytes(tmp_path / "short.sqlite3", conversation(2, 50)) / 50
    long = stored_bytes(tmp_path / "long.sqlite3", conversation(2, 200)) / 200
    assert long <= 1.1 * short, f"{long:.0f} bytes a turn against {short:.0f}"
