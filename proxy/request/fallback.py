"""What becomes of an exchange whose backend failed before its answer: another version of its model is asked.

Nothing of a reply has gone out by then, nor was any received but an error's. The backend may have worked on the
request all the same; the client would have sent it once more too. Each try costs time and somebody's load, so their
number, their time and, per failing backend, their share of its calls are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy.backend.route import Route
from proxy.errors import BackendFault
from proxy.model.record import Attempt
from proxy.model.subject import Reach
from proxy.request.address import address
from proxy.request.exchange import Exchange, Ports

ATTEMPTS_MAX: Final = 3
"""How many backends of one exchange are asked."""

ATTEMPTS_S_MAX: Final = 300.0
"""How long all of them together may take to begin their answers, where there is more than one."""

FAILED_STATUSES_FROM: Final = 500
BUSY_STATUS: Final = 429


def failed(status: int) -> bool:
    """Whether an answer of that status is a failure that another version may not share."""
    return status >= FAILED_STATUSES_FROM or status == BUSY_STATUS


def time_left_s(x: Exchange, now: float) -> float | None:
    """How long the answer of the backend that is asked next may take to begin; None for what its settings say."""
    return None if x.first_sent_at is None else x.first_sent_at + ATTEMPTS_S_MAX - now


async def fall_back(x: Exchange, ports: Ports, fault: BackendFault, error: str) -> bool:
    """Whether the exchange is to go through the steps again, to another version. It is addressed there then."""
    route = x.route
    assert route is not None
    there = _next(x, ports, route, fault)
    if there is None:
        return False
    ms = None
    if fault is not BackendFault.DOWN:
        x.backend_done(ports.clock.monotonic())
    if x.backend_seconds is not None:
        x.first_sent_at = x.first_sent_at or x.sent_at
        ms = x.backend_seconds * 1000.0
        ports.metrics.backend(route.backend, x.backend_seconds)
    x.attempts.append(Attempt(route.backend, route.version, route.sent, error, ms))
    ports.metrics.fallback(ports.metrics.model_label(_requested(x)), fault)
    x.sent_at = x.backend_seconds = None
    x.resumed = ports.clock.monotonic()
    await address(x, there)
    return True


def _next(x: Exchange, ports: Ports, route: Route, fault: BackendFault) -> Route | None:
    if x.stand_in or fault is BackendFault.UNREADABLE:
        return None
    if x.wire is None or not x.wire.speaks or x.view is None:
        return None  # vectors, and counts of tokens, are one model's alone
    there = next((one for one in _open(x, ports, route)), None)
    if there is None or fault is BackendFault.DOWN:
        return there  # nothing was sent, so nothing is sent twice
    now = ports.clock.monotonic()
    asked = 1 + sum(attempt.ms is not None for attempt in x.attempts)
    if asked >= ATTEMPTS_MAX:
        refused = "attempts"
    elif now - (x.first_sent_at or x.sent_at or now) >= ATTEMPTS_S_MAX:
        refused = "time"
    elif not ports.backends[route.backend].health.may_retry():
        refused = "budget"
    else:
        return there
    ports.metrics.fallback_refused(ports.metrics.model_label(_requested(x)), refused)
    return None


def _open(x: Exchange, ports: Ports, route: Route) -> Iterator[Route]:
    """The versions that may be asked in place of those that were."""
    assert x.view is not None
    asked = {(attempt.backend, attempt.sent) for attempt in x.attempts} | {(route.backend, route.sent)}
    for there in ports.router.fallbacks(x.view.model, route, ports.dial.restraints().rollbacks):
        if (there.backend, there.sent) in asked or ports.backends[there.backend].health.wait_s > 0.0:
            continue
        if x.view.conversation is not None and there.backend != route.backend:
            continue  # it is kept where it was
        # The dial may hold another level for that version, and what an exchange may do is not decided twice.
        within = Reach(x.reach.models | there.names, x.reach.app, x.reach.app_verified)
        if ports.dial.effective(within).level is ports.dial.effective(x.reach).level:
            yield there


def _requested(x: Exchange) -> str | None:
    return x.view.model if x.view is not None else None
