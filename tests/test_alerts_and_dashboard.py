"""Dashboard and alerts name metrics and labels that there are, and Prometheus's own tools accept them."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Final

import pytest
from prometheus_client.metrics import MetricWrapperBase
from ruamel.yaml import YAML

from proxy.log.fault import _REASONS, reason_of
from proxy.metrics import LOG_FAULTS, OTHER, Metrics
from tests.queries import DASHBOARD, PROMETHEUS, alerts, compared, dashboard_queries, debians

_OF_PROMETHEUS: Final = frozenset({"job", "instance", "le"})
QUERIES: Final = (*(query for query, _ in dashboard_queries()), *(query for _, query in alerts()))
VARIABLES: Final = tuple(
    one["definition"]
    for one in json.loads(DASHBOARD.read_text())["templating"]["list"]
    if "definition" in one
)


def series() -> dict[str, frozenset[str]]:
    """Every name under which a metric is scraped, with its labels."""
    names: dict[str, frozenset[str]] = {}
    registry = Metrics((), ())._registry
    for name, collector in registry._names_to_collectors.items():
        assert isinstance(collector, MetricWrapperBase)
        names[name] = frozenset(collector._labelnames)
    return names


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


@pytest.mark.parametrize("query", [*QUERIES, *VARIABLES])
def test_a_query_asks_for_metrics_and_labels_that_there_are(query: str) -> None:
    known = series()
    used = re.findall(r"(guardrail_\w+)(?:\{([^}]*)\})?", query)
    assert used or "up{" in query
    labels: set[str] = set(_OF_PROMETHEUS)
    for name, matchers in used:
        assert name in known, f"no metric {name}"
        labels |= known[name]
        asked = {re.split(r"[=!]", matcher)[0] for matcher in words(matchers)}
        assert asked <= known[name] | _OF_PROMETHEUS, f"{name} has no label {asked - known[name]}"
    for group in re.findall(r"\bby \(([^)]*)\)", query):
        assert set(words(group)) <= labels, f"none of these has {set(words(group)) - labels}"


@pytest.mark.parametrize(("query", "legend"), dashboard_queries())
def test_a_legend_names_what_its_query_keeps(query: str, legend: str) -> None:
    kept = {word for group in re.findall(r"\bby \(([^)]*)\)", query) for word in words(group)}
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= kept


def test_an_alert_says_what_its_query_keeps() -> None:
    file = YAML(typ="safe").load(PROMETHEUS / "alerts.yaml")
    for rule in file["groups"][0]["rules"]:
        used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        kept = {word for group in re.findall(r"\bby \(([^)]*)\)", rule["expr"]) for word in words(group)}
        assert used <= kept | {"instance"}, rule["alert"]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not own & cells, panel["title"]
        assert all(x < 24 for x, _ in own), panel["title"]
        cells |= own


def test_what_has_not_happened_yet_is_counted_as_nothing() -> None:
    metrics = Metrics(("bot",), ("main",), ("oncall",))
    before = metrics.render().decode()
    metrics.log_observer().on_failure("full")
    metrics.on_alert("oncall", "timeout")
    metrics.on_uncarded("bot")
    metrics.unscanned("media", 7)
    changed = set(metrics.render().decode().splitlines()) - set(before.splitlines())
    counted = [line for line in changed if "_created" not in line]
    assert sorted(counted) == [
        'guardrail_alerts_total{outcome="timeout",target="oncall"} 1.0',
        'guardrail_log_failures_total{reason="full"} 1.0',
        'guardrail_uncarded_exchanges_total{model="bot"} 1.0',
        'guardrail_unscanned_characters_total{reason="media"} 7.0',
    ]
    for line in counted:
        assert f"{line.rpartition(' ')[0]} 0.0" in before
    assert f'guardrail_uncarded_exchanges_total{{model="{OTHER}"}} 0.0' in before


def test_every_way_in_which_the_log_fails_is_counted_from_nothing() -> None:
    told = {reason for _, reason in _REASONS} | {reason_of(OSError()), reason_of(PermissionError())}
    assert told | {reason_of(ValueError())} <= set(LOG_FAULTS)


def test_comparisons_tell_of_what_they_compare() -> None:
    assert compared('sum by (le) (a{b="1"}) / c >= 2') == 'sum by (le) (a{b="1"}) / c >= bool 2'
    assert compared("a == bool 1") == "a == bool 1"


def test_prometheus_accepts_the_settings_and_the_alerts_and_they_do_what_their_tests_say() -> None:
    promtool = str(debians("promtool"))
    for command in (("check", "config", "prometheus.yaml"), ("test", "rules", "alerts.test.yaml")):
        done = subprocess.run(
            (promtool, *command), cwd=PROMETHEUS, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout


def test_every_alert_has_been_seen_to_fire() -> None:
    file = YAML(typ="safe").load(PROMETHEUS / "alerts.test.yaml")
    asked = {one["expr"]: one["exp_samples"][0]["value"] for one in file["tests"][1]["promql_expr_test"]}
    seen_before = 1  # GuardrailLogFailing, which is over by then
    assert asked['count(ALERTS{alertstate="firing"})'] == len(alerts()) - seen_before
