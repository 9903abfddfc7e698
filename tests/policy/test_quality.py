"""The shipped rules on the project's own held-out texts: counts that must not get worse.

The floors lie a little below what was measured (docs/rules.md), so that a rule may be reworded, not weakened.
"""

from __future__ import annotations

from benchmarks import quality_injection
from benchmarks.quality_data import count, samples, shipped_policy
from proxy.model.level import Direction

POLICY = shipped_policy()


def test_most_attacks_are_flagged_and_few_ordinary_requests() -> None:
    rules = quality_injection.RULES
    attacks = count(POLICY, Direction.INPUT, rules, samples("injection_attacks", "held"))
    benign = count(POLICY, Direction.INPUT, rules, samples("injection_benign", "held"))
    assert attacks.flagged >= 0.85 * attacks.texts
    assert benign.flagged <= 0.03 * benign.texts
    assert benign.blocked == 0
