"""Step 8: the exchange's end goes to the log and the metrics, and only then its last bytes to the client.

Always runs, whatever became of the steps before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from proxy.errors import LogUnavailable
from proxy.model.level import Outcome
from proxy.model.record import Begun, Finished, Json, Latency, ModelUsed
from proxy.model.text import Media
from proxy.request.exchange import Exchange, Ports
from proxy.request.judged import JudgedText
from proxy.request.reply_text import reply_text
from proxy.wire.credentials import masked

Reading: TypeAlias = Callable[[JudgedText], str]


def begin(x: Exchange, ports: Ports) -> None:
    """Hand the request to the log; `x.begun` tells when it is durable."""
    if x.begun is None:
        x.begun = ports.recorder.begin(
            Begun(
                id=x.id,
                started_at=x.started_at,
                api=x.api,
                path=x.path,
                stream=x.view.stream if x.view is not None else False,
                app=x.app,
                subject=x.subject,
                model=_model(x),
                level=x.level,
                policy=x.policy.digest,
                body=masked(x.body),
                body_bytes=x.body_bytes,
            )
        )


async def record(x: Exchange, ports: Ports) -> None:
    """Make the exchange's end durable. Raises LogUnavailable where settings say that it then must not go on."""
    if x.recorded:
        return
    x.recorded = True
    finished_at = ports.clock.monotonic()
    begin(x, ports)
    x.take_findings(x.texts)
    if x.first_byte is None and x.answer is not None:
        x.first_byte = finished_at - x.started  # it goes out as soon as this record is durable
    finished = _finished(x, (finished_at - x.started) * 1000.0, ports.clock.now())
    _count(x, ports, finished_at)
    ended = ports.recorder.finish(finished)
    try:
        await begun(x, ports)
    finally:
        await _durable(ended, ports)


async def begun(x: Exchange, ports: Ports) -> None:
    """Wait until the request is on the log. Raises LogUnavailable as `record` does."""
    assert x.begun is not None
    await _durable(x.begun, ports)


async def _durable(written: asyncio.Future[None], ports: Ports) -> None:
    try:
        # Shielded: the record is not the client's to cancel by leaving.
        await asyncio.shield(written)
    except LogUnavailable:
        if ports.settings.log.on_failure == "block":
            raise


def _finished(x: Exchange, total_ms: float, now: float) -> Finished:
    received = reply_text(x.texts, x.facts.tools, lambda text: text.text)
    if x.passed:
        received = bytes(x.passed).decode("utf-8", "replace")
    return Finished(
        id=x.id,
        finished_at=now,
        outcome=x.outcome,
        model=_model(x),
        level=x.level,
        backend=x.route.backend if x.route is not None else None,
        sent=masked(x.sent),
        received=received,
        delivered=_delivered(x, received),
        finish_reason=x.facts.finish_reason,
        logprobs=x.facts.logprobs,
        usage=x.facts.usage,
        latency=Latency(
            total=total_ms,
            backend_first_byte=_ms(x.backend_first_byte),
            first_byte=_ms(x.first_byte),
            guard=x.guard_s * 1000.0,
        ),
        findings=tuple(x.findings),
        scores=dict(x.scores),
        error=x.error,
        media=tuple(_media(media) for media in x.view.media) if x.view is not None else (),
        unscanned=dict(x.unscanned),
    )


def _delivered(x: Exchange, received: Json) -> Json:
    """What the client got, in the shape of `received`; None where that is the same."""
    if x.static is not None:
        return x.static
    if x.passed:
        return None

    def read(text: JudgedText) -> str:
        return text.delivered()

    delivered = reply_text(x.texts, x.facts.tools, read)
    if x.messages or x.interrupted is not None:
        delivered = _with_messages(x, delivered)
    return delivered if delivered != received else None


def _with_messages(x: Exchange, delivered: Json) -> Json:
    """The text that went out, followed by the messages that ended it."""
    choices = x.view.choices if x.view is not None else 1
    messages = dict(x.messages)
    if x.interrupted is not None:
        for choice in range(choices):
            messages.setdefault(choice, x.interrupted)
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


def _count(x: Exchange, ports: Ports, finished_at: float) -> None:
    metrics = ports.metrics
    model = metrics.model_label(x.view.model if x.view is not None else None)
    metrics.exchange(x.api, model, x.outcome)
    for finding in x.findings:
        metrics.finding(finding)
    for label, score in x.scores.items():
        metrics.score(label, model, score)
    for reason, characters in x.unscanned.items():
        metrics.unscanned(reason, characters)
    for text in x.texts:
        for rule, reason in text.errors:
            metrics.scorer_error(rule, reason)
    if x.route is not None and x.backend_seconds is not None:
        metrics.backend(x.route.backend, x.backend_seconds)
    if x.first_byte is not None:
        metrics.first_byte(model, x.first_byte)
    if x.outcome not in (Outcome.REFUSED, Outcome.CLIENT_CLOSED):
        metrics.overhead.observe(x.guard_s)


def _model(x: Exchange) -> ModelUsed:
    return ModelUsed(
        requested=x.view.model if x.view is not None else None,
        version=x.route.version if x.route is not None else None,
        sent=x.route.sent if x.route is not None else None,
        served=x.facts.model,
        fingerprint=x.facts.fingerprint,
    )


def _media(media: Media) -> Json:
    return {"field": media.field, "type": media.type, "bytes": media.bytes, "sha256": media.sha256}


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000.0
