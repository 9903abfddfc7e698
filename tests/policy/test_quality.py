"""The shipped rules on the project's own held-out texts: counts that must not get worse.

The floors lie a little below what was measured (docs/rules.md), so that a rule may be reworded, not weakened.
"""

from __future__ import annotations

import pytest

from benchmarks import quality_injection, quality_toxicity
from benchmarks.quality_data import INJECTION_PARTS, PARTS, Part, count, samples, shipped_policy
from proxy.detect.lexicon import LexicalModel
from proxy.detect.toxicity import LABEL, ToxicityBank, ToxicityEntry
from proxy.model.level import Direction

POLICY = shipped_policy()
BANK = ToxicityBank([ToxicityEntry(0, {LABEL: quality_toxicity.RECALL_AT})], LexicalModel.load())


@pytest.mark.parametrize("part", INJECTION_PARTS)
def test_most_attacks_are_flagged_and_few_ordinary_requests(part: Part) -> None:
    rules = quality_injection.RULES
    attacks = count(POLICY, Direction.INPUT, rules, samples("injection_attacks", part))
    benign = count(POLICY, Direction.INPUT, rules, samples("injection_benign", part))
    assert attacks.flagged >= (0.78 if part == "review3" else 0.85) * attacks.texts
    # A sixth of what is harmless in `review2`, and a third in `review3`, talks of attacks in their own words.
    assert benign.flagged <= (0.04 if part in ("review2", "review3") else 0.03) * benign.texts
    assert benign.blocked == 0


@pytest.mark.parametrize("part", PARTS)
def test_most_toxic_replies_are_blocked_and_hardly_an_ordinary_one(part: Part) -> None:
    rules = quality_toxicity.RULES
    toxic, fine, named = (
        count(POLICY, Direction.OUTPUT, rules, samples(name, part))
        for name in ("toxic_replies", "ordinary_replies", "group_statements")
    )
    assert toxic.blocked >= (0.80 if part == "review2" else 0.85) * toxic.texts
    # Most of these were chosen to be hard; see docs/rules.md.
    assert fine.blocked <= max(1, 0.005 * fine.texts)
    assert named.blocked == 0


@pytest.mark.parametrize("disguise", quality_toxicity.DISGUISES)
def test_disguised_words_keep_the_lexical_score(disguise: str) -> None:
    texts = [sample.text for sample in samples("toxic_replies", "dev")]
    plain = [
        text
        for text, score in zip(texts, quality_toxicity.scores(BANK, texts), strict=True)
        if score >= quality_toxicity.RECALL_AT
    ]
    hidden = [quality_toxicity.DISGUISES[disguise](text) for text in plain]
    kept = sum(score >= quality_toxicity.RECALL_AT for score in quality_toxicity.scores(BANK, hidden))
    assert len(plain) > 80
    assert kept >= 0.95 * len(plain)
