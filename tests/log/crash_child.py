"""A process to be killed: writes exchanges, and says on stdout what is durable as soon as it is."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from proxy.log.sqlite import SqliteRecorder
from tests.log.make import begun, finished


async def main(path: Path, start: int, clients: int) -> None:
    recorder = SqliteRecorder(path)
    await recorder.start()
    numbers = iter(range(start, start + 100_000))

    async def client() -> None:
        for number in numbers:
            await recorder.begin(begun(number))
            # One write, straight to the pipe: said means durable, and nothing said is lost in a buffer.
            os.write(1, f"begun {number}\n".encode())
            await recorder.finish(finished(number, received=f"reply {number}"))
            os.write(1, f"finished {number}\n".encode())

    await asyncio.gather(*(client() for _ in range(clients)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
