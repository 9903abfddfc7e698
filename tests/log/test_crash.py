"""kill -9 at any moment: what was said to be durable is there, the chain is whole, the rest is `interrupted`."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.request_erasure import ask, erasures
from proxy.log.sqlite import SqliteRecorder
from proxy.log.store import Store
from proxy.log.up_to_date import bring_up_to_date
from proxy.log.verify import verify
from tests.log.crash_child import ERASED_EVERY, GONE, KEEP, KILLED_EVERY
from tests.log.make import T0


def run_and_kill(path: Path, start: int, *, clients: int, after_lines: int) -> tuple[set[int], set[int]]:
    """Let the child write until it said so many lines, kill it; returns what it said was begun and finished."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.log.crash_child", str(path), str(start), str(clients)],
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    assert child.stdout is not None
    said = b""
    while said.count(b"\n") < after_lines:
        piece = os.read(child.stdout.fileno(), 4096)
        assert piece, "the child ended by itself"
        said += piece
    child.kill()
    said += child.stdout.read()
    child.stdout.close()
    child.wait()
    assert b"log_" not in said, f"the log was down: {said.decode()}"
    lines = [line.split() for line in said.decode().splitlines()]
    return (
        {int(number) for what, number in lines if what == "begun"},
        {int(number) for what, number in lines if what == "finished"},
    )


def check_all(path: Path, begun: set[int], finished: set[int]) -> None:
    bring_up_to_date(path, None, lambda: T0)
    with LogReader(path) as reader:
        assert verify(reader).fault is None
        for number in begun | finished:
            record = reader.show(f"{number:032x}")
            killed = number % KILLED_EVERY == 0
            if record is None and (killed or number % ERASED_EVERY == 0):
                continue  # retention or the erasure took it
            assert record is not None, f"exchange {number} was durable and is gone"
            if number in finished:
                response = record["response"]
                assert isinstance(response, dict)
                outcome = "killed" if killed else "released"
                assert (record["outcome"], response["received"]) == (outcome, f"reply {number}")


async def restart(path: Path) -> None:
    recorder = SqliteRecorder(path)
    await recorder.start()
    page = await recorder.search(Search(limit=1000))
    assert all(hit["outcome"] in ("released", "killed", "interrupted") for hit in page.exchanges)
    await recorder.stop()


@pytest.mark.parametrize("last", ["begun", "finished"])
def test_killed_right_after_the_future_resolved(tmp_path: Path, last: str) -> None:
    path = tmp_path / "log.sqlite3"
    begun, finished = run_and_kill(path, 0, clients=1, after_lines=1 if last == "begun" else 2)
    assert begun if last == "begun" else finished
    check_all(path, begun, finished)


def kill_often(path: Path, times: int, seed: int) -> None:
    source = random.Random(seed)
    begun: set[int] = set()
    finished: set[int] = set()
    for turn in range(times):
        more = run_and_kill(path, turn * 100_000, clients=16, after_lines=source.randint(1, 300))
        begun |= more[0]
        finished |= more[1]
        check_all(path, *more)
        asyncio.run(restart(path))
    check_all(path, begun, finished)
    with LogReader(path) as reader:
        assert verify(reader).removed > 0, "it went on while exchanges were written"
    settled(path)


def settled(path: Path) -> None:
    """What was to be removed is gone, however often that was cut off."""
    ask(path, f"user:{GONE}", actor="cli", reason="asked", now_ms=0)
    store = Store(path, lambda: T0 + 1e8, keep=KEEP)
    store.open()
    while store.index(512):
        pass
    while store.upkeep().more:
        pass
    store.release()
    with LogReader(path) as reader:
        assert all(one.done for one in erasures(reader.db))
        assert reader.search(Search(outcome="killed")).exchanges == ()
        assert reader.search(Search(subject=f"user:{GONE}")).exchanges == ()
        verdict = verify(reader, index=True)
        assert verdict.fault is None
        assert verdict.removed > 0


def test_killed_at_random_moments_under_load(tmp_path: Path) -> None:
    kill_often(tmp_path / "log.sqlite3", 8, seed=1)


@pytest.mark.soak
def test_killed_at_many_random_moments_under_load(tmp_path: Path) -> None:
    # Twenty stores of ten kills each: every kill is followed by a walk over the whole store.
    for store in range(20):
        kill_often(tmp_path / str(store) / "log.sqlite3", 10, seed=store)  # each with a file of heads
