"""`python -m benchmarks.per_text`: what judging one text costs under the shipped rules, as `scan` judges it.

The texts are those of the quality sets that are held out. CPU of this process, the best of a few runs of each text:
the rest is what else the machine did. No text is remembered from run to run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random
from statistics import median, quantiles
from typing import Final

from benchmarks.quality_data import SELECTION, samples, shipped_policy
from benchmarks.quality_pii import SEEDS, lookalikes, planted
from benchmarks.quality_secrets import samples as secrets
from proxy.detect.base import Context
from proxy.model.level import Direction
from proxy.policy.cases import judge_text
from proxy.policy.compile import Policy

RUNS: Final = 3
DRAWN: Final = 300
"""Texts of a kind that are drawn, where a set is made and not written."""


def sets() -> Iterator[tuple[str, Direction, list[str]]]:
    for name in ("injection_attacks", "injection_benign"):
        yield name, Direction.INPUT, [sample.text for sample in samples(name, "held")]
    for name in ("ordinary_replies", "toxic_replies", "group_statements", "refusals"):
        yield name, Direction.OUTPUT, [sample.text for sample in samples(name, "held")]
    seed = SEEDS["held-out"]
    for name, made in (("planted", planted), ("lookalikes", lookalikes)):
        yield f"personal data, {name}", Direction.OUTPUT, [one.text for one in made(seed, DRAWN, True)]
    credentials = [text for _, (text, _) in secrets(Random(seed), 1, True)]
    yield "credentials", Direction.OUTPUT, credentials


def cost_us(policy: Policy, direction: Direction, text: str) -> float:
    context = Context(messages=1, characters=len(text))
    best = float("inf")
    for _ in range(RUNS):
        begun = time.process_time_ns()
        judge_text(policy, direction, SELECTION, text, context)
        best = min(best, time.process_time_ns() - begun)
    return best / 1e3


def main() -> None:
    policy = shipped_policy()
    print(f"{'set':28}{'texts':>7}{'characters':>12}{'median µs':>11}{'95 % µs':>9}{'most µs':>9}")
    everything: list[tuple[int, float]] = []
    for name, direction, texts in sets():
        costs = [(len(text), cost_us(policy, direction, text)) for text in texts]
        everything += costs
        print(_row(name, costs))
    print(_row("all", everything))


def _row(name: str, costs: list[tuple[int, float]]) -> str:
    taken = [cost for _, cost in costs]
    chars = median(length for length, _ in costs)
    return (
        f"{name:28}{len(costs):7}{chars:12.0f}{median(taken):11.0f}"
        f"{quantiles(taken, n=20)[-1]:9.0f}{max(taken):9.0f}"
    )


if __name__ == "__main__":
    main()
