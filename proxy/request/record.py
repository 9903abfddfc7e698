"""Step 11: the exchange's end goes to the log and the metrics, and only then its last bytes to the client.

Always runs, whatever became of the steps before it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from proxy.errors import LogUnavailable
from proxy.model.finding import Hit
from proxy.model.level import Direction, Outcome
from proxy.model.observation import Observation
from proxy.model.record import Begun, Finished, Json, Latency, ModelUsed
from proxy.model.text import Media
from proxy.request.exchange import Exchange, Killed, Ports
from proxy.request.judged import JudgedText
from proxy.request.observe import observation
from proxy.request.on_record import OnRecord
from proxy.request.own_keys import OwnKeys
from proxy.request.reply_text import reply_text, with_media
from proxy.request.turn import CHANGES_INLINE_MAX, READ_INLINE_BYTES_MAX, beside
from proxy.wire.credentials import masked
from proxy.wire.unloaded import stand_ins, unloaded


def begin(x: Exchange, ports: Ports) -> None:
    """Hand the request to the log; `x.begun` tells when it is durable."""
    if x.begun is None:
        own, on_record = OwnKeys(x, ports), OnRecord(x)
        body = x.body if x.logged is not None else on_record.body()
        x.begun = ports.recorder.begin(
            Begun(
                id=x.id,
                started_at=x.started_at,
                api=x.api,
                path=own.out_of(on_record.text(x.path)),
                stream=x.view.stream if x.view is not None else False,
                app=own.out_of_any(x.app),
                subject=replace(x.subject, user=own.out_of_any(x.subject.user)),
                model=_model(x, own),
                level=x.level,
                policy=x.policy.digest,
                body=own.out_of_json(_kept(x, ports, body), x.raw if body is x.body and x.raw else None),
                body_bytes=x.body_bytes,
                body_read=x.body_read,
            )
        )


async def record(x: Exchange, ports: Ports) -> None:
    """Make the exchange's end durable before its last bytes go out.

    Raises LogUnavailable where settings say that they then must not, and Killed where the dial rises meanwhile
    (for a reply of the backend's). What was handed in is taken back then: the exchange takes another end.
    """
    begin(x, ports)
    large = len(x.texts) > CHANGES_INLINE_MAX or sum(text.length for text in x.texts) > READ_INLINE_BYTES_MAX
    ended = await beside(large, _ended, x, ports)
    finished = ended.record
    written = ports.recorder.finish(finished, revocable=True)
    waiting = _both(x, written)
    try:
        # Only the backend's words are the dial's to stop.
        await (x.on_backend(waiting) if x.upstream is not None and x.answer is not None else waiting)
    except LogUnavailable:
        if ports.settings.log.on_failure == "block":
            _forget(written)
            raise
        _forget(ports.recorder.finish(finished))
    except (Killed, asyncio.CancelledError):
        if written.cancel() or written.exception() is not None:
            raise
        # Its end was on the log before: it is over, and it went out.
    x.recorded = True
    _count(x, ports, ended)


def end(x: Exchange, ports: Ports) -> asyncio.Future[None]:
    """Hand in the end of an exchange that gives its client nothing more of a reply. Nobody has to wait for that:
    the record is kept until it can be written."""
    x.recorded = True
    ended = _ended(x, ports)
    written = ports.recorder.finish(ended.record)
    _forget(written)
    _count(x, ports, ended)
    return written


async def begun(x: Exchange, ports: Ports) -> None:
    """Wait until the request is on the log. Raises LogUnavailable where settings say that nothing may go out then,
    and Killed."""
    assert x.begun is not None
    ports.recorder.hurry()
    try:
        await x.on_backend(_shielded(x.begun))
    except LogUnavailable:
        if ports.settings.log.on_failure == "block":
            raise


async def _both(x: Exchange, written: asyncio.Future[None]) -> None:
    assert x.begun is not None
    await _shielded(x.begun)
    await _shielded(written)


async def _shielded(written: asyncio.Future[None]) -> None:
    """The record is not the client's to cancel by leaving, nor the dial's by turning."""
    await asyncio.shield(written)


def _forget(written: asyncio.Future[None]) -> None:
    """Nobody waits for it: what becomes of it is the recorder's to count and to tell."""
    written.add_done_callback(lambda done: done.cancelled() or done.exception())


_STAND_INS = frozenset({Outcome.RELEASED, Outcome.REDACTED, Outcome.BLOCKED_OUTPUT, Outcome.BACKEND_ERROR})
"""How the answer of a backend that stands in for a killed model may end; the outcome is `killed` then."""


class _Ended(NamedTuple):
    """What an exchange comes to."""

    record: Finished
    observed: Observation | None
    hits: Counter[Hit]


def _ended(x: Exchange, ports: Ports) -> _Ended:
    """Pure but for the exchange itself: of a large one it is worked out in a thread."""
    record = _finished(x, ports)
    hits = Counter(Hit(one.rule, one.direction, one.action, one.mode) for one in x.findings)
    return _Ended(record, observation(x, ports, ports.clock.monotonic() - x.started), hits)


def _finished(x: Exchange, ports: Ports) -> Finished:
    begin(x, ports)
    on_record = OnRecord(x)
    if x.stand_in and x.outcome in _STAND_INS:
        x.outcome = Outcome.KILLED
    if not x.settled:
        x.settled = True
        x.take_findings(x.texts, on_record.findings)
    total_s = ports.clock.monotonic() - x.started
    if x.first_byte is None and x.answer is not None:
        x.first_byte = total_s  # it goes out as soon as this record is durable
    received = _received(x, lambda text: text.text)
    delivered = _delivered(x, lambda text: text.delivered(), received)
    differs = delivered != received
    if not on_record.whole:
        received = on_record.json(_received(x, on_record.received))
        delivered = on_record.json(_delivered(x, on_record.delivered, received))
    own = OwnKeys(x, ports)
    sent = on_record.sent()
    shown = own.out_of_json(received)
    return Finished(
        id=x.id,
        finished_at=ports.clock.now(),
        outcome=x.outcome,
        model=_model(x, own),
        level=x.level,
        backend=x.route.backend if x.route is not None else None,
        sent=own.out_of_json(_kept(x, ports, sent), x.sent_raw if sent is x.sent and x.sent_raw else None),
        received=with_media(shown, x.reply_bytes) if x.reply_bytes else shown,
        delivered=own.out_of_json(delivered) if differs else None,
        finish_reason=own.out_of_any(x.facts.finish_reason),
        logprobs=x.facts.logprobs
        if shown == received and on_record.whole
        else None,  # its tokens spell what is not kept
        usage=own.out_of_json(x.facts.usage),
        latency=Latency(
            total=total_s * 1000.0,
            backend_first_byte=_ms(x.backend_first_byte),
            first_byte=_ms(x.first_byte),
            guard=x.guard_s * 1000.0,
        ),
        findings=own.out_of_findings(x.findings),
        scores=dict(x.scores),
        error=own.out_of(on_record.text(x.error)) if x.error is not None else None,
        media=(
            *(_media(media, Direction.INPUT) for media in (x.view.media if x.view is not None else ())),
            *(_media(media, Direction.OUTPUT) for media in x.reply_media),
        ),
        unscanned=dict(x.unscanned),
        attempts=tuple(x.attempts),
        response_id=own.out_of_any(x.facts.id) if x.wire is not None and x.wire.keeps else None,
    )


def _received(x: Exchange, read: Callable[[JudgedText], str]) -> Json:
    """The backend's text."""
    if x.passed:
        return bytes(x.passed).decode("utf-8", "replace")
    return reply_text(x.texts, x.facts.tools, read)


def _delivered(x: Exchange, read: Callable[[JudgedText], str], received: Json) -> Json:
    """What the client gets, in the shape of `received`: an empty one for nothing."""
    if x.static is not None:
        return x.static
    if x.passed:
        return bytes(x.passed[: x.passing]).decode("utf-8", "replace")
    texts = [text for text in x.texts if text.released or not text.length]
    delivered: Json = None
    if x.given or not x.taken_back:
        delivered = reply_text(texts, x.facts.tools, read)
    if x.messages:
        delivered = _with_messages(x, delivered)
    if delivered is None and received is not None:
        return "" if isinstance(received, str) else []
    return delivered


def _with_messages(x: Exchange, delivered: Json) -> Json:
    """The text that went out, followed by the messages that ended it."""
    choices = x.view.choices if x.view is not None else 1
    messages = x.messages
    if (delivered is None or isinstance(delivered, str)) and messages.keys() == {0} and choices == 1:
        return (delivered or "") + messages[0]
    entries: dict[int, dict[str, Json]] = {}
    if isinstance(delivered, str):
        entries[0] = {"index": 0, "text": delivered}
    elif isinstance(delivered, list):
        for entry in delivered:
            assert isinstance(entry, dict)
            index = entry["index"]
            assert isinstance(index, int)
            entries[index] = dict(entry)
    for choice, message in messages.items():
        entry = entries.setdefault(choice, {"index": choice, "text": ""})
        entry["text"] = f"{entry['text']}{message}"
    return [entries[index] for index in sorted(entries)]


def _count(x: Exchange, ports: Ports, ended: _Ended) -> None:
    if x.probe is not None:
        # The figures are of what people asked; what probes found has figures of its own.
        x.probe.ended, x.probe.observed = ended.record, ended.observed
        return
    metrics = ports.metrics
    model = metrics.model_label(x.view.model if x.view is not None else None)
    metrics.exchange(x.api, model, x.outcome)
    for hit, times in ended.hits.items():
        metrics.hits(hit, times)
    for label, score in x.scores.items() if not x.stand_in else ():
        metrics.score(label, model, score)  # which a model that is killed has none of
    for reason, characters in x.unscanned.items():
        metrics.unscanned(reason, characters)
    for _, reason in x.failures:
        metrics.scorer_error(*_failure(reason))
    if x.route is not None and x.backend_seconds is not None:
        metrics.backend(x.route.backend, x.backend_seconds)
    if x.first_byte is not None:
        metrics.first_byte(model, x.first_byte)
    if x.outcome not in (Outcome.REFUSED, Outcome.CLIENT_CLOSED):
        metrics.overhead.observe(x.guard_s)
    if ended.observed is not None:
        ports.watch.observe(ended.observed)


def _model(x: Exchange, own: OwnKeys) -> ModelUsed:
    return ModelUsed(
        requested=own.out_of_any(x.view.model) if x.view is not None else None,
        version=x.route.version if x.route is not None else None,
        sent=x.route.sent if x.route is not None else None,
        served=own.out_of_any(x.facts.model),
        fingerprint=own.out_of_any(x.facts.fingerprint),
    )


def _kept(x: Exchange, ports: Ports, body: Json) -> Json:
    """What the log keeps of a body: no credentials, and bytes of media only where the settings say so."""
    kept = x.logged if body is x.body and x.logged is not None else masked(body)
    if body is None or x.view is None or not x.view.media or ports.settings.log.keep_media:
        return kept
    return unloaded(kept, stand_ins(x.body, x.view.media))


def _media(media: Media, direction: Direction) -> Json:
    return {
        "direction": str(direction),
        "field": media.field,
        "type": media.type,
        "bytes": media.bytes,
        "sha256": media.sha256,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000.0


_REASONS = frozenset({"crashed", "timeout", "full", "bad_output"})  # ScorerFailed's


def _failure(reason: str) -> tuple[str, str]:
    """Labels for a text without a rule's verdict: the detector, and one of a few words. Rules' ids and exceptions'
    names are no labels."""
    detector, _, what = reason.partition(": ")
    return detector, "too_many" if what.startswith("more than ") else what if what in _REASONS else "failed"
