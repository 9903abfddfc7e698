"""Step 6: what the dial permits. A killed exchange is answered here, one that may not call is refused, and what a
request asks is cut down to what its level leaves. All others are attached to the dial, so that a later turn reaches
them while they run."""

from __future__ import annotations

from collections.abc import Iterator

from multidict import CIMultiDict

from proxy import jsonio
from proxy.backend.route import Route
from proxy.dial.levels import PERMITS
from proxy.errors import Contained
from proxy.model.level import Level, Outcome
from proxy.request.degrade import degrade
from proxy.request.exchange import Answer, Exchange, Ports
from proxy.request.restrict import restrict
from proxy.wire.sse import FrameDecoder

SWITCHED_OFF = "this service is switched off by its operators"


async def contain(x: Exchange, ports: Ports) -> None:
    """Sets the exchange's level. Where it is killed: answers, raises Contained, or sends it where no model is.
    Raises Contained and RateLimited for who may not call."""
    effective = ports.dial.effective(x.reach)
    # An exchange that comes here again has begun: loosening does not reach it.
    x.level = effective.level if x.effective is None else max(effective.level, x.level)
    x.effective = effective
    x.rose = False
    x.received = x.received or x.view
    if x.received is not None:
        x.asks(x.received)
    permits = PERMITS[x.level]
    if not permits.serves:
        if not _stand_in(x, ports):
            answer_killed(x)
        return
    ports.dial.attach(x)
    if permits.allow_list:
        restrict(x, ports)
    if permits.edits_request:
        await degrade(x, ports)


def _stand_in(x: Exchange, ports: Ports) -> bool:
    """Whether a backend that is no model answers in its place; the exchange is sent there as it was received."""
    name = x.policy.containment.killed.backend
    backend = ports.backends.get(name) if name is not None else None
    if backend is None or backend.api != x.api or x.wire is None or not x.wire.speaks:
        return False
    x.stand_in = True
    x.route = Route(backend.name, None, None, x.reach.models)
    x.sent_raw, x.sent = x.raw, None
    return True


def cut_killed(x: Exchange) -> None:
    """The end of a stream of which something went out, in its wire's own form, by our words alone."""
    killed = x.policy.containment.killed
    if x.gate is None:
        x.tail, x.cut = (
            b"",
            True,
        )  # nothing of an unread form can be ended in that form: the connection is cut
        return
    x.tail = x.gate.interrupt(killed.message) if killed.reply == "static" else b""
    if x.tail:
        x.messages = {**x.messages, **dict.fromkeys(_spoken_to(x, killed.message), killed.message)}
    else:
        x.tail = x.gate.fail("contained", SWITCHED_OFF)


def _spoken_to(x: Exchange, message: str) -> Iterator[int]:
    """The choices in which the reply's end says the message: those that were still open."""
    assert x.wire is not None
    assert x.view is not None
    if x.view.choices == 1:
        # Two hundred streams may end in one turn of the dial: to read each end again was a sixth of all their work.
        if jsonio.dumps(message)[1:-1] in x.tail:
            yield 0
        return
    reader = x.wire.reader(x.view, id=x.id, created=int(x.started_at))
    for frame in FrameDecoder().feed(x.tail):
        for piece in reader.read(frame).pieces:
            if piece.text == message:
                yield piece.channel.choice


def answer_killed(x: Exchange) -> None:
    """Our own answer of a killed exchange before anything of a reply went out: the static message in the wire's
    own form, or an error where the policy or the wire has no text answer. Raises Contained."""
    killed = x.policy.containment.killed
    x.level = Level.KILLED
    x.outcome = Outcome.KILLED
    if killed.reply == "error" or x.wire is None or not x.wire.speaks or x.view is None:
        refusal = Contained(SWITCHED_OFF)
        refusal.outcome = Outcome.KILLED
        raise refusal
    created = int(x.started_at)
    x.static = killed.message
    if x.view.stream:
        body = x.wire.static_stream(x.view, killed.message, id=x.id, created=created)
        headers = CIMultiDict(
            {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        )
    else:
        body = x.wire.static_reply(x.view, killed.message, id=x.id, created=created)
        headers = CIMultiDict({"content-type": "application/json"})
    x.answer = Answer(200, headers, body)
