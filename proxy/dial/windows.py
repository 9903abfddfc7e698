"""How often the subjects of limits have called: exact sliding windows, by the strategy of the `limits` library.

The library's own store in memory starts a thread for every hundredth of a second in which somebody calls, and its
clock is the wall's. This one keeps the times of each window's calls and needs no thread: what has left a window
goes when the window is looked at. Several nodes would share another of the library's stores, under the same
strategy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, NoReturn

from limits import RateLimitItemPerSecond
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter

from proxy.dial.restraint import Kind, Restraint
from proxy.dial.restraints import Restraints
from proxy.subjects import Rate

RETRY_S_MIN: Final = 1
"""The least that is worth waiting: `retry-after` counts whole seconds."""


CALLERS_MAX: Final = 10_000
"""How many callers may have a window of their own under one rate."""


@dataclass(frozen=True, slots=True)
class Limited:
    """A call that is one too many: by which limit, and in how many seconds one may be made."""

    limit: Restraint
    retry_after_s: int


class Windows:
    """The calls that count. Kept in memory only: after a restart every window is empty.

    Holds at most as many times as all limits allow calls (`restraint_turn.CALLS_HELD_MAX`), and for each of at most
    CALLERS_MAX callers as many as the rate that each has for itself. Belongs to one event loop.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` tells seconds and never goes back."""
        self._clock = clock
        self._memory = _Memory(clock)
        self._limiter = MovingWindowRateLimiter(self._memory)
        self._seen: Restraints | None = None
        self._callers = _Memory(clock)
        self._each = MovingWindowRateLimiter(self._callers)
        self._callers_rate: Rate | None = None

    def take(self, restraints: Restraints, limits: Sequence[Restraint]) -> Limited | None:
        """Count a call under each of these limits; or, where it is one too many for any of them, under none."""
        if restraints is not self._seen:
            self._seen = restraints
            self._memory.keep({_key(one) for one in restraints.of(Kind.LIMIT)})
        waits = [(self._wait_s(one), one) for one in limits]
        wait_s, limit = max(waits, key=lambda wait: wait[0], default=(0.0, None))
        if limit is not None and wait_s > 0.0:
            return Limited(limit, max(RETRY_S_MIN, ceil(wait_s)))
        for one in limits:
            self._limiter.hit(_item(one), one.id)
        return None

    def take_caller(self, caller: str, rate: Rate) -> int | None:
        """Count a call of one caller under a rate that each has for itself; or, where it is one too many, tell in
        how many seconds one may be made. With too many callers in their windows, one more is one too many."""
        if rate != self._callers_rate:
            self._callers.reset()
            self._callers_rate = rate
        item = RateLimitItemPerSecond(rate.calls, rate.window_s)
        key = item.key_for(caller)
        if not self._callers.makes_room(key, rate.window_s):
            return max(RETRY_S_MIN, rate.window_s)
        if self._each.hit(item, caller):
            return None
        return max(RETRY_S_MIN, ceil(self._each.get_window_stats(item, caller).reset_time - self._clock()))

    def _wait_s(self, limit: Restraint) -> float:
        """How long until another call is allowed; 0 where it is now."""
        item = _item(limit)
        if self._limiter.test(item, limit.id):
            return 0.0
        return self._limiter.get_window_stats(item, limit.id).reset_time - self._clock()


def _item(limit: Restraint) -> RateLimitItemPerSecond:
    assert limit.rate is not None, "a limit has a rate"
    return RateLimitItemPerSecond(limit.rate.calls, limit.rate.window_s)


def _key(limit: Restraint) -> str:
    return _item(limit).key_for(limit.id)


class _Memory(Storage, MovingWindowSupport):
    """The times of the calls in each window, the oldest first."""

    STORAGE_SCHEME = None
    base_exceptions = ()

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._windows: dict[str, deque[float]] = {}

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        calls = self._calls(key, expiry)
        if len(calls) + amount > limit:
            return False
        calls.extend([self._clock()] * amount)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        calls = self._calls(key, expiry)
        return (calls[0] if calls else self._clock()), len(calls)

    def keep(self, keys: set[str]) -> None:
        """Drop all other windows."""
        self._windows = {key: calls for key, calls in self._windows.items() if key in keys}

    def makes_room(self, key: str, expiry: int) -> bool:
        """Whether there is a window for that key, or may be one more."""
        if key in self._windows or len(self._windows) < CALLERS_MAX:
            return True
        now = self._clock()
        self._windows = {
            key: calls for key, calls in self._windows.items() if calls and calls[-1] + expiry > now
        }
        return len(self._windows) < CALLERS_MAX

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def reset(self) -> int:
        count = len(self._windows)
        self._windows.clear()
        return count

    def check(self) -> bool:
        return True

    def _calls(self, key: str, expiry: int) -> deque[float]:
        calls = self._windows.setdefault(key, deque())
        now = self._clock()
        while calls and calls[0] + expiry <= now:  # the sum by which callers are told when to come again
            calls.popleft()
        return calls

    # Of fixed windows, which nobody asks for.

    def incr(self, key: str, expiry: int, amount: int = 1) -> NoReturn:
        raise NotImplementedError

    def get(self, key: str) -> NoReturn:
        raise NotImplementedError

    def get_expiry(self, key: str) -> NoReturn:
        raise NotImplementedError
