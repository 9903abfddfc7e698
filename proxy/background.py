"""Work that goes on beside the exchanges: it is waited for at the end, and a failure of it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import structlog

STOP_TASKS_S = 5.0
"""How long background tasks may go on once everything else has stopped."""

_log = structlog.get_logger("proxy")


class Background:
    """The tasks of one running proxy. Belongs to its event loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run something; `finish` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def finish(self) -> None:
        """Wait for what still runs, and end what takes too long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_TASKS_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background_task_failed", exc_info=error)
