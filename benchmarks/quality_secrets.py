"""How well the shipped rules find and remove credentials, and how often they take something else for one.

Run: python -m benchmarks.quality_secrets [--seed N] [--count N] [--show N]

Found: a finding overlaps the credential. Removed: after the shipped rules no six characters of it in a row are left
in a reply. Credentials and look-alikes are made, not taken from anywhere; contexts marked as held out were never
looked at while the detector was made better.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.secrets.innocent import AROUND, innocent
from benchmarks.secrets.kinds import BY_NAME, fill, formatted, password
from benchmarks.secrets.places import (
    ANYWHERE,
    ANYWHERE_HELD_OUT,
    NAMED,
    NAMED_HELD_OUT,
    PLACES,
    SAID,
    SAID_HELD_OUT,
    Sample,
)
from proxy.model.level import Direction, Level
from proxy.policy.cases import judge_text
from proxy.policy.compile import Policy, compile_policy
from proxy.policy.match import Selection
from proxy.policy.reading import read_folder

LEFT_CHARS: Final = 6
_GUARDED: Final = Selection(Level.GUARDED, frozenset(), None)


def _named(context: str, name: str, value: str) -> str:
    context = context.replace("{N}", name.upper()).replace("{n}", name)
    return context.format(value)


def samples(rng: Random, count: int, held_out: bool) -> Iterator[tuple[str, Sample]]:
    """Group and kind, and a text with its credential."""
    anywhere, named, said = (
        (ANYWHERE_HELD_OUT, NAMED_HELD_OUT, SAID_HELD_OUT) if held_out else (ANYWHERE, NAMED, SAID)
    )
    for kind, make in formatted().items():
        for _ in range(count):
            value = make(rng)
            yield f"formatted/{kind}", (rng.choice(anywhere).format(value), value)
    for kind, (name, template) in BY_NAME.items():
        for _ in range(count):
            value = fill(template, rng)
            yield f"named/{kind}", (_named(rng.choice(named), name, value), value)
    for context in said:
        for _ in range(count):
            value = password(rng)
            yield f"password/{context!r}", (context.format(value), value)
    for kind, place in PLACES.items():
        for _ in range(count):
            yield f"place/{kind}", place(rng)


def left_over(judged: str, text: str, value: str) -> bool:
    """Whether so many characters of the credential are left in a row, other than where they stand beside it."""
    beside = text.replace(value, "\0")
    parts = (value[at : at + LEFT_CHARS] for at in range(max(1, len(value) - LEFT_CHARS + 1)))
    return any(part in judged and part not in beside for part in parts)


class Tally:
    """Hits of all, by kind."""

    def __init__(self) -> None:
        self.all: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.removed: Counter[str] = Counter()
        self.missed: dict[str, list[str]] = defaultdict(list)

    def add(self, policy: Policy, kind: str, sample: Sample) -> None:
        text, value = sample
        judged = judge_text(policy, Direction.OUTPUT, _GUARDED, text)
        at = text.index(value)
        spans = [(one.start, one.end) for one in judged.findings if one.detector == "secrets"]
        found = any(start < at + len(value) and at < end for start, end in spans)
        removed = found and not left_over(judged.text, text, value)
        self.all[kind] += 1
        self.found[kind] += found
        self.removed[kind] += removed
        if not removed:
            self.missed[kind].append(f"{text!r} -> {judged.text!r}" if found else repr(text))

    def report(self, show: int) -> None:
        groups = sorted({kind.split("/")[0] for kind in self.all})
        for group in groups:
            kinds = [kind for kind in self.all if kind.split("/")[0] == group]
            total = sum(self.all[kind] for kind in kinds)
            found, removed = (
                sum(self.found[kind] for kind in kinds),
                sum(self.removed[kind] for kind in kinds),
            )
            print(
                f"  {group:<12}{len(kinds):>4} kinds {found / total:8.1%} found {removed / total:8.1%} removed"
            )
        for kind in self.all:
            if self.removed[kind] < self.all[kind]:
                print(
                    f"    {kind}: found {self.found[kind]}, removed {self.removed[kind]} of {self.all[kind]}"
                )
                for text in self.missed[kind][:show]:
                    print(f"        {text[:400]}")
        total = self.all.total()
        print(
            f"  all {total}: found {self.found.total() / total:.2%}, removed {self.removed.total() / total:.2%}"
        )


def false_alarms(policy: Policy, rng: Random, count: int, show: int) -> None:
    """Prints the share of look-alikes in which the secrets rules find anything, by class."""
    wrong = every = 0
    makers: dict[str, Callable[[Random], str]] = dict(innocent())
    for name, make in makers.items():
        alarms = []
        for _ in range(count * 5):
            text = rng.choice(AROUND).replace("{}", make(rng))
            judged = judge_text(policy, Direction.OUTPUT, _GUARDED, text)
            hits = [one for one in judged.findings if one.detector == "secrets"]
            if hits:
                alarms.append((hits[0].label, text))
        wrong += len(alarms)
        every += count * 5
        if alarms:
            print(f"    {name}: {len(alarms)} of {count * 5}")
            for label, text in alarms[:show]:
                print(f"        {label}: {text[:200]!r}")
    print(f"  false alarms: {wrong / every:.2%} of {every}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=20_000)
    parser.add_argument("--count", type=int, default=20, help="credentials of each kind")
    parser.add_argument("--show", type=int, default=0, help="misses to show of each kind")
    chosen = parser.parse_args()
    policy = compile_policy(read_folder(Path(__file__).resolve().parents[1] / "rules"))
    for held_out in (False, True):
        rng = Random(chosen.seed + held_out)
        print("contexts held out" if held_out else "contexts", f"(seed {chosen.seed + held_out})")
        tally = Tally()
        for kind, sample in samples(rng, chosen.count, held_out):
            tally.add(policy, kind, sample)
        tally.report(chosen.show)
    print("look-alikes")
    false_alarms(policy, Random(chosen.seed + 2), chosen.count, chosen.show)


if __name__ == "__main__":
    main()
