"""Every metric of the proxy, once. Label values come from settings and rules only; anything else is `other`.

Children are bound at first use and kept, so that the hot path pays a dictionary look-up, not a lock; their
number is bounded because every label value is taken from a closed set.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from proxy.errors import BackendFault
from proxy.model.finding import Hit
from proxy.model.level import Level, Outcome
from proxy.model.probe import Ran, Result
from proxy.observers import BackendMetrics, DialMetrics, LogMetrics, ScorerMetrics

OTHER = "other"

_FAST_S = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_SLOW_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_SCORES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_CHARS = (0, 1, 4, 16, 64, 256, 1024, 4096, 16384)

# Closed sets of words, so that their counters stand at 0 before anything happens: from nothing to 1 is no increase,
# and an alert on `increase(…) > 0` would miss the first time.
LOG_FAULTS = ("full", "locked", "readonly", "corrupt", "unusable", "stalled", "io", "bug")
UNSCANNED = ("media", "conversation", "unknown_path", "unknown_event", "backend_error", "unanswered")
_ACTORS = ("person", "rules", "tripwire")
_DELIVERIES = ("sent", "dropped", "timeout", "refused", "unreachable")
_SCORERS = ("ner", "detoxify")
_SCORER_FAULTS = ("crashed", "timeout", "full", "bad_output")


class Metrics:
    """The proxy's own registry. Methods are named for what happened, not for how it is counted."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(
        self, models: Iterable[str], backends: Iterable[str], alert_targets: Iterable[str] = ()
    ) -> None:
        self._models = frozenset(models)
        self._backends = frozenset(backends)
        self._rules: frozenset[str] = frozenset()
        registry = self._registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"guardrail_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"guardrail_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"guardrail_{name}", text, labels, buckets=buckets, registry=registry)

        self._exchanges = counter("exchanges", "Exchanges by how they ended", "api", "model", "outcome")
        self._rule_hits = counter("rule_hits", "Findings by rule", "rule", "direction", "action", "mode")
        self._score = histogram("score", "Highest score of a reply", _SCORES, "label", "model")
        self._stage = histogram("stage_seconds", "Time in one step of the pipeline", _FAST_S, "stage")
        self.overhead = histogram("overhead_seconds", "The proxy's own share of an exchange", _FAST_S)
        self._backend = histogram("backend_seconds", "Request sent to reply read", _SLOW_S, "backend")
        self._backend_state = gauge(
            "backend_state", "0 it is asked, 1 one call finds out, 2 it is not asked", "backend"
        )
        self._backend_failures = counter(
            "backend_failures", "Calls that a backend did not answer", "backend", "reason"
        )
        self._fallbacks = counter(
            "fallbacks", "Exchanges sent on to another version of their model", "model", "reason"
        )
        self._fallbacks_refused = counter(
            "fallbacks_refused", "Exchanges that were not sent on", "model", "reason"
        )
        self._first_byte = histogram(
            "time_to_first_byte_seconds", "Request read to first byte released", _SLOW_S, "model"
        )
        self.in_flight = gauge("in_flight", "Exchanges under way")
        self.held = histogram("held_characters", "The most text that a stream held back", _CHARS)
        self._unscanned = counter("unscanned_characters", "Text that no rule could read", "reason")
        self._dial_level = gauge("dial_level", "The level set at a scope, 0 open to 4 killed", "scope")
        self._dial_changes = counter("dial_changes", "Changes of the dial", "actor_kind", "level")
        self._restraints = gauge("restraints", "Blocks, limits and rollbacks that hold", "kind")
        self.dial_unstored = gauge("dial_unstored", "Changes of the dial that hold but are not stored yet")
        self._dial_dropped = counter("dial_dropped", "Changes of the dial that were never put on its trail")
        self._policy_info = gauge("policy_info", "The policy in force", "digest")
        self.policy_reload_success = gauge("policy_reload_success", "Whether the last reload was taken")
        self.policy_reload_time = gauge("policy_reload_timestamp_seconds", "When the policy was loaded")
        self.log_queue = gauge("log_queue", "Records waiting for the log's writer")
        self.log_commit = histogram("log_commit_seconds", "One group of records made durable", _FAST_S)
        self.log_records = counter("log_records", "Begin and end records written")
        self._log_failures = counter("log_failures", "Records that could not be written", "reason")
        self._log_removed = counter("log_removed", "Exchanges removed by retention or erasure", "why")
        self._scorer_queue = gauge("scorer_queue", "Questions that wait for a scorer process", "scorer")
        self._scorer_seconds = histogram("scorer_seconds", "One scoring", _FAST_S, "scorer")
        self._scorer_errors = counter("scorer_errors", "Scorings that failed", "scorer", "reason")
        self._scorer_info = gauge("scorer_info", "The engine behind a detector", "detector", "engine")
        self._uncarded = counter("uncarded_exchanges", "Exchanges of models without a card", "model")
        self._wire_state = gauge("tripwire_state", "0 ok, 1 pending, 2 firing, 3 cooling", "tripwire", "per")
        self._wire_value = gauge("tripwire_value", "What a tripwire's window says", "tripwire", "per")
        self._wire_limit = gauge("tripwire_threshold", "What is too much", "tripwire", "per")
        self._probes = counter("probe_runs", "Probes by how they went", "probe", "model", "result")
        self._probe_passed = gauge("probe_passed", "Whether a probe's last run passed", "probe", "model")
        self._probe_at = gauge("probe_timestamp_seconds", "When a probe last ran", "probe", "model")
        self._probe_gap = gauge(
            "probe_gap", "How far apart the answers for several groups lay", "probe", "model", "measure"
        )
        self._alerts = counter("alerts", "Deliveries of alerts by how they ended", "target", "outcome")
        self._alerts_waiting = gauge("alerts_waiting", "Alerts that are not delivered yet", "target")
        self._probed: set[tuple[str, str]] = set()
        self._counters: dict[tuple[str, ...], Counter] = {}
        self._histograms: dict[tuple[str, ...], Histogram] = {}
        self._from_zero(tuple(alert_targets))

    def _from_zero(self, alert_targets: tuple[str, ...]) -> None:
        levels = [level.word for level in Level]
        for counter, *labels in (
            (self._log_failures, LOG_FAULTS),
            (self._unscanned, UNSCANNED),
            (self._dial_changes, _ACTORS, levels),
            (self._backend_failures, sorted(self._backends), [str(fault) for fault in BackendFault]),
            (self._scorer_errors, _SCORERS, _SCORER_FAULTS),
            (self._uncarded, [*sorted(self._models), OTHER]),
            (self._alerts, alert_targets, _DELIVERIES),
            (self._alerts, ("unknown",), ("unknown_target",)),
        ):
            for values in product(*labels):
                counter.labels(*values)
        for target in alert_targets:
            self._alerts_waiting.labels(target).set(0)

    def render(self) -> bytes:
        """The Prometheus text of now."""
        return generate_latest(self._registry)

    def model_label(self, model: str | None) -> str:
        return model if model in self._models else OTHER

    def exchange(self, api: str, model: str, outcome: Outcome) -> None:
        self._count(("exchange", api, model, outcome), self._exchanges)

    def hits(self, hit: Hit, times: int) -> None:
        rule = hit.rule if hit.rule in self._rules else OTHER
        self._count(("hit", *hit._replace(rule=rule)), self._rule_hits, times)

    def score(self, label: str, model: str, value: float) -> None:
        self._observe(("score", label, model), self._score, value)

    def stage(self, stage: str, seconds: float) -> None:
        self._observe(("stage", stage), self._stage, seconds)

    def backend(self, backend: str, seconds: float) -> None:
        name = backend if backend in self._backends else OTHER
        self._observe(("backend", name), self._backend, seconds)

    def backend_observer(self) -> BackendMetrics:
        return BackendMetrics(self._backend_state, self._backend_failures)

    def fallback(self, model: str, reason: str) -> None:
        self._count(("fallback", model, reason), self._fallbacks)

    def fallback_refused(self, model: str, reason: str) -> None:
        self._count(("fallback_refused", model, reason), self._fallbacks_refused)

    def first_byte(self, model: str, seconds: float) -> None:
        self._observe(("first_byte", model), self._first_byte, seconds)

    def unscanned(self, reason: str, characters: int) -> None:
        self._count(("unscanned", reason), self._unscanned, characters)

    def policy(self, digest: str, rules: Iterable[str], loaded_at: float) -> None:
        """A policy came into force."""
        self._rules = frozenset(rules)
        self._policy_info.clear()
        self._policy_info.labels(digest).set(1)
        self.policy_reload_success.set(1)
        self.policy_reload_time.set(loaded_at)

    def policy_refused(self) -> None:
        self.policy_reload_success.set(0)

    def log_observer(self) -> LogMetrics:
        return LogMetrics(
            self.log_commit, self.log_records, self._log_failures, self.log_queue, self._log_removed
        )

    def dial_observer(self) -> DialMetrics:
        return DialMetrics(
            self._dial_level, self._dial_changes, self._restraints, self.dial_unstored, self._dial_dropped
        )

    def scorer_observer(self) -> ScorerMetrics:
        return ScorerMetrics(self._scorer_queue, self._scorer_seconds, self._scorer_errors)

    def tripwires(self, rows: Iterable[tuple[str, str, int, float | None, float | None]]) -> None:
        """Where all tripwires stand: id, group, state, value and threshold, each group once."""
        for metric in (self._wire_state, self._wire_value, self._wire_limit):
            metric.clear()
        for id, per, state, value, limit in rows:
            self._wire_state.labels(id, per).set(state)
            if value is not None:
                self._wire_value.labels(id, per).set(value)
            if limit is not None:
                self._wire_limit.labels(id, per).set(limit)

    def probes(self, known: Iterable[tuple[str, str]]) -> None:
        """These probes, each for a model, are in force and have not run yet: what stands of others goes."""
        keys = set(known)
        for key in self._probed - keys:
            for result in Result:
                self._probes.remove(*key, result.value)
                self._counters.pop(("probe", *key, result.value), None)
        for gauge in (self._probe_passed, self._probe_at, self._probe_gap):
            gauge.clear()
        for key in keys:
            for result in Result:
                self._probes.labels(*key, result.value)
        self._probed = keys

    def probe_ran(self, ran: Ran) -> None:
        """A probe was put to a model."""
        self._count(("probe", ran.probe, ran.model, ran.result.value), self._probes)
        self.probe_stands(ran)

    def probe_stands(self, ran: Ran) -> None:
        """The last run of a probe for a model."""
        key = (ran.probe, ran.model)
        self._probe_at.labels(*key).set(ran.at)
        if ran.result in (Result.PASSED, Result.FAILED):
            self._probe_passed.labels(*key).set(ran.result is Result.PASSED)
        for measure, gap in ran.gaps.items():
            self._probe_gap.labels(*key, measure).set(gap)

    def on_alert(self, target: str, outcome: str) -> None:
        self._count(("alert", target, outcome), self._alerts)

    def on_alerts_waiting(self, target: str, count: int) -> None:
        self._alerts_waiting.labels(target).set(count)

    def on_uncarded(self, model: str | None) -> None:
        self._count(("uncarded", self.model_label(model)), self._uncarded)

    def scorer_error(self, scorer: str, reason: str) -> None:
        self._count(("scorer_error", scorer, reason), self._scorer_errors)

    def _count(self, key: tuple[str, ...], counter: Counter, amount: float = 1) -> None:
        child = self._counters.get(key)
        if child is None:
            child = self._counters[key] = counter.labels(*key[1:])
        child.inc(amount)

    def scorers(self, engines: Iterable[tuple[str, str]]) -> None:
        """The detectors that score, each with its engine, of the policy in force."""
        self._scorer_info.clear()
        for detector, engine in engines:
            self._scorer_info.labels(detector, engine).set(1)

    def _observe(self, key: tuple[str, ...], histogram: Histogram, value: float) -> None:
        child = self._histograms.get(key)
        if child is None:
            child = self._histograms[key] = histogram.labels(*key[1:])
        child.observe(value)
