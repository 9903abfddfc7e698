"""A dial with a real store on a real file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest

from proxy.dial.control import Dial, DialObserver
from proxy.dial.state import DialStore, SqliteDialStore
from tests.dial.helpers import TurnedClock


class StartDial(Protocol):
    """Starts a dial on the test's file, or on a given store; all are stopped when the test ends."""

    def __call__(
        self,
        store: DialStore | None = None,
        *,
        observer: DialObserver | None = None,
        tighten_wait_s: float = 5.0,
        loosen_wait_s: float = 5.0,
    ) -> Awaitable[Dial]: ...


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "dial.sqlite3"


@pytest.fixture
async def start_dial(path: Path, clock: TurnedClock) -> AsyncIterator[StartDial]:
    async with AsyncExitStack() as stack:

        async def start(
            store: DialStore | None = None,
            *,
            observer: DialObserver | None = None,
            tighten_wait_s: float = 5.0,
            loosen_wait_s: float = 5.0,
        ) -> Dial:
            dial = Dial(
                store or SqliteDialStore(path),
                clock=clock,
                observer=observer,
                retry_first_s=0.01,
                retry_max_s=0.05,
                tighten_wait_s=tighten_wait_s,
                loosen_wait_s=loosen_wait_s,
            )
            await dial.start()
            stack.push_async_callback(dial.stop)
            return dial

        yield start


@pytest.fixture
async def dial(start_dial: Callable[[], Awaitable[Dial]]) -> Dial:
    return await start_dial()
