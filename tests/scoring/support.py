"""Pools over the odd engine, and what is heard of them."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from proxy.detect.base import ScorerFailed
from proxy.scoring.answers import Answer
from proxy.scoring.pool import Pool
from proxy.scoring.process import Spec


class Heard:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self.answers = 0
        self.queue_max = 0
        self.queue = 0

    def on_queue(self, scorer: str, questions: int) -> None:
        self.queue = questions
        self.queue_max = max(self.queue_max, questions)

    def on_answer(self, scorer: str, seconds: float) -> None:
        assert seconds >= 0
        self.answers += 1

    def on_error(self, scorer: str, reason: str) -> None:
        self.errors[reason] += 1


def odd_spec(tmp_path: Path, state: str = "fine", name: str = "odd") -> Spec:
    source = tmp_path / f"{name}.txt"
    source.write_text(state, "utf-8")
    return Spec(name, "tests.scoring.odd_engine", str(source))


@asynccontextmanager
async def pool(
    spec: Spec, *, workers: int = 1, deadline_s: float = 20.0
) -> AsyncIterator[tuple[Pool, Heard]]:
    heard = Heard()
    made = Pool(spec, workers=workers, deadline_s=deadline_s, observer=heard)
    try:
        yield made, heard
    finally:
        await made.stop()


async def reason(ticket: asyncio.Future[Answer]) -> str:
    """Why a question failed."""
    try:
        await ticket
    except ScorerFailed as error:
        return error.reason
    return "answered"


async def until(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait for what another process brings about."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what a process does sets no event here
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not collected does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
    except ProcessLookupError:
        return False


def kill(pid: int) -> None:
    os.kill(pid, 9)


def mapped(pid: int) -> str:
    """The files that a process has in its memory, its libraries among them."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return file.read()
