"""The recorder by itself in one process: CPU of an exchange, and what waiting for it adds.

    python benchmarks/log_alone.py COUNT AT_ONCE AFTER_S FOLDER   → one JSON line

So many clients begin an exchange, wait AFTER_S as for a backend, and end it; question and reply are new each time.
CPU is the process's, indexes included.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from benchmarks.load import prose
from proxy.log.schema import FILE_NAME
from proxy.log.sqlite import SqliteRecorder
from proxy.model.level import Level, Outcome
from proxy.model.record import Begun, Finished, Latency, ModelUsed
from proxy.model.subject import Subject

QUIET_S: Final = 0.3
QUIET_TIMES: Final = 5
"""At rest once no CPU was used for so long, which is longer than the indexes wait."""
QUIET_CPU_S: Final = 0.004
SYSTEM: Final = "You are a helpful assistant of a bookshop."


def exchange() -> tuple[Begun, Finished]:
    """One of a small chat."""
    now, used = time.time(), ModelUsed("bench", None, "bench", "bench", None)
    id = f"{int(now * 1000):012x}{os.urandom(10).hex()}"
    begun = Begun(
        id=id, started_at=now, api="openai", path="/v1/chat/completions", stream=False, app=None,
        subject=Subject(key=None, user=None, ip="127.0.0.1", region=None), model=used, level=Level.GUARDED,
        policy="ab" * 32, body_bytes=300,
        body={"model": "bench", "messages": [{"role": "system", "content": SYSTEM},
                                             {"role": "user", "content": prose(15)}]},
    )  # fmt: skip
    finished = Finished(
        id=id, finished_at=now + 0.01, outcome=Outcome.RELEASED, model=used, level=Level.GUARDED, backend="bench",
        received=prose(30), finish_reason="stop",
        usage={"prompt_tokens": 20, "completion_tokens": 40, "total_tokens": 60},
        latency=Latency(total=9.5, backend_first_byte=3.0, first_byte=3.1, guard=1.25),
        scores={"toxicity": 0.013},
    )  # fmt: skip
    return begun, finished


async def client(
    recorder: SqliteRecorder, todo: Iterator[tuple[Begun, Finished]], after_s: float
) -> list[float]:
    """Milliseconds that each exchange waited for the log."""
    waits: list[float] = []
    for begun, finished in todo:
        begin = recorder.begin(begun)
        await asyncio.sleep(after_s)
        began = time.perf_counter()
        end = recorder.finish(finished, revocable=True)
        await begin
        await end
        waits.append((time.perf_counter() - began) * 1000)
    return waits


async def run(count: int, at_once: int, after_s: float, folder: Path) -> dict[str, float]:
    recorder = SqliteRecorder(folder / FILE_NAME)
    await recorder.start()
    todo = iter([exchange() for _ in range(count)])
    cpu = time.process_time()
    waits = await asyncio.gather(*(client(recorder, todo, after_s) for _ in range(at_once)))
    quiet = 0
    last = time.process_time()
    while quiet < QUIET_TIMES:
        await asyncio.sleep(QUIET_S)
        now = time.process_time()
        quiet = quiet + 1 if now - last < QUIET_CPU_S else 0
        last = now
    await recorder.stop()
    return {
        "cpu_us": (last - cpu) / count * 1e6,
        "wait_ms": median(wait for some in waits for wait in some),
    }


if __name__ == "__main__":
    count, at_once, after_s, folder = sys.argv[1:]
    print(json.dumps(uvloop.run(run(int(count), int(at_once), float(after_s), Path(folder)))))
