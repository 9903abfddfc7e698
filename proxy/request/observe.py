"""What an exchange that has ended tells of how its model behaves."""

from __future__ import annotations

from typing import Final

from proxy.backend.route import Route
from proxy.detect.refusal import refuses
from proxy.detect.sentiment import HEAD_CHARS
from proxy.model.level import Direction, Outcome
from proxy.model.observation import Metric, Observation
from proxy.model.record import Json
from proxy.model.text import Kind
from proxy.request.exchange import Exchange, Ports

_JUDGED: Final = frozenset(
    {Outcome.RELEASED, Outcome.REDACTED, Outcome.BLOCKED_INPUT, Outcome.BLOCKED_OUTPUT}
)
_TOO_MANY: Final = 429
_FAULT: Final = 500


def observation(x: Exchange, ports: Ports, total_s: float) -> Observation | None:
    """None for exchanges that say nothing of the model: the proxy refused them for who called, or by the dial.
    What the proxy said itself is no sample of a reply; a reply that was blocked is, as it was received."""
    if x.stand_in or (x.sent_at is None and x.outcome is not Outcome.BLOCKED_INPUT):
        return None
    route = x.route
    model = _model(x, ports)
    return Observation(
        at=ports.clock.now(),
        exchange=x.id,
        model=model,
        names=route.names if route is not None else frozenset(),
        version=_version(model, route, ports) if route is not None else None,
        sent=route.sent if route is not None else None,
        served=x.facts.model,
        app=x.app,
        caller=_caller(x),
        values=_values(x, total_s, ports.watch.asked),
        prompt=_prompt(x) if Metric.NEW_PROMPTS in ports.watch.asked else None,
        said=_said(x) if Metric.SENTIMENT in ports.watch.asked else None,
    )


def _model(x: Exchange, ports: Ports) -> str | None:
    """A model's one name, by whatever name it was asked for: nobody must escape its tripwires under another."""
    requested = x.view.model if x.view is not None else None
    models = ports.settings.models
    if requested in models or x.route is None:
        return requested
    return next((name for name in sorted(x.route.names) if name in models), requested or x.facts.model)


def _version(model: str | None, route: Route, ports: Ports) -> str | None:
    """Likewise the version's, where the model was asked for by the name of that version at its backend."""
    known = ports.settings.models.get(model) if model is not None else None
    if route.version is not None or known is None:
        return route.version
    at = (route.backend, route.sent)
    return next((name for name, one in known.versions.items() if (one.backend, one.model) == at), None)


def _caller(x: Exchange) -> str | None:
    # A name that nobody vouches for is anybody's to choose: one caller must not count as many.
    subject = x.subject
    if x.app_verified and subject.user is not None:
        return f"user:{subject.user}"
    if subject.key is not None:
        return f"key:{subject.key}"
    return f"ip:{subject.ip}" if subject.ip is not None else None


def _prompt(x: Exchange) -> int | None:
    """Of the newest text of the request that is no system prompt."""
    texts = x.view.texts if x.view is not None else ()
    said = (one.value for one in reversed(texts) if one.channel.kind is Kind.TEXT and not one.again)
    newest = next(said, None)
    return None if newest is None else hash(newest)


def _said(x: Exchange) -> str | None:
    """The beginning of what the model answered in words."""
    if x.outcome not in _JUDGED or x.sent_at is None:
        return None
    spoken = (text.text for text in x.texts if text.length and text.channel.kind is Kind.TEXT)
    first = next(spoken, None)
    return None if first is None else first[:HEAD_CHARS]


def _values(x: Exchange, total_s: float, asked: frozenset[str]) -> dict[str, float]:
    values = _reply(x)
    judged = x.outcome in _JUDGED
    if judged:
        found = any(one.direction is Direction.INPUT for one in x.findings)
        values[Metric.FLAGGED_RATE] = float(found)
        values[Metric.BLOCKED_RATE] = float(x.outcome in (Outcome.BLOCKED_INPUT, Outcome.BLOCKED_OUTPUT))
    if x.sent_at is None:
        return values
    if judged or x.outcome is Outcome.BACKEND_ERROR:
        values[Metric.ERROR_RATE] = float(not judged and _is_fault(x))
    if judged:
        values[Metric.REDACTED_RATE] = float(x.outcome is Outcome.REDACTED)
        values[Metric.LATENCY_S] = total_s
        if x.first_byte is not None:
            values[Metric.FIRST_BYTE_S] = x.first_byte
        values[Metric.UNSCANNED_RATE] = float(bool(x.unscanned))
        if (tokens := _tokens(x.facts.usage)) is not None:
            values[Metric.TOKENS] = tokens
        spoken = [text.length for text in x.texts if text.channel.kind is not Kind.OTHER]
        if spoken:
            values[Metric.REPLY_LENGTH] = float(sum(spoken))
        if Metric.REFUSAL_RATE in asked and (refused := _refused(x)) is not None:
            values[Metric.REFUSAL_RATE] = float(refused)
    return values


def _refused(x: Exchange) -> bool | None:
    """Whether the model declined; None where it said nothing in words."""
    texts = [text for text in x.texts if text.length and text.channel.kind in (Kind.TEXT, Kind.REFUSAL)]
    if not texts:
        return None
    return any(text.channel.kind is Kind.REFUSAL for text in texts) or refuses(texts[0].text)


def _is_fault(x: Exchange) -> bool:
    """Of an exchange that the backend failed: not where it refused the request as wrong (4xx)."""
    status = x.upstream.status if x.upstream is not None else _FAULT
    return not 400 <= status < _FAULT or status == _TOO_MANY


def _reply(x: Exchange) -> dict[str, float]:
    """Of the reply as received, also where the client got none of it."""
    texts = x.texts
    if not texts:
        return {}
    found = {finding.detector for text in texts for finding in text.findings}
    values: dict[str, float] = {
        Metric.PII_RATE: float("pii" in found),
        Metric.SECRET_RATE: float("secrets" in found),
    }
    scores = [score for text in texts if (score := text.scores.get("toxicity")) is not None]
    if scores:
        values[Metric.TOXICITY] = max(scores)
    return values


def _tokens(usage: Json) -> float | None:
    """Of the request and the reply together, as the backend counts them."""
    if not isinstance(usage, dict):
        return None
    total = usage.get("total_tokens")
    if isinstance(total, int):
        return float(total)
    parts = [usage.get(key) for key in ("input_tokens", "output_tokens")]
    counts = [part for part in parts if isinstance(part, int)]
    return float(sum(counts)) if counts else None
