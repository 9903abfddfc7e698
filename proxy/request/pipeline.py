"""The way of one exchange. The order of the steps stands here and nowhere else.

Each step reads and fills the exchange. A step that sets the answer ends the way to the backend; one that
raises Refused ends the exchange with an error of the proxy's own. `record` always runs, and the client's
last bytes go out after it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from multidict import CIMultiDict

from proxy.errors import LogUnavailable, Refused
from proxy.model.level import Outcome
from proxy.request.authenticate import authenticate
from proxy.request.contain import contain
from proxy.request.exchange import Answer, Exchange, Ports
from proxy.request.forward import forward
from proxy.request.identify import identify
from proxy.request.record import record
from proxy.request.release import finish, release
from proxy.request.score_output import score_output
from proxy.request.screen_input import screen_input
from proxy.wire.errors import error_body

Step = Callable[[Exchange, Ports], Awaitable[None]]

STEPS: tuple[Step, ...] = (
    authenticate,
    identify,
    contain,
    screen_input,
    forward,
    score_output,
    release,
    record,
)

RETRY_WORTH_S = 60
"""Above this both official clients back off on their own schedule, so they are told not to retry."""

_log = structlog.get_logger("proxy.request")


async def run(x: Exchange, ports: Ports) -> web.StreamResponse:
    """Take an exchange through the steps, and send its end. Raises ConnectionError, CancelledError when the
    client has left; the record is written all the same."""
    try:
        return await _run(x, ports)
    except (asyncio.CancelledError, ConnectionError) as error:
        _left(x, ports, error)
        raise
    finally:
        ports.dial.detach(x)
        if x.upstream is not None:
            x.upstream.close()


async def _run(x: Exchange, ports: Ports) -> web.StreamResponse:
    try:
        for step in STEPS:
            if x.answer is None or step in (release, record):
                started = ports.clock.monotonic()
                await step(x, ports)
                ports.metrics.stage(step.__name__, ports.clock.monotonic() - started)
    except Refused as refusal:
        refuse(x, refusal)
        await _record_refusal(x, ports)
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:  # noqa: BLE001 - see below
        # The one boundary for our own faults: nothing passes, the client hears so, the record says so.
        _log.exception("exchange_failed", exchange=x.id)
        fault = Refused("the proxy failed; nothing was let through")
        x.error = "internal error"
        refuse(x, fault)
        await _record_refusal(x, ports)
    return await finish(x, ports)


async def _record_refusal(x: Exchange, ports: Ports) -> None:
    try:
        await record(x, ports)
    except LogUnavailable as unavailable:
        if x.response is None:
            refuse(x, unavailable)


def refuse(x: Exchange, refusal: Refused) -> None:
    """Make the answer the refusal, in the wire's own form. Where part of a reply went out already (only the log
    can fail so late), the wire's error frame takes the place of its end."""
    if not x.recorded:
        x.outcome = refusal.outcome
        x.error = x.error or refusal.message
    if x.response is not None:
        _fail_stream(x, refusal)
        return
    headers: CIMultiDict[str] = CIMultiDict({"content-type": "application/json"})
    wait_s = refusal.retry_after_s
    if wait_s is not None:
        headers["retry-after"] = str(wait_s)
    if wait_s is None or wait_s > RETRY_WORTH_S:
        headers["x-should-retry"] = "false"
    body = error_body(x.api, refusal.status, refusal.code, refusal.message)
    x.answer = Answer(refusal.status, headers, body)
    x.tail = body


def _fail_stream(x: Exchange, refusal: Refused) -> None:
    x.tail, x.cut = b"", True
    if x.fail_frame is not None:
        # A reply nested beyond rendering is cut without a word rather than not at all.
        with contextlib.suppress(RecursionError):
            x.tail, x.cut = x.fail_frame(refusal.code, refusal.message), False


def _left(x: Exchange, ports: Ports, error: BaseException) -> None:
    """The client has gone, or the proxy is being stopped: the exchange still gets its record."""
    if x.recorded:
        return
    stopped = ports.stopping.is_set() and isinstance(error, asyncio.CancelledError)
    x.outcome = Outcome.INTERRUPTED if stopped else Outcome.CLIENT_CLOSED
    x.error = "the proxy was stopped" if stopped else (str(error) or "the client left")
    ports.spawn(_record_left(x, ports))


async def _record_left(x: Exchange, ports: Ports) -> None:
    try:
        await record(x, ports)
    except LogUnavailable:
        _log.warning("record_lost", exchange=x.id, outcome=x.outcome.value)
