"""An exchange's turn at the event loop: how much it may do before others have theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Generic, ParamSpec, TypeVar

from proxy.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")

YIELD_S = 0.002
"""How long an exchange may keep the event loop before others have their turn."""

SLICE_S = 0.001
"""How long judging one slice should take at most."""

SLICE_CHARS_FIRST = 256
SLICE_CHARS_MIN = 64
SLICE_CHARS_MAX = 512
"""How much of a text is judged before the clock is looked at. What a character costs differs a hundredfold between
prose and lists of numbers (each may be a telephone number), so the slice follows what the last one took."""

TEXTS_AT_ONCE: Final = 8
"""How many texts are begun in one step."""

LOOKED_AT_ONCE: Final = 512
"""How many texts that are judged are looked over, or end, in one step."""

READ_INLINE_BYTES_MAX: Final = 32_768
"""A larger body is read in a thread, so that the loop goes on beside it."""

CHANGES_INLINE_MAX: Final = 256
"""More changes than this are made to a body in a thread, and so is what becomes of more texts."""


async def beside(large: bool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Pure work that cannot be cut into steps; in a thread where it is large. Who is cancelled meanwhile goes on
    once the work is done, so that nobody else touches what it works on."""
    if not large:
        return work(*args, **kwargs)
    working = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait((working,))
        working.exception()  # taken, so that nobody complains that it was not
        raise
    finally:
        del working  # a failure's own frames would hold it, in a cycle


async def free(texts: list[T]) -> None:
    """Let go of them by steps: to free ten thousand at once takes as long as to judge a few."""
    while texts:
        del texts[-CHANGES_INLINE_MAX:]
        await asyncio.sleep(0)


class Job(Generic[T]):
    """Large work within steps: whoever takes the steps may do it in a thread, before it takes the next one."""

    __slots__ = ("_done", "_work")

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done: list[T] = []

    def do(self) -> None:
        self._done.append(self._work())

    def result(self) -> T:
        """What came of it; does it where nobody has."""
        if not self._done:
            self.do()
        return self._done.pop()


class Turn:
    """Keeps one exchange's steps short."""

    __slots__ = ("_clock", "_others_ran", "_since", "_step", "chars", "spent_s")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = self._step = clock.monotonic()
        self._others_ran = True
        self.chars = SLICE_CHARS_FIRST
        self.spent_s = 0.0  # in its steps, the others' turns between them not counted

    def wait(self) -> None:
        """A wait begins. It may be none, where what is waited for is there already: only where the event loop came
        round is the turn a new one."""
        if self._others_ran:
            self._others_ran = False
            asyncio.get_running_loop().call_soon(self._came_round)

    def start(self) -> None:
        """A step begins after a wait."""
        self._step = self._clock.monotonic()

    def _came_round(self) -> None:
        self._others_ran = True
        self._since = self._clock.monotonic()

    async def done(self, judged: int = 0) -> None:
        """A step is over, in which so many characters were judged; gives the others their turn where it is time."""
        now = self._clock.monotonic()
        took = now - self._step
        self.spent_s += took
        if took > SLICE_S:
            if judged:
                self.chars = max(SLICE_CHARS_MIN, self.chars // 2)
        elif judged >= self.chars and took < SLICE_S / 4:
            self.chars = min(SLICE_CHARS_MAX, self.chars * 2)
        if now - self._since > YIELD_S:
            await asyncio.sleep(0)
            self._since = now = self._clock.monotonic()
        self._step = now
