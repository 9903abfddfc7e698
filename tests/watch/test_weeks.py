"""Weeks of simulated traffic; `python -m benchmarks.watch_weeks` runs two hundred of them."""

from __future__ import annotations

import pytest

from benchmarks.watch_weeks import SIGMA, Week, learning, sigma, weeks


@pytest.mark.parametrize(
    "seeds", [range(1), pytest.param(range(20), marks=pytest.mark.soak)], ids=["short", "long"]
)
def test_a_normal_week_is_quiet_and_a_shift_is_seen_within_half_an_hour(seeds: range) -> None:
    wire = learning(2.5)
    told: dict[str, list[Week]] = {}
    for seed in seeds:
        for kind, week in weeks(seed, (wire,)):
            told.setdefault(kind, []).append(week)
    assert sum(one.false[wire.id] for one in told["normal"]) <= len(told["normal"])
    for one in told["3 sigma of five minutes"]:
        after = one.noticed_s[wire.id]
        assert after is not None
        assert after <= 1800
    for kind in ("3 sigma", "drift of 2 sigma a day"):
        assert all(one.noticed_s[wire.id] is not None for one in told[kind]), kind
    assert abs(sigma(0) - SIGMA) < 2
