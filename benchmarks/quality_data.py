"""The project's own texts for measuring what the shipped rules find and what they leave alone.

Plain UTF-8 files under `benchmarks/data`: one text a line, `\\n` for a line's end within it. A line `== word`
names the kind of the texts below it. Each set has these parts: misses of `dev` are looked at, `held` is counted
only; `review` is what another wrote to find fault with the rules, half of it with their patterns at hand, and
`review2` what one wrote who had not read the rules, as hard as a stranger would have it (requests that talk of
attacks, replies with rude words that are none). `review3` is of attacks only: look-alikes of the hardest kind and
attacks, written before the rules were read and counted only; but its author knew it, and wrote texts of `dev` by
the kinds of it that were missed. No text of a public collection is among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from proxy.model.level import Action, Direction, Level
from proxy.policy.cases import judge_text
from proxy.policy.compile import Policy, compile_policy
from proxy.policy.match import Selection
from proxy.policy.reading import read_folder

_TOP: Final = Path(__file__).resolve().parent
DATA: Final = _TOP / "data"
RULES: Final = _TOP.parent / "rules"
SELECTION: Final = Selection(Level.GUARDED, frozenset(), None)

Part = Literal["dev", "held", "review", "review2", "review3"]
PARTS: Final[tuple[Part, ...]] = ("dev", "held", "review", "review2")
INJECTION_PARTS: Final[tuple[Part, ...]] = (*PARTS, "review3")


@dataclass(frozen=True, slots=True)
class Sample:
    """One text of a set."""

    kind: str
    text: str


def samples(name: str, part: Part) -> tuple[Sample, ...]:
    """The texts of one part of a set, in the file's order."""
    return tuple(_samples(DATA / f"{name}_{part}.txt"))


def _samples(path: Path) -> Iterator[Sample]:
    kind = ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("== "):
            kind = line[3:]
        elif line:
            yield Sample(kind, line.replace("\\n", "\n"))


def shipped_policy() -> Policy:
    """The policy of the shipped rules."""
    return compile_policy(read_folder(RULES))


@dataclass(frozen=True, slots=True)
class Counted:
    """How many texts of a set rules flagged (or did more with), and how many they blocked."""

    texts: int
    flagged: int
    blocked: int
    missed: tuple[Sample, ...]  # not flagged
    hit: tuple[Sample, ...]  # flagged

    @property
    def kinds(self) -> Mapping[str, tuple[int, int]]:
        """Kind → flagged, texts."""
        every = Counter(sample.kind for sample in (*self.hit, *self.missed))
        found = Counter(sample.kind for sample in self.hit)
        return {kind: (found[kind], total) for kind, total in every.items()}


def count(
    policy: Policy, direction: Direction, prefixes: tuple[str, ...], texts: Iterable[Sample]
) -> Counted:
    """Judges each text, whole and at the default level, by the rules whose ids begin with one of the prefixes."""
    hit: list[Sample] = []
    missed: list[Sample] = []
    blocked = 0
    for sample in texts:
        found = judge_text(policy, direction, SELECTION, sample.text).findings
        actions = {finding.action for finding in found if finding.rule.startswith(prefixes)}
        (hit if actions else missed).append(sample)
        blocked += Action.BLOCK in actions
    return Counted(len(hit) + len(missed), len(hit), blocked, tuple(missed), tuple(hit))


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The area under the ROC curve: how often a positive scores above a negative, ties counting half."""
    above = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return above / (len(positive) * len(negative))


def share(hits: int, of: int) -> str:
    """A count and what it comes to."""
    return f"{hits}/{of} = {hits / of:.1%}"
