"""Detectors of a few lines each, and what a judge makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from proxy.detect.base import Context, InlineScan, Progress, Scan
from proxy.model.finding import Finding, Match
from proxy.model.level import Action, Direction, Level
from proxy.policy.match import Judge, Selection, plan
from proxy.policy.rule import Regex, Rule

ANY = Selection(Level.GUARDED, frozenset(), None)


@dataclass
class WordScan(InlineScan):
    """Finds words; holds back what could still be the beginning of the longest."""

    words: tuple[tuple[int, str], ...]
    fails_at: int | None
    cut: bool
    text: str = ""
    told: int = 0

    @property
    def scores(self) -> Mapping[str, float]:
        return {"length": float(len(self.text))}

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        self.text += piece
        if self.fails_at is not None and len(self.text) > self.fails_at:
            raise RuntimeError("the text was: " + self.text)
        longest = max(len(word) for _, word in self.words)
        safe = len(self.text) if final else max(self.told, len(self.text) - longest + 1)
        found = [
            Match(rule, "word", 1.0, at, at + len(word), cut=self.cut)
            for at in range(self.told, safe)
            for rule, word in self.words
            if self.text.startswith(word, at)
        ]
        self.told = safe
        return Progress(tuple(found), safe)


@dataclass(frozen=True)
class WordBank:
    words: tuple[tuple[int, str], ...]
    detector: str = "phrases"
    reads_context: bool = False
    fails_at: int | None = None
    fails_to_open: bool = False
    cut: bool = False
    rules: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", frozenset(rule for rule, _ in self.words))

    def open(self, context: Context) -> Scan:
        if self.fails_to_open:
            raise RuntimeError("no scan today")
        return WordScan(self.words, self.fails_at, self.cut)


def rule(id: str = "a", action: Action = Action.BLOCK, **changes: object) -> Rule:
    return replace(Rule(id, Direction.OUTPUT, (Regex(()),), action), **changes)  # type: ignore[arg-type]


def judge(rules: tuple[Rule, ...], *banks: WordBank, selection: Selection = ANY) -> Judge:
    return Judge(plan(rules, banks, Direction.OUTPUT, selection), "f")


def whole(rules: tuple[Rule, ...], *banks: WordBank, text: str, selection: Selection = ANY) -> list[Finding]:
    return list(judge(rules, *banks, selection=selection).feed(text, final=True).findings)


def ranges(findings: list[Finding]) -> list[tuple[str, int, int]]:
    return [(finding.rule, finding.start, finding.end) for finding in findings]
