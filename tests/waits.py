"""Waits that end: a test that waits for what never comes fails, and says so, instead of hanging the suite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aiohttp

WAIT_S = 60.0
"""Longer than anything takes on a machine that has much else to do."""

T = TypeVar("T")


async def within(wait: Coroutine[Any, Any, T], *work: asyncio.Future[Any]) -> T:
    """What is waited for. Where the work that is to bring it about fails, its error at once."""
    waiting = asyncio.ensure_future(wait)
    try:
        async with asyncio.timeout(WAIT_S):
            running = set(work)
            while not waiting.done():
                ended, _ = await asyncio.wait({waiting, *running}, return_when=asyncio.FIRST_COMPLETED)
                for one in ended & running:
                    one.result()
                running -= ended
            return waiting.result()
    finally:
        waiting.cancel()


async def read_until(content: aiohttp.StreamReader, read: bytearray, holds: Callable[[], object]) -> None:
    """Read on until what was read is what is asked for."""
    while not holds():
        data = await within(content.readany())
        assert data, f"the body ended before: {bytes(read)!r}"
        read += data
