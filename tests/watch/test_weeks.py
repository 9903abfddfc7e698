"""Weeks of simulated traffic; `python -m benchmarks.watch_weeks` runs two hundred of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from benchmarks.watch_weeks import EVERY_S, SHIPPED, Kind, Week, weeks

WEEKS: Final[tuple[Kind, ...]] = ("normal", "3 sigma")


@pytest.mark.parametrize(
    ("seeds", "every_s"),
    [(range(1), 60.0), pytest.param(range(20), EVERY_S, marks=pytest.mark.soak)],
    ids=["short", "long"],
)
def test_a_normal_week_is_quiet_and_a_shift_is_seen_within_half_an_hour(seeds: range, every_s: float) -> None:
    (wire,) = (one for one in SHIPPED if one.id == "model-answers-otherwise")
    if every_s > EVERY_S:
        wire = replace(wire, min_samples=2, min_subjects=2)
    told: dict[str, list[Week]] = {}
    for seed in seeds:
        for kind, week in weeks(seed, (wire,), every_s, WEEKS):
            told.setdefault(kind, []).append(week)
    assert sum(one.false[wire.id] for one in told["normal"]) <= len(told["normal"])
    late = 0
    for one in told["3 sigma"]:
        after = one.noticed_s[wire.id]
        assert after is not None
        late += after > 1800
    assert late <= len(seeds) * 0.05
