"""A process to be killed: writes exchanges, and says on stdout what is durable as soon as it is.

Meanwhile retention takes what is `killed`, and an erasure what GONE said.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

from proxy.log.keep import Keep
from proxy.log.request_erasure import ask
from proxy.log.sqlite import SqliteRecorder
from proxy.model.level import Outcome
from tests.log.make import begun, finished

GONE: Final = "gone"
ERASED_EVERY: Final = 7
KILLED_EVERY: Final = 5
KEEP: Final = Keep({str(Outcome.KILLED): 60.0})
"""The exchanges began long ago, as they say."""


async def main(path: Path, start: int, clients: int) -> None:
    if start:  # of what the processes before this one wrote; it is carried out beside what this one writes
        ask(path, f"user:{GONE}", actor="cli", reason="asked", now_ms=0)
    recorder = SqliteRecorder(path, keep=KEEP)
    await recorder.start()
    numbers = iter(range(start, start + 100_000))

    async def client() -> None:
        for number in numbers:
            begin = recorder.begin(begun(number, user=GONE if number % ERASED_EVERY == 0 else "ann"))
            if number % 2:
                recorder.hurry()
            await begin
            # One write, straight to the pipe: said means durable, and nothing said is lost in a buffer.
            os.write(1, f"begun {number}\n".encode())
            killed = number % KILLED_EVERY == 0
            outcome = Outcome.KILLED if killed else Outcome.RELEASED
            await recorder.finish(finished(number, outcome=outcome, received=f"reply {number}"))
            os.write(1, f"finished {number}\n".encode())

    await asyncio.gather(*(client() for _ in range(clients)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
