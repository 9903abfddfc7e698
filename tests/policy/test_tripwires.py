"""The `tripwires` of rule files."""

from __future__ import annotations

import pytest

from proxy.detect.offers import Offers
from proxy.model.level import Level
from proxy.model.observation import Metric
from proxy.model.tripwire import (
    Alert,
    BlockCaller,
    LimitCaller,
    Margin,
    Per,
    RollBack,
    Stat,
    Tripwire,
    TurnDial,
)
from proxy.policy.compile import compile_policy
from tests.policy.folders import folder, problems

WHOLE = """\
tripwires:
  - id: toxicity-sustained
    metric: toxicity
    stat: p95
    per: model
    window: 15m
    above: 0.5
    min_samples: 30
    min_subjects: 5
    for: 10m
    keep_firing_for: 20m
    severity: critical
    then:
      - dial: {level: degraded, ttl: 1h}
      - rollback: {version: v1}
"""


def one(text: str) -> Tripwire:
    (tripwire,) = compile_policy(folder(f"tripwires: [{text}]\n")).tripwires
    return tripwire


def test_everything_that_can_be_said() -> None:
    (tripwire,) = compile_policy(folder(WHOLE)).tripwires
    assert tripwire == Tripwire(
        "toxicity-sustained", Metric.TOXICITY, Stat.P95, Per.MODEL, 900, 0.5, None, 30, 5, 600, 1200, "critical",
        (TurnDial(Level.DEGRADED, 3600), RollBack("v1", None)),
    )  # fmt: skip


def test_what_is_not_said_has_its_default() -> None:
    assert one("{id: a, metric: error_rate, above: 0.2}") == Tripwire(
        "a", Metric.ERROR_RATE, Stat.RATE, Per.GLOBAL, 900, 0.2
    )


@pytest.mark.parametrize(
    ("said", "least"), [("stat: sum", 1), ("stat: mean", 20), ("stat: sum, min_samples: 3", 3)]
)
def test_a_sum_says_all_with_one_sample_and_others_need_twenty(said: str, least: int) -> None:
    assert one(f"{{id: a, metric: tokens, {said}, above: 5}}").min_samples == least


def test_a_baseline_is_left_at_once_or_by_a_shift_that_adds_up() -> None:
    rest = "id: a, metric: tokens, stat: mean"
    sides = "above_baseline: {shift: 3}, below_baseline: {shift: 4, min_samples: 9}"
    both = one(f"{{{rest}, {sides}}}")
    assert (both.above_baseline, both.below_baseline) == (Margin(3, 200, True), Margin(4, 9, True))
    assert both.adds_up
    assert not one(f"{{{rest}, above_baseline: {{sigmas: 3}}}}").adds_up


def test_what_may_happen_to_a_caller() -> None:
    then = "[{alert: soc}, {block: {ttl: 2h}}, {limit: {rate: 5/minute, ttl: 30m}}, {block: {}}]"
    tripwire = one(f"{{id: a, metric: blocked_rate, per: user, above: 0.5, then: {then}}}")
    assert tripwire.then == (
        Alert("soc"),
        BlockCaller(7200),
        LimitCaller("5/minute", 1800),
        BlockCaller(None),
    )


def test_an_alert_that_would_reach_nobody_is_a_warning_with_its_place() -> None:
    """`check` prints it, and a load logs it; the policy is in force all the same."""
    files = folder(
        "tripwires: [{id: a, metric: error_rate, above: 0.5, then: [{alert: oncall}, {alert: onkall}]}]\n"
    )
    policy = compile_policy(files, None, Offers(alerts=frozenset({"oncall"})))
    assert [str(one) for one in policy.warnings] == [
        "rules/a.yaml:1:85: the settings have no alert target `onkall`, so nobody is told; `alerts` has: oncall"
    ]
    assert compile_policy(files).warnings == ()


BASE = "id: a, metric: error_rate, above: 0.2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{metric: tokens, stat: mean, above: 1}", "the key `id` is missing"),
        ("{id: a, metric: toxicty, above: 0.1}", "must be one of toxicity, sentiment, blocked_rate"),
        ("{id: a, metric: sentiment, stat: mean, below: -1}", "goes from -1 to 1: nothing is below -1"),
        ("{id: a, metric: external, stat: mean, above: 1}", "`external` needs the `name` of its series"),
        ("{id: a, metric: external, name: x, stat: mean, above: 1, per: user}", "about a model, an app or all"),
        ("{id: a, metric: external, name: x, stat: mean, above: 1, min_subjects: 2}", "has no subjects"),
        (f"{{{BASE}, name: x}}", "only `external` series have a name"),
        ("{id: a, metric: error_rate}", "says neither `above` nor `below`, nor a baseline"),
        (f"{{{BASE}, above_baseline: {{sigmas: 4}}}}", "stands beside `above`: use two tripwires"),
        (f"{{{BASE}, per: user, below_baseline: {{sigmas: 4}}}}", "needs `per` global, model or app"),
        ("{id: a, metric: error_rate, above_baseline: {}}", "says either `sigmas` or `shift`"),
        ("{id: a, metric: error_rate, above_baseline: {sigmas: 3, shift: 3}}", "says either `sigmas` or `shift`"),
        ("{id: a, metric: error_rate, above_baseline: {shift: 1}}", "must be greater than or equal to 2, not 1"),
        (f"{{{BASE}, below_baseline: {{shift: 3}}}}", "a `shift` is looked for on every side, or on none"),
        (f"{{{BASE}, window: 2h, below_baseline: {{sigmas: 4}}}}", "is at most 1h beside a baseline"),
        (f"{{{BASE}, below_baseline: {{sigmas: 0}}}}", "must be greater than or equal to 1, not 0"),
        ("{id: a, metric: tokens, stat: sum, below: 1}", "a sum is watched from above"),
        ("{id: a, metric: tokens, above: 1}", "`tokens` needs a `stat`: mean, p50, p95, max or sum"),
        (f"{{{BASE}, stat: p95}}", "`error_rate` is a share of exchanges: its stat is `rate`"),
        ("{id: a, metric: tokens, stat: rate, above: 1}", "`tokens` is no share of exchanges"),
        ("{id: a, metric: error_rate, above: 1.5}", "goes from 0 to 1: nothing is above 1.5"),
        ("{id: a, metric: pii_rate, below: 0}", "goes from 0 to 1: nothing is below 0"),
        ("{id: a, metric: tokens, stat: mean, above: 1, below: 2}", "must be less than `above`, which is 1"),
        (f"{{{BASE}, window: 30s}}", "is from 1m to 1d"),
        (f"{{{BASE}, window: 15}}", "must be text"),
        (f"{{{BASE}, window: 15 minutes}}", "is a whole number and s, m, h or d, as `15m`"),
        (f"{{{BASE}, keep_firing_for: 5h}}", "is from 0s to 4h"),
        (f"{{{BASE}, for_: 5m}}", "unknown key `for_`; did you mean `for`?"),
        (f"{{{BASE}, min_samples: 0}}", "must be greater than or equal to 1, not 0"),
        (f"{{{BASE}, per: user, min_subjects: 2}}", "with `per: user` every group is one subject"),
        (f"{{{BASE}, per: user, then: [{{dial: {{level: killed}}}}]}}", "a user has no dial: use block or limit"),
        (f"{{{BASE}, then: [{{dial: {{level: open}}}}]}}", "must be one of degraded, restricted, killed"),
        (f"{{{BASE}, then: [{{block: {{}}}}]}}", "needs `per: user`"),
        (f"{{{BASE}, then: [{{rollback: {{version: v1}}}}]}}", "needs `per: model`"),
        (f"{{{BASE}, per: user, then: [{{limit: {{rate: fast}}}}]}}", "a rate is a number and second"),
        (f"{{{BASE}, then: [{{}}]}}", "is one of alert, dial, block, limit, rollback"),
        (f"{{{BASE}, then: [{{dial: {{level: killed, ttl: 0s}}}}]}}", "is from 1s to 366d"),
        (f"{{{BASE}}}, {{{BASE}}}", "the tripwire id `a` stands twice; also in rules/a.yaml:1:18"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_meant(text: str, expected: str) -> None:
    found = problems(f"tripwires: [{text}]\n")
    assert len(found) == 1, found
    assert expected in found[0]
    assert found[0].startswith("a.yaml:1:")
