"""Step 9: the output rules, over every text of the reply; whole replies at once, streams through a gate."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial

from multidict import CIMultiDict

from proxy import jsonio
from proxy.detect.prompt_leak_index import PromptTooLong
from proxy.errors import BackendFailed, ReplyFiltered, UnreadableReply
from proxy.model.level import Direction, Outcome
from proxy.model.record import Json
from proxy.model.text import Edit, Text
from proxy.request.drive import Drive
from proxy.request.exchange import Answer, Exchange, Killed, Ports
from proxy.request.judged import JudgedText
from proxy.request.scan import judge_texts, new_text
from proxy.request.stream_gate import StreamGate
from proxy.request.turn import CHANGES_INLINE_MAX, READ_INLINE_BYTES_MAX, Turn, beside, free
from proxy.wire.base import ReplyView, RequestView, Wire
from proxy.wire.shape import at

PASSED_BYTES_KEPT_MAX = 65_536
"""How much of a reply that no wire reads is kept for the log."""

PROMPTS_INLINE_CHARS_MAX = 8192
"""Longer prompts are read in a thread."""

_BODY_HEADERS = ("content-length", "content-md5", "digest", "content-digest", "repr-digest", "etag")
"""Headers that speak of the body's very bytes; an edited body goes without them."""


async def score_output(x: Exchange, ports: Ports) -> None:
    """Sets the answer. Raises BackendFailed where a whole reply cannot be read, ReplyFiltered where one is blocked
    that has no form to say so."""
    upstream = x.upstream
    assert upstream is not None, "forward opens the reply"
    if 300 <= upstream.status < 400 and upstream.status != 304:
        # Clients follow redirects: one would lead them past the proxy.
        raise BackendFailed(f"backend {upstream.backend}: it answered with a redirect ({upstream.status})")
    if x.wire is None or upstream.status >= 300:
        x.answer = Answer(upstream.status, upstream.headers, stream=_passed(x, ports), reason=upstream.reason)
        if upstream.status >= 400:
            x.outcome = Outcome.BACKEND_ERROR
            x.error = f"the backend answered {upstream.status}"
        return
    await _read_prompts(x)
    if upstream.content_type == "text/event-stream":
        _stream(x, ports)
    else:
        await _whole(x, ports)


async def _read_prompts(x: Exchange) -> None:
    """Long prompts that are new are read in a thread, before a text is judged under them."""
    prompts = x.context.prompts
    if sum(map(len, prompts)) <= PROMPTS_INLINE_CHARS_MAX:
        return
    for bank in x.policy.plan(Direction.OUTPUT, x.selection).prompt_banks:
        if bank.known.get(prompts) is None:
            with suppress(PromptTooLong):  # judging hears it again, and the rule's on_error decides
                bank.known.keep(prompts, await beside(True, bank.read, prompts))


async def _whole(x: Exchange, ports: Ports) -> None:
    upstream, wire = x.upstream, x.wire
    assert upstream is not None
    assert wire is not None
    raw = await x.on_backend(upstream.read_whole(ports.settings.limits.max_reply_bytes))
    x.backend_done(ports.clock.monotonic())
    upstream.finished()
    started = ports.clock.monotonic()
    try:
        body, view = await beside(len(raw) > READ_INLINE_BYTES_MAX, _read, wire, raw, x.view)
    except (jsonio.InvalidJson, UnreadableReply) as error:
        raise BackendFailed(f"backend {upstream.backend}: its reply cannot be read: {error}") from error
    x.facts = view.facts
    x.reply_media = view.media
    if ports.settings.log.keep_media:
        x.reply_bytes = [{"field": one.field, "data": at(body, one.path)} for one in view.media]
    for media in view.media:
        x.unscanned["media"] += media.bytes
    level = None
    while level is not x.level:  # it may rise while the reply is judged
        level = x.level
        judged: list[JudgedText] = []
        try:
            await judge_texts(x, ports, Direction.OUTPUT, view.texts, judged)
        finally:
            x.texts = tuple(judged)
    if x.killed is not None:  # the dial was turned while the reply was judged
        raise Killed(x.killed)
    headers = upstream.headers
    many = len(judged) > CHANGES_INLINE_MAX or sum(text.findings_most for text in judged) > CHANGES_INLINE_MAX
    edited = await beside(many, _apply, x, raw, body, view)
    if edited is not None:
        headers = _without(headers, _BODY_HEADERS)
        raw = edited
    x.answer = Answer(upstream.status, headers, raw, reason=upstream.reason)
    x.guard_s += ports.clock.monotonic() - started
    if many:
        ports.spawn(free(list(view.texts)))


def _read(wire: Wire, raw: bytes, request: RequestView | None) -> tuple[Json, ReplyView]:
    body = jsonio.loads_strict(raw) if raw else None
    return body, wire.read_reply(body, request)


def _apply(x: Exchange, raw: bytes, body: Json, view: ReplyView) -> bytes | None:
    """The reply with what its findings ask for; None where they ask for nothing. Raises ReplyFiltered."""
    wire = x.wire
    assert wire is not None
    edits: list[tuple[Text, Edit]] = []
    for text in x.texts:
        if text.block is not None:
            x.messages.setdefault(text.channel.choice, text.block.message)
    for source, text in zip(view.texts, x.texts, strict=True):
        if text.channel.choice in x.messages:
            continue
        text.released = text.length
        if (edit := text.changes.edit(0, text.length)) is not None:
            edits.append((source, edit))
    if edits:
        if any(text.changes.redacted for text in x.texts):
            x.outcome = Outcome.REDACTED
        raw = wire.edit_reply(raw, body, edits)
    if x.messages and not wire.speaks:
        raise ReplyFiltered(next(iter(x.messages.values())))
    if x.messages:
        x.outcome = Outcome.BLOCKED_OUTPUT
        raw = wire.block_reply(raw, jsonio.loads(raw), x.messages)
    return raw if edits or x.messages else None


def _stream(x: Exchange, ports: Ports) -> None:
    upstream, wire, view = x.upstream, x.wire, x.view
    assert upstream is not None
    assert wire is not None
    assert view is not None

    try:
        reader = wire.reader(view, id=x.id, created=int(x.started_at))
    except UnreadableReply as error:
        raise BackendFailed(f"backend {upstream.backend}: its reply cannot be read: {error}") from error
    gate = StreamGate(reader, view.choices, partial(new_text, x, Direction.OUTPUT))
    gate.media.keeps = ports.settings.log.keep_media
    x.gate = gate
    headers = _without(upstream.headers, _BODY_HEADERS)  # it may be edited after its head has gone
    x.answer = Answer(upstream.status, headers, stream=_gated(x, ports, gate), reason=upstream.reason)


async def _gated(x: Exchange, ports: Ports, gate: StreamGate) -> AsyncGenerator[bytes, None]:
    """What may go out now, piece by piece; what must wait for the log ends up in `x.tail`."""
    upstream, clock = x.upstream, ports.clock
    assert upstream is not None
    drive = Drive(x, upstream, gate, Turn(clock))
    try:
        async with aclosing(drive.released()) as released:
            async for out in released:
                yield out
        await drive.end()
        await _end(x, ports, gate, drive)
        await drive.turn.done()
    except (BackendFailed, UnreadableReply) as error:
        upstream.close()
        x.outcome, x.error = Outcome.BACKEND_ERROR, str(error)
        x.tail = await drive.cut(str(error))
        if gate.all_blocked:
            x.outcome, x.error = Outcome.BLOCKED_OUTPUT, None
    finally:
        x.backend_done(clock.monotonic())
        x.texts = await drive.settle()
        x.guard_s += drive.turn.spent_s
        x.facts = gate.facts
        x.messages.update(gate.blocked)
        x.unscanned.update(gate.unscanned)
        x.reply_media = gate.media.all()
        x.reply_bytes = await beside(gate.media.bytes > READ_INLINE_BYTES_MAX, gate.media.kept)
        if gate.media.bytes:
            x.unscanned["media"] += gate.media.bytes
        ports.metrics.held.observe(gate.held_max)


async def _end(x: Exchange, ports: Ports, gate: StreamGate, drive: Drive) -> None:
    """The reply came to an end: its wire's own, every choice blocked, or the backend's bytes just stopped."""
    upstream = x.upstream
    assert upstream is not None
    x.tail = bytes(gate.tail)
    if gate.all_blocked:
        upstream.close()  # nobody will read the rest
    else:
        ports.spawn(upstream.drain())
    if gate.blocked:
        x.outcome = Outcome.BLOCKED_OUTPUT
    elif gate.failed:
        x.outcome, x.error = Outcome.BACKEND_ERROR, "the backend told of an error inside its stream"
    elif not drive.complete:
        message = f"backend {upstream.backend}: it cut its reply short"
        x.outcome, x.error = Outcome.BACKEND_ERROR, message
        x.tail = await drive.failed(message)
    elif await drive.redacted():
        x.outcome = Outcome.REDACTED


async def _passed(x: Exchange, ports: Ports) -> AsyncGenerator[bytes, None]:
    """A reply that no wire reads: the backend's own errors, and unknown paths where settings let them through.
    Its last bytes are kept back as the tail."""
    upstream = x.upstream
    assert upstream is not None
    reason = "unknown_path" if x.wire is None else "backend_error"
    try:
        while data := await x.on_backend(upstream.read()):
            x.unscanned[reason] += len(data)
            x.passed += data[: PASSED_BYTES_KEPT_MAX - len(x.passed)]
            if x.tail:
                yield x.tail
            x.tail = data
        upstream.finished()
    except BackendFailed as error:
        x.outcome, x.error, x.cut = Outcome.BACKEND_ERROR, str(error), True
    finally:
        x.passing = x.given_bytes + len(x.tail)
        x.backend_done(ports.clock.monotonic())


def _without(headers: CIMultiDict[str], names: tuple[str, ...]) -> CIMultiDict[str]:
    out = CIMultiDict(headers)
    for name in names:
        out.popall(name, None)
    return out
