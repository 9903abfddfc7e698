"""What the proxy's own log hears of the exchange log's health."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from proxy.log.fault import Fault

TELL_S: Final = 1.0
"""The proxy's own log hears of it at most this often."""

_log = structlog.get_logger("proxy.log")


class HealthLines:
    """One line when the log goes down and one when it is up again; no more than one in TELL_S. `again` is called,
    from the event loop, when the next may be told."""

    def __init__(self, again: Callable[[], None]) -> None:
        self._again = again
        self._down_since: float | None = None
        self._telling: asyncio.TimerHandle | None = None

    def tell(self, fault: Fault | None, why: str | None, *, well: bool) -> None:
        """How it is now; `why` is for people."""
        if self._telling is not None or well == (self._down_since is None):
            return
        loop = asyncio.get_running_loop()
        if self._down_since is None:
            self._down_since = loop.time()
            reason = "stalled" if fault is None else fault.reason
            way = {"fault": list(fault.way)} if fault is not None and fault.way else {}
            _log.error("log_down", reason=reason, why=why, **way)
        else:
            _log.warning("log_up", down_s=round(loop.time() - self._down_since, 1))
            self._down_since = None
        self._telling = loop.call_later(TELL_S, self._next)

    def stop(self) -> None:
        """Tell nothing more."""
        if self._telling is not None:
            self._telling.cancel()

    def _next(self) -> None:
        self._telling = None
        self._again()
