"""`python -m benchmarks.log stall`: what clients get, and what memory it takes, while the log's disk is silent.

The proxy runs with a writer whose commits wait for as long as a file exists, as a disk waits that is gone. 16
clients go on asking, every fourth time with a context of 100 KB; a refused one pauses a little. Afterwards the log
is read.

    python -m benchmarks.log_stall FILE serve --config …     the proxy whose commits wait for that file to go
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import uvloop

from benchmarks.load import LONG_CHARS, SYSTEM, prose, request_bytes
from benchmarks.overhead import AT_ONCE, PYTHON, free_ports, settings
from benchmarks.process import memory_mb, running
from proxy.cli import main
from proxy.log.prepare import Entry
from proxy.log.query import LogReader
from proxy.log.schema import FILE_NAME
from proxy.log.store import Store
from proxy.log.verify import verify

WARM_S: Final = 10.0
STALL_S: Final = 30.0
PAUSE_S: Final = 0.1
LOOK_S: Final = 0.2
LONG_EVERY: Final = 4


@dataclass(slots=True)
class Phase:
    """What clients got."""

    name: str
    statuses: Counter[str] = field(default_factory=Counter)
    times_s: list[float] = field(default_factory=list)
    rss_mb: float = 0.0


class Clients:
    """Ask until they are told to end."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self.phase = Phase("before")
        self.ending = False

    async def run(self) -> None:
        name, port = self._host.split(":")
        number = 0
        while not self.ending:
            number += 1
            reader, writer = await asyncio.open_connection(name, int(port))
            text = prose(LONG_CHARS // 4)[:LONG_CHARS] if number % LONG_EVERY == 0 else prose(15)
            began = time.perf_counter()
            headers = {"connection": "close"}
            writer.write(
                request_bytes(self._host, headers, "whole", [SYSTEM, {"role": "user", "content": text}])
            )
            reply = await reader.read()
            writer.close()
            self.phase.times_s.append(time.perf_counter() - began)
            head, _, body = reply.partition(b"\r\n\r\n")
            status = head.split(b" ", 2)[1].decode()
            if status != "200":
                status += f" {json.loads(body)['error']['code']}"
                await asyncio.sleep(PAUSE_S)
            self.phase.statuses[status] += 1


async def drive(url: str, pid: int, stall: Path) -> list[Phase]:
    """Before, in and after the stall."""
    clients = Clients(url)
    tasks = [asyncio.create_task(clients.run()) for _ in range(AT_ONCE)]
    phases: list[Phase] = []
    for name, seconds in (("before", WARM_S), ("stalled", STALL_S), ("after", WARM_S)):
        clients.phase = Phase(name)
        phases.append(clients.phase)
        _stalled(stall, name == "stalled")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(LOOK_S)
            clients.phase.rss_mb = max(clients.phase.rss_mb, memory_mb(pid)[0])
    clients.ending = True
    await asyncio.gather(*tasks)
    return phases


def _stalled(stall: Path, on: bool) -> None:
    if on:
        stall.touch()
    else:
        stall.unlink(missing_ok=True)


def stall() -> None:
    """Measure, and print a table."""
    backend, listen, admin = free_ports(3)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Path(folder)
        file = place / "stall"
        config = str(settings(place, listen, admin, backend))
        command = [PYTHON, "-m", "benchmarks.backend", str(backend), "0.01"]
        stack.enter_context(running(command, f"http://127.0.0.1:{backend}/readyz"))
        with running(
            [PYTHON, "-m", "benchmarks.log_stall", str(file), "serve", "--config", config],
            f"http://127.0.0.1:{admin}/readyz",
        ) as (pid, _):
            phases = uvloop.run(drive(f"http://127.0.0.1:{listen}", pid, file))
        print("| | answers | time, median | longest | memory, most |\n| --- | --- | --- | --- | --- |")
        for phase in phases:
            times = sorted(phase.times_s) or [0.0]
            answers = ", ".join(f"{count} {status}" for status, count in phase.statuses.most_common())
            print(
                f"| {phase.name} | {answers} | {times[len(times) // 2]:.3f} s | {times[-1]:.1f} s | "
                f"{phase.rss_mb:.0f} MB |"
            )
        with LogReader(place / "data" / FILE_NAME) as reader:
            verdict = verify(reader)
            rows = reader.db.execute(
                "SELECT n.text, count(*) FROM finish f JOIN name n ON n.id = f.outcome GROUP BY 1"
            ).fetchall()
        print(f"on the log: {dict(rows)}, fault: {verdict.fault}")


class Waiting(Store):
    """A store whose disk answers only while `file` is not there."""

    file: Path

    def append(self, entries: Sequence[Entry], *, again: bool = False) -> dict[int, str]:
        while self.file.exists():
            time.sleep(LOOK_S / 10)
        return super().append(entries, again=again)


if __name__ == "__main__":
    import proxy.log.sqlite

    Waiting.file = Path(sys.argv.pop(1))
    vars(proxy.log.sqlite)["Store"] = Waiting
    main()
