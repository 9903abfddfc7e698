"""The clock as a port: production reads the machine's, tests turn their own."""

from __future__ import annotations

import os
import random
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for records and expiry, monotonic time for durations; both in seconds."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's clock."""

    # The functions themselves: an exchange asks some forty times.
    now = staticmethod(time.time)
    monotonic = staticmethod(time.perf_counter)


def new_id(now: float) -> str:
    """A 128-bit id in hex that sorts by time: 48 bits of Unix milliseconds, then random (the layout of UUIDv7)."""
    return f"{int(now * 1000) & 0xFFFFFFFFFFFF:012x}{os.urandom(10).hex()}"


class Ids:
    """The same ids, from a generator that the system seeded once: they need to be unique, not secret, and asking
    the system for each costs more than parsing a request."""

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(32))

    def new(self, now: float) -> str:
        return f"{int(now * 1000) & 0xFFFFFFFFFFFF:012x}{self._random.getrandbits(80):020x}"
