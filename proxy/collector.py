"""When Python's garbage collector makes a full pass.

A full pass walks every object that there is and cannot be cut into steps: with a body of some ten thousand
texts under judgement it keeps the event loop for a tenth of a second. By itself the interpreter begins one in the
midst of such a body, since many objects were made. Here it waits until nothing is in flight. That costs little
memory: exchanges leave no cycles behind (a test holds them to that), so almost all is freed without it.

The collector is the process's, not one proxy's: who runs a proxy as a process (`commands/serve.py`) takes it over.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

LOOK_S: Final = 1.0

PASSES: Final = 10
"""After how many passes over young objects a full one is due: the interpreter's own number."""

IDLE_S: Final = 60.0
"""After so long without an exchange what was set apart is looked through as well."""

PASSES_MAX: Final = 1000
"""After how many it is made though exchanges are in flight. Each stands for some 7,000 objects made and kept."""

_NEVER: Final = 1 << 30


@contextmanager
def without_passes() -> Iterator[None]:
    """No passes at all meanwhile: nearly all that is made while a policy is compiled and a proxy is built stays,
    and to walk it again and again is a fifth of a start."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Collector:
    """Takes the full passes over from the interpreter, until it is closed. `run` it within an event loop."""

    def __init__(self, in_flight: Callable[[], int], begun: Callable[[], int]) -> None:
        """`in_flight`: how many exchanges are under way; `begun`: how many there ever were."""
        self._next: asyncio.TimerHandle | None = None
        self._in_flight = in_flight
        self._begun = begun
        self._seen = begun()
        self._before = gc.get_threshold()
        self._idle_s = 0.0
        self._apart = True  # objects were set apart since the last look through all
        young, middle, _ = self._before
        # What stands now stays, but for little: no pass need walk it before there is a rest.
        gc.freeze()
        gc.collect()
        gc.set_threshold(young, middle, _NEVER)

    def look(self) -> bool:
        """Make a full pass if it is due; whether it was."""
        busy, begun = self._in_flight() > 0, self._begun()
        # Short ones may come and go between two looks.
        self._idle_s = 0.0 if busy or begun != self._seen else self._idle_s + LOOK_S
        self._seen = begun
        thorough = self._apart and self._idle_s >= IDLE_S
        if thorough:
            gc.unfreeze()
        elif gc.get_count()[2] < (PASSES_MAX if busy else PASSES):
            return False
        gc.collect()
        if not busy:
            # What is left now (what was remembered of texts, for the most part) need not be walked again each time.
            gc.freeze()
            self._apart = not thorough
        return True

    def run(self) -> None:
        """Look now and again."""
        self._next = asyncio.get_running_loop().call_later(LOOK_S, self.run)
        self.look()

    def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
        gc.set_threshold(*self._before)
        gc.unfreeze()
