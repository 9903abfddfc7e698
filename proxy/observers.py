"""What parts of the proxy tell of themselves, as each of them sees the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram

from proxy.model.level import Level


@dataclass(frozen=True, slots=True)
class LogMetrics:
    """What the exchange log tells of itself."""

    commit: Histogram
    records: Counter
    failures: Counter
    queue: Gauge
    removed: Counter

    def on_commit(self, seconds: float, records: int) -> None:
        self.commit.observe(seconds)
        self.records.inc(records)

    def on_failure(self, reason: str) -> None:
        self.failures.labels(reason).inc()

    def on_queue(self, records: int) -> None:
        self.queue.set(records)

    def on_removed(self, why: str, exchanges: int) -> None:
        self.removed.labels(why).inc(exchanges)


@dataclass(frozen=True, slots=True)
class ScorerMetrics:
    """What the scorer processes tell of themselves."""

    queue: Gauge
    seconds: Histogram
    errors: Counter

    def on_queue(self, scorer: str, questions: int) -> None:
        self.queue.labels(scorer).set(questions)

    def on_answer(self, scorer: str, seconds: float) -> None:
        self.seconds.labels(scorer).observe(seconds)

    def on_error(self, scorer: str, reason: str) -> None:
        self.errors.labels(scorer, reason).inc()


@dataclass(frozen=True, slots=True)
class BackendMetrics:
    """What a backend's health tells of itself."""

    states: Gauge
    failures: Counter

    def on_state(self, backend: str, rank: int) -> None:
        self.states.labels(backend).set(rank)

    def on_failure(self, backend: str, reason: str) -> None:
        self.failures.labels(backend, reason).inc()


@dataclass(frozen=True, slots=True)
class DialMetrics:
    """What the dial tells of itself."""

    levels: Gauge
    changes: Counter
    restraints: Gauge
    unstored: Gauge
    dropped: Counter

    def on_change(self, actor_kind: str, level: Level) -> None:
        self.changes.labels(actor_kind, level.word).inc()

    def on_level(self, scope: str, level: Level | None) -> None:
        if level is None:
            self.levels.labels(scope)  # a series that was never set cannot be removed
            self.levels.remove(scope)
        else:
            self.levels.labels(scope).set(int(level))

    def on_restraints(self, counts: Mapping[str, int]) -> None:
        for kind, count in counts.items():
            self.restraints.labels(kind).set(count)

    def on_unstored(self, changes: int) -> None:
        self.unstored.set(changes)

    def on_dropped(self, changes: int) -> None:
        self.dropped.inc(changes)
