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
from proxy.log.sqlite import SqliteRecorder
from proxy.log.verify import verify


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
    lines = [line.split() for line in said.decode().splitlines()]
    return (
        {int(number) for what, number in lines if what == "begun"},
        {int(number) for what, number in lines if what == "finished"},
    )


def check_all(path: Path, begun: set[int], finished: set[int]) -> None:
    with LogReader(path) as reader:
        assert verify(reader).fault is None
        for number in begun | finished:
            record = reader.show(f"{number:032x}")
            assert record is not None, f"exchange {number} was durable and is gone"
            if number in finished:
                response = record["response"]
                assert isinstance(response, dict)
                assert (record["outcome"], response["received"]) == ("released", f"reply {number}")


async def restart(path: Path) -> None:
    recorder = SqliteRecorder(path)
    await recorder.start()
    page = await recorder.search(Search(limit=1000))
    assert all(hit["outcome"] in ("released", "interrupted") for hit in page.exchanges)
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
        more = run_and_kill(path, turn * 100_000, clients=16, after_lines=source.randint(1, 400))
        begun |= more[0]
        finished |= more[1]
        check_all(path, *more)
        asyncio.run(restart(path))
    check_all(path, begun, finished)


def test_killed_at_random_moments_under_load(tmp_path: Path) -> None:
    kill_often(tmp_path / "log.sqlite3", 4, seed=1)


@pytest.mark.soak
def test_killed_at_many_random_moments_under_load(tmp_path: Path) -> None:
    # Twenty stores of ten kills each: every kill is followed by a walk over the whole store.
    for store in range(20):
        kill_often(tmp_path / f"{store}.sqlite3", 10, seed=store)
