"""The search: newest first, every condition holds, indexed or not, page by page."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.log import query, wording
from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.seal import StoreUnusable
from proxy.log.store import Store
from proxy.model.level import Level, Outcome
from proxy.model.record import Json
from tests.log.make import T0, begun, finding, finished

COUNT = 60
OUTCOMES = (Outcome.RELEASED, Outcome.REDACTED, Outcome.BLOCKED_OUTPUT)


def facts(number: int) -> dict[str, str | int]:
    """What exchange `number` of the fixture is like: enough variety that no two conditions coincide."""
    source = random.Random(number)
    return {
        "model": source.choice(["support-bot", "old-bot"]),
        "app": source.choice(["shop", "desk", "lab"]),
        "user": source.choice(["ann", "bob", "cid", "d\ud800"]),
        "ip": f"10.0.{source.randint(0, 3)}.{source.randint(0, 3)}",
        "outcome": source.choice(OUTCOMES),
        "rule": source.choice(["", "pii-in-replies", "insults"]),
        "level": int(source.choice([Level.GUARDED, Level.DEGRADED])),
        "score": source.randint(0, 100),
        "word": source.choice(["apple", "Straße", "日本語の文"]),
    }


@pytest.fixture(scope="module", params=[0, 25, COUNT], ids=["not indexed", "half indexed", "indexed"])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LogReader:
    path: Path = tmp_path_factory.mktemp("log") / "log.sqlite3"
    store = Store(path, lambda: T0)
    for number in range(COUNT):
        fact = facts(number)
        body: Json = {
            "model": fact["model"],
            "messages": [{"role": "user", "content": f"say {fact['word']}"}],
        }
        begin = begun(
            number,
            body=body,
            user=str(fact["user"]),
            ip=str(fact["ip"]),
            app=str(fact["app"]),
            model=str(fact["model"]),
        )
        end = finished(
            number,
            outcome=Outcome(str(fact["outcome"])),
            model=str(fact["model"]),
            level=Level(int(fact["level"])),
            findings=(finding(str(fact["rule"])),) if fact["rule"] else (),
            scores={"toxicity": int(fact["score"]) / 100},
            received=f"reply number {number}",
        )
        store.write([begin])
        store.write([end])
    if request.param:
        store.index(request.param)
    store.release()
    return LogReader(path)


def numbers(reader: LogReader, search: Search) -> list[int]:
    return [int(str(hit["id"]), 16) for hit in reader.search(search).exchanges]


def expected(holds: Callable[[dict[str, str | int]], bool]) -> list[int]:
    return [number for number in reversed(range(COUNT)) if holds(facts(number))]


@pytest.mark.parametrize(
    ("search", "holds"),
    [
        (Search(limit=1000), lambda _: True),
        (Search(model="old-bot", limit=1000), lambda f: f["model"] == "old-bot"),
        (Search(model="gpt-test-2-0101", limit=1000), lambda _: True),
        (Search(app="desk", limit=1000), lambda f: f["app"] == "desk"),
        (Search(subject="user:bob", limit=1000), lambda f: f["user"] == "bob"),
        (Search(subject="user:d\ud800", limit=1000), lambda f: f["user"] == "d\ud800"),
        (Search(subject="ip:10.0.2.1", limit=1000), lambda f: f["ip"] == "10.0.2.1"),
        (Search(subject="ip:10.0.2.0/24", limit=1000), lambda f: str(f["ip"]).startswith("10.0.2.")),
        (Search(subject="app:lab", limit=1000), lambda f: f["app"] == "lab"),
        (Search(subject="region:DE", limit=1000), lambda _: True),
        (Search(subject="key:nobody", limit=1000), lambda _: False),
        (Search(outcome="redacted", limit=1000), lambda f: f["outcome"] == "redacted"),
        (Search(rule="insults", limit=1000), lambda f: f["rule"] == "insults"),
        (Search(level="degraded", limit=1000), lambda f: f["level"] == 2),
        (Search(policy="d1d1", limit=1000), lambda _: True),
        (Search(policy="d2", limit=1000), lambda _: False),
        (Search(scores={"toxicity": 0.85}, limit=1000), lambda f: int(f["score"]) >= 85),
        (Search(scores={"toxicity": 0.5}, limit=1000), lambda f: int(f["score"]) >= 50),
        (Search(scores={"toxicity": 0.0}, limit=1000), lambda _: True),
        (Search(scores={"insult": 0.1}, limit=1000), lambda _: False),
        (Search(max_scores={"toxicity": 0.3}, limit=1000), lambda f: int(f["score"]) <= 30),
        (Search(max_scores={"toxicity": 0.0}, limit=1000), lambda f: f["score"] == 0),
        (Search(max_scores={"insult": 1.0}, limit=1000), lambda _: False),
        (
            Search(scores={"toxicity": 0.35}, max_scores={"toxicity": 0.6}, limit=1000),
            lambda f: 35 <= int(f["score"]) <= 60,
        ),
        (Search(q="STRASSE", limit=1000), lambda f: f["word"] == "Straße"),
        (Search(q="日本語", limit=1000), lambda f: f["word"] == "日本語の文"),
        (Search(q="apple reply", limit=1000), lambda f: f["word"] == "apple"),
        (Search(q="user", limit=1000), lambda _: False),
        (
            Search(app="shop", outcome="released", rule="insults", limit=1000),
            lambda f: (f["app"], f["outcome"], f["rule"]) == ("shop", "released", "insults"),
        ),
    ],
)
def test_every_condition(
    reader: LogReader, search: Search, holds: Callable[[dict[str, str | int]], bool]
) -> None:
    assert numbers(reader, search) == expected(holds)


def test_time_is_half_open(reader: LogReader) -> None:
    assert numbers(reader, Search(since=T0 + 10, until=T0 + 13)) == [12, 11, 10]


@given(
    limit=st.integers(1, 20), app=st.sampled_from([None, "shop", "desk"]), q=st.sampled_from([None, "apple"])
)
@settings(max_examples=20, deadline=None)
def test_pages_put_together_are_the_whole(
    reader: LogReader, limit: int, app: str | None, q: str | None
) -> None:
    whole = numbers(reader, Search(app=app, q=q, limit=1000))
    pages: list[int] = []
    cursor: str | None = None
    for _ in range(COUNT + 2):
        page = reader.search(Search(app=app, q=q, limit=limit, cursor=cursor))
        pages.extend(int(str(hit["id"]), 16) for hit in page.exchanges)
        cursor = page.next
        if cursor is None:
            break
    assert cursor is None
    assert pages == whole


def test_a_page_reads_a_bounded_number_of_rows_and_says_where_it_stopped(
    reader: LogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "WORD_ROWS_MAX", 7)
    monkeypatch.setattr(wording, "PARTS_MAX", 5)  # "number" is a common word then, "7" a rare one
    for word, hits in (("7", [7]), ("number", list(reversed(range(COUNT))))):
        found: list[int] = []
        cursor: str | None = None
        pages = 0
        while True:
            page = reader.search(Search(q=word, cursor=cursor))
            pages += 1
            found.extend(int(str(hit["id"]), 16) for hit in page.exchanges)
            cursor = page.next
            if cursor is None:
                break
        assert found == hits
        assert pages >= (COUNT // 7 if word == "number" else 1)


@pytest.mark.parametrize(
    ("q", "holds"),
    [
        ("say", True),
        ("SAY", True),
        ("sa", False),
        ("ay", False),
        ("reply 7", False),
        ("number", True),
        ("numbe", False),
        ("straße", "Straße"),
        ("strasse", "Straße"),
        ("日本", "日本語の文"),
        ("語の", "日本語の文"),
        ("日本語の文", "日本語の文"),
        ("日語", False),
        ("文", "日本語の文"),
        ("apple say reply", "apple"),
        ("apple! say", False),
        ("!", False),
        ("gpt", False),
        ("nobody", False),
    ],
)
def test_words_are_whole_and_other_scripts_come_by_any_two_characters(
    reader: LogReader, q: str, holds: bool | str
) -> None:
    hits = expected(lambda fact: holds is True or fact["word"] == holds) if holds is not False else []
    if q == "reply 7":
        hits = [7]
    assert numbers(reader, Search(q=q, limit=1000)) == hits


@pytest.mark.parametrize(
    ("search", "says"),
    [
        (Search(subject="ann"), "user:ID"),
        (Search(subject="ip:300.1.1.1"), "no IP address"),
        (Search(outcome="fine"), "outcome must be one of"),
        (Search(level="calm"), "level must be one of"),
        (Search(cursor="??"), "cursor"),
        (Search(limit=0), "limit"),
        (Search(q="a b c d e f g h i j k l m n o p q"), "16 words"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused_with_the_reason(
    reader: LogReader, search: Search, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        reader.search(search)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no exchange log here yet"),
        (b"hello, I am a text file" * 99, "no exchange log"),
        (b"", "empty"),
    ],
)
def test_what_is_no_store_is_called_by_its_name(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "log.sqlite3"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreUnusable, match=says):
        LogReader(path)
