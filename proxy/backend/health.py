"""Whether a backend answers: a circuit breaker, and a budget of second tries.

    closed ──── FAILURES_MAX in a row, or FAILED_SHARE of a window's calls ───▶ open
    open ────── its time is over: the next call is the probe ─────────────────▶ half_open
    half_open ─ the probe is answered ─▶ closed      the probe fails ─▶ open, for twice as long

While it is open nothing is sent. Of a backend that is half open one call at a time finds out; the others are
treated as if it were open. What counts as a failure is a backend that cannot be reached, does not answer in time,
breaks off before its answer, or says by its status that it cannot serve. A 500 may be about one request and a 429
about one caller, and neither may take the backend from everybody else. Knows no I/O.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final, Protocol

import structlog

from proxy.clock import Clock
from proxy.errors import BackendDown, BackendFault

FAILURES_MAX: Final = 5
"""So many failures in a row open it."""

WINDOW_S: Final = 30.0
WINDOW_SLOTS: Final = 10
WINDOW_CALLS_MIN: Final = 20
FAILED_SHARE: Final = 0.5
"""It opens too where this share of at least so many calls of the window failed."""

OPEN_FIRST_S: Final = 2.0
OPEN_MAX_S: Final = 30.0
"""How long it stays open: at first, and at most after probe upon probe has failed."""

PROBE_S: Final = 10.0
"""After this long without an answer to the probe another call may find out: an answer may take minutes, and the
others must not wait for it."""

UNABLE_STATUSES: Final = frozenset({502, 503, 504, 529})
"""By these a backend, or what stands before it, says that it cannot serve."""

RETRIES_MAX: Final = 20.0
RETRIES_PER_CALL: Final = 0.2
RETRIES_PER_S: Final = 0.5
"""Of the calls that fail at a backend so many may be sent once more elsewhere: a stock, and what fills it up again
for each call that the backend gets and with time. So second tries never double the load of an outage."""

_log = structlog.get_logger("proxy.backend")


class State(StrEnum):
    """In order, from a backend that is asked to one that is not."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"

    @property
    def rank(self) -> int:
        return tuple(State).index(self)


class HealthObserver(Protocol):
    """Told of what happens, for the metrics."""

    def on_state(self, backend: str, rank: int) -> None: ...

    def on_failure(self, backend: str, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """The latest failure of a backend. `at` is in Unix seconds."""

    fault: BackendFault
    at: float


class Health:
    """One backend's. Every `enter` is followed by one of `succeeded`, `failed` and `left`."""

    def __init__(self, backend: str, clock: Clock, observer: HealthObserver) -> None:
        self.backend = backend
        self.state = State.CLOSED
        self.since = clock.now()
        self.failures = 0  # in a row
        self.last: Failure | None = None
        self._clock = clock
        self._observer = observer
        self._window = _Window()
        self._period = (
            0  # counts the changes of state: an answer to a call from before one says nothing any more
        )
        self._open_s = OPEN_FIRST_S
        self._open_until = 0.0
        self._probe_until: float | None = None
        self._retries = RETRIES_MAX
        self._retries_at = clock.monotonic()
        observer.on_state(backend, self.state.rank)

    @property
    def wait_s(self) -> float:
        """How long nothing is sent; 0 where a call may go now."""
        now = self._clock.monotonic()
        if self.state is State.OPEN:
            return max(0.0, self._open_until - now)
        if self.state is State.HALF_OPEN and self._probe_until is not None:
            return max(0.0, self._probe_until - now)
        return 0.0

    def enter(self) -> int:
        """A call is about to be sent. Raises BackendDown where it must not be."""
        if wait_s := self.wait_s:
            why = f" ({self.last.fault})" if self.last is not None else ""
            raise BackendDown(
                f"backend {self.backend}: not asked, since it failed before{why}; try again shortly",
                retry_after_s=max(1, ceil(wait_s)),
            )
        now = self._clock.monotonic()
        if self.state is State.OPEN:
            self._turn(State.HALF_OPEN)
        if self.state is State.HALF_OPEN:
            self._probe_until = now + PROBE_S
        self._fill(now, RETRIES_PER_CALL)
        return self._period

    def succeeded(self, period: int) -> None:
        """The backend answered."""
        if period != self._period:
            return
        self.failures = 0
        if self.state is State.HALF_OPEN:
            self._open_s = OPEN_FIRST_S
            self._window = _Window()
            self._turn(State.CLOSED)
        self._window.count(self._clock.monotonic(), failed=False)

    def failed(self, period: int, fault: BackendFault) -> None:
        """The backend failed before it answered."""
        self._observer.on_failure(self.backend, fault)
        self.last = Failure(fault, self._clock.now())
        if period != self._period:
            return
        now = self._clock.monotonic()
        self.failures += 1
        self._window.count(now, failed=True)
        if self.state is State.HALF_OPEN:
            self._open_s = min(OPEN_MAX_S, 2 * self._open_s)
        elif self.failures < FAILURES_MAX and not self._window.bad(now):
            return
        self._open_until = now + self._open_s
        self._turn(State.OPEN)

    def left(self, period: int) -> None:
        """Nobody waits for the answer any more; it says nothing about the backend."""
        if period == self._period:
            self._probe_until = None

    def may_retry(self) -> bool:
        """Whether a call that failed here may be sent once more elsewhere; it is counted as if it were. Once this
        backend is left alone its calls are the others' in any case, and those that were under way are too."""
        if self.state is not State.CLOSED:
            return True
        self._fill(self._clock.monotonic(), 0.0)
        if self._retries < 1.0:
            return False
        self._retries -= 1.0
        return True

    def _fill(self, now: float, retries: float) -> None:
        retries += (now - self._retries_at) * RETRIES_PER_S
        self._retries = min(RETRIES_MAX, self._retries + retries)
        self._retries_at = now

    def _turn(self, state: State) -> None:
        self.state, self.since = state, self._clock.now()
        self._period += 1
        self._probe_until = None
        fault = self.last.fault.value if self.last is not None else None
        _log.warning("backend_state", backend=self.backend, state=state.value, fault=fault)
        self._observer.on_state(self.backend, state.rank)


class _Window:
    """Calls and failures of the last WINDOW_S, in slots."""

    def __init__(self) -> None:
        self._slots: deque[tuple[int, int, int]] = deque(maxlen=WINDOW_SLOTS)  # number, calls, failures

    def count(self, now: float, *, failed: bool) -> None:
        number, calls, failures = self._number(now), 0, 0
        if self._slots and self._slots[-1][0] == number:
            _, calls, failures = self._slots.pop()
        self._slots.append((number, calls + 1, failures + failed))

    def bad(self, now: float) -> bool:
        """Whether enough calls came, and too many of them failed."""
        first = self._number(now) - WINDOW_SLOTS
        recent = [slot for slot in self._slots if slot[0] > first]
        calls = sum(calls for _, calls, _ in recent)
        failures = sum(failures for _, _, failures in recent)
        return calls >= WINDOW_CALLS_MIN and failures >= FAILED_SHARE * calls

    def _number(self, now: float) -> int:
        return int(now * WINDOW_SLOTS / WINDOW_S)
