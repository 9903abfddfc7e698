"""The way of one exchange. The order of the steps stands here and nowhere else.

Each step reads and fills the exchange. A step that sets the answer ends the way to the backend; one that
raises Refused ends the exchange with an error of the proxy's own. `record` always runs, and the client's
last bytes go out after it. Where a backend failed before its answer, the way to another version of the model goes
through the steps from `contain` on once more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from multidict import CIMultiDict

from proxy.errors import BackendFailed, Contained, LogUnavailable, Refused
from proxy.model.level import Level, Outcome
from proxy.request.admit import admit
from proxy.request.authenticate import authenticate
from proxy.request.contain import answer_killed, contain, cut_killed
from proxy.request.exchange import Answer, Exchange, Killed, Ports
from proxy.request.forward import forward
from proxy.request.identify import identify
from proxy.request.read import read
from proxy.request.record import end, record
from proxy.request.release import finish, release
from proxy.request.resolve import resolve
from proxy.request.restrict import restrict
from proxy.request.score_output import score_output
from proxy.request.screen_input import screen_input
from proxy.request.turn import CHANGES_INLINE_MAX, READ_INLINE_BYTES_MAX, free
from proxy.wire.errors import error_body

Step = Callable[[Exchange, Ports], Awaitable[None]]

STEPS: tuple[Step, ...] = (
    authenticate,
    identify,
    admit,
    read,
    resolve,
    contain,
    screen_input,
    forward,
    score_output,
    release,
    record,
)

ADDRESSED = STEPS.index(contain)
"""Where the way goes on of an exchange that is addressed to another version of its model."""

RETRY_WORTH_S = 60
"""Above this both official clients back off on their own schedule, so they are told not to retry."""

OWN_WORDS_WAIT_S = 0.1
"""How long the proxy's own words at the end of a killed reply wait for a slow log: the promise to log before
release is about the backend's words, and a killed stream must end."""

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
        # Texts hold their findings too: they come last, and are let go of first.
        left: list[object] = [*x.findings, *(x.view.texts if x.view is not None else ()), *x.texts]
        x.over()
        if len(left) > CHANGES_INLINE_MAX:
            ports.spawn(free(left))


async def _run(x: Exchange, ports: Ports) -> web.StreamResponse:
    try:
        place = 0
        started = ports.clock.monotonic()
        while place < len(STEPS):
            step, place = STEPS[place], place + 1
            if x.answer is None or step in (release, record):
                if x.body_bytes > READ_INLINE_BYTES_MAX or len(x.texts) > CHANGES_INLINE_MAX:
                    await asyncio.sleep(0)  # what steps do at once adds up where there is much
                await step(x, ports)
                ended = ports.clock.monotonic()
                ports.metrics.stage(step.__name__, ended - started)
                started = ended
            if step is forward and x.answer is None and x.upstream is None:
                place = ADDRESSED
    except Killed as killed:
        await _kill(x, ports, killed.level, killed.reason)
    except Refused as refusal:
        if x.stand_in and isinstance(refusal, BackendFailed):
            await _kill(x, ports, x.level, refusal.message)
        else:
            refuse(x, refusal)
            await _record_refusal(x, ports, refusal)
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:  # noqa: BLE001 - see below
        # The one boundary for our own faults: nothing passes, the client hears so, the record says so.
        _log.exception("exchange_failed", exchange=x.id)
        fault = Refused("the proxy failed; nothing was let through")
        x.error = "internal error"
        refuse(x, fault)
        await _record_refusal(x, ports, fault)
    return await finish(x, ports)


async def _kill(x: Exchange, ports: Ports, level: Level, reason: str) -> None:
    """The dial ended it while it ran, or the backend that answers what is killed does not: nothing more of the
    reply goes out, and our own words are its end."""
    x.take_back()
    if x.upstream is not None:
        x.upstream.close()
    x.backend_done(ports.clock.monotonic())
    try:
        if x.response is not None:
            cut_killed(x)
        elif level is Level.KILLED:
            answer_killed(x)
            assert x.answer is not None
            x.tail = x.answer.body
        else:
            restrict(x, ports)
    except Contained as refusal:
        refuse(x, refusal)
    x.outcome = Outcome.KILLED if level is Level.KILLED else Outcome.CONTAINED
    x.level, x.error = level, reason
    await asyncio.wait((end(x, ports),), timeout=OWN_WORDS_WAIT_S)


async def _record_refusal(x: Exchange, ports: Ports, refusal: Refused) -> None:
    if not isinstance(refusal, LogUnavailable):
        try:
            await record(x, ports)
            return
        except LogUnavailable as unavailable:
            refuse(x, unavailable)
    end(x, ports)


def refuse(x: Exchange, refusal: Refused) -> None:
    """Make the answer the refusal, in the wire's own form. Where part of a reply went out already (only the log
    can fail so late), the wire's error frame takes the place of its end."""
    x.take_back()
    if isinstance(refusal, LogUnavailable):
        x.error = refusal.message  # whatever it would have been
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
    if x.gate is not None:
        # A reply nested beyond rendering is cut without a word rather than not at all.
        with contextlib.suppress(RecursionError):
            x.tail, x.cut = x.gate.fail(refusal.code, refusal.message), False


def _left(x: Exchange, ports: Ports, error: BaseException) -> None:
    """The client has gone, or the proxy is being stopped: the exchange still gets its record."""
    if x.recorded:
        return
    x.take_back()
    stopped = ports.stopping.is_set() and isinstance(error, asyncio.CancelledError)
    x.outcome = Outcome.INTERRUPTED if stopped else Outcome.CLIENT_CLOSED
    x.error = "the proxy was stopped" if stopped else (str(error) or "the client left")
    end(x, ports)
