"""What is handed in, turned into content and names: the part of writing that looks at values and not at tables."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from math import isfinite
from typing import Final, NamedTuple, TypeAlias

from proxy.log.context import Split, split
from proxy.log.encode import Damaged, decode, encode
from proxy.log.rows import NAME_CHARS_MAX
from proxy.model.finding import Finding
from proxy.model.record import Attempt, Begun, Finished, Json


@dataclass(frozen=True, slots=True)
class Revocable:
    """An end that counts only if `waiter` resolves: it is not written once that was cancelled or failed."""

    end: Finished
    waiter: Future[None]

    @property
    def id(self) -> str:
        """The exchange's."""
        return self.end.id

    @property
    def revoked(self) -> bool:
        """Asked in the writer's thread; a future only ever turns from pending to done."""
        return self.waiter.done()


Entry: TypeAlias = Begun | Finished | Revocable

_LATENCY_KEYS: Final = ("total", "backend_first_byte", "first_byte", "guard")
_FINDING_KEYS: Final = (
    "rule",
    "detector",
    "label",
    "score",
    "action",
    "direction",
    "field",
    "start",
    "end",
    "mode",
)


class PreparedBegin(NamedTuple):
    """A begin record as content bytes, words and numbers. `words` are in the order of `BeginRow`'s."""

    id: str
    started_ms: int
    stream: bool
    level: int
    body_bytes: int
    api: str
    path: str
    policy: str
    subject: tuple[str | None, ...]  # app, key, user, ip, region
    model: tuple[str | None, ...]  # requested, version, sent
    body: Split | None

    def words(self) -> tuple[str | None, ...]:
        """All that stand in columns."""
        return (self.api, self.path, self.policy, *self.subject, *self.model)

    def contents(self) -> Iterator[bytes]:
        """All that parts are to hold: a body's skeleton and window."""
        return _of_body(self.body)


class PreparedFinish(NamedTuple):
    """An end record as content bytes, words and numbers."""

    id: str
    finished_ms: int
    level: int
    outcome: str
    backend: str | None
    model: tuple[str | None, ...]  # requested, version, sent, served, fingerprint
    response_id: str | None
    sent: Split | None
    received: bytes | None
    delivered: bytes | None
    detail: bytes
    rules: Set[str]
    scores: Mapping[str, float]
    """As postings have them: names of a bounded length, and what is a number."""

    def words(self) -> tuple[str | None, ...]:
        """All that stand in columns."""
        return (self.outcome, self.backend, *self.model)

    def contents(self) -> Iterator[bytes]:
        """All that parts are to hold: what was sent, received, delivered."""
        yield from _of_body(self.sent)
        if self.received is not None:
            yield self.received
        if self.delivered is not None:
            yield self.delivered


def _of_body(body: Split | None) -> Iterator[bytes]:
    if body is not None:
        yield body.skeleton
        for _, content in body.window:
            yield content


Prepared: TypeAlias = PreparedBegin | PreparedFinish


def prepare(entry: Begun | Finished) -> Prepared:
    """Raises TypeError or ValueError for values that cannot be written."""
    model = entry.model
    if isinstance(entry, Begun):
        subject = entry.subject
        return PreparedBegin(
            id=entry.id,
            started_ms=round(entry.started_at * 1000),
            stream=entry.stream,
            level=int(entry.level),
            body_bytes=entry.body_bytes,
            api=_must(entry.api),
            path=_must(entry.path),
            policy=_must(entry.policy),
            subject=(
                _cut(entry.app),
                _cut(subject.key),
                _cut(subject.user),
                _cut(subject.ip),
                _cut(subject.region),
            ),
            model=(_cut(model.requested), _cut(model.version), _cut(model.sent)),
            body=None if entry.body is None else split(entry.body),
        )
    rules, scores = as_words((finding.rule for finding in entry.findings), entry.scores)
    return PreparedFinish(
        id=entry.id,
        finished_ms=round(entry.finished_at * 1000),
        level=int(entry.level),
        outcome=_must(str(entry.outcome)),
        backend=_cut(entry.backend),
        model=(
            _cut(model.requested),
            _cut(model.version),
            _cut(model.sent),
            _cut(model.served),
            _cut(model.fingerprint),
        ),
        response_id=entry.response_id,
        sent=None if entry.sent is None else split(entry.sent),
        received=None if entry.received is None else encode(entry.received),
        delivered=None if entry.delivered is None else encode(entry.delivered),
        detail=_detail(entry),
        rules=rules,
        scores=scores,
    )


def as_words(rules: Iterable[str], scores: Mapping[str, Json]) -> tuple[set[str], dict[str, float]]:
    """As postings have them: names of a bounded length, and what is a number."""
    return {rule[:NAME_CHARS_MAX] for rule in rules}, {
        label[:NAME_CHARS_MAX]: float(score)
        for label, score in scores.items()
        if isinstance(score, int | float) and isfinite(score)
    }


def found_words(detail: bytes) -> tuple[set[str], dict[str, float]]:
    """The rules that found something and the scores, from a detail that `prepare` wrote. Raises Damaged."""
    read = read_detail(detail)
    return as_words((str(finding["rule"]) for finding in read.findings), read.scores)


@dataclass(frozen=True, slots=True)
class Detail:
    """What of an end record stands in no column, read back."""

    latency: Mapping[str, Json]
    finish_reason: Json = None
    logprobs: Json = None
    usage: Json = None
    findings: tuple[Mapping[str, Json], ...] = ()
    scores: Mapping[str, Json] = field(default_factory=dict)
    error: Json = None
    media: tuple[Json, ...] = ()
    unscanned: Mapping[str, Json] = field(default_factory=dict)
    attempts: tuple[Json, ...] = ()
    response_id: str | None = None


def read_detail(content: bytes) -> Detail:
    """The detail that `prepare` wrote. Raises Damaged."""
    value = decode(content)
    if not isinstance(value, dict):
        raise Damaged("the detail of a record has an unknown shape")
    times = _list(value, "latency")
    if len(times) != len(_LATENCY_KEYS):
        raise Damaged("the latencies of a record have an unknown shape")
    response_id = value.get("response_id")
    return Detail(
        latency=dict(zip(_LATENCY_KEYS, times, strict=True)),
        finish_reason=value.get("finish_reason"),
        logprobs=value.get("logprobs"),
        usage=value.get("usage"),
        findings=tuple(_finding(entry) for entry in _list(value, "findings")),
        scores=_dict(value, "scores"),
        error=value.get("error"),
        media=tuple(_list(value, "media")),
        unscanned=_dict(value, "unscanned"),
        attempts=tuple(_list(value, "attempts")),
        response_id=response_id if isinstance(response_id, str) else None,
    )


def _list(detail: Mapping[str, Json], key: str) -> list[Json]:
    value = detail.get(key, [])
    if not isinstance(value, list):
        raise Damaged(f"the {key} of a record have an unknown shape")
    return value


def _dict(detail: Mapping[str, Json], key: str) -> dict[str, Json]:
    value = detail.get(key, {})
    if not isinstance(value, dict):
        raise Damaged(f"the {key} of a record have an unknown shape")
    return value


def _detail(finished: Finished) -> bytes:
    latency = finished.latency
    times = (latency.total, latency.backend_first_byte, latency.first_byte, latency.guard)
    detail: dict[str, Json] = {
        "finish_reason": finished.finish_reason,
        "error": finished.error,
        "findings": [_finding_row(finding) for finding in finished.findings],
        "scores": dict(finished.scores),
        "usage": finished.usage,
        "logprobs": finished.logprobs,
        "media": list(finished.media),
        "unscanned": dict(finished.unscanned),
        "attempts": [_attempt(attempt) for attempt in finished.attempts],
        "response_id": finished.response_id,
    }
    kept = {key: value for key, value in detail.items() if value is not None and value != [] and value != {}}
    if finished.usage is not None:
        kept["usage"] = finished.usage  # an empty object of the backend's is still what it said
    if finished.logprobs is not None:
        kept["logprobs"] = finished.logprobs
    # Microseconds are finer than any clock of ours is true.
    kept["latency"] = [None if value is None else round(value, 3) for value in times]
    return encode(kept)


def _attempt(attempt: Attempt) -> Json:
    return {
        "backend": attempt.backend,
        "version": attempt.version,
        "sent": attempt.sent,
        "error": attempt.error,
        "ms": None if attempt.ms is None else round(attempt.ms, 3),
    }


def _finding_row(finding: Finding) -> list[Json]:
    return [
        finding.rule,
        finding.detector,
        finding.label,
        finding.score,
        str(finding.action),
        str(finding.direction),
        finding.field,
        finding.start,
        finding.end,
        str(finding.mode),
    ]


def _finding(row: Json) -> Mapping[str, Json]:
    if not isinstance(row, list) or len(row) != len(_FINDING_KEYS):
        raise Damaged("a finding of a record has an unknown shape")
    return dict(zip(_FINDING_KEYS, row, strict=True))


def _cut(name: str | None) -> str | None:
    if name is None or (name.__class__ is str and len(name) <= NAME_CHARS_MAX):
        return name
    return _must(name)


def _must(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a name is {type(name).__name__}, not text")
    return name[:NAME_CHARS_MAX]
