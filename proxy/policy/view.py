"""How what banks match in one text becomes findings, seen through the rules of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.detect.base import Bank, Context, ScorerFailed
from proxy.model.finding import Finding
from proxy.model.level import Action, Direction, Level
from proxy.policy.memory import Recall
from proxy.policy.rule import Rule

ERROR_LABEL = "error"
"""The label of a finding that stands for a detector which failed."""


class Ruled(Protocol):
    """What a lane knows of the plan that it serves."""

    @property
    def direction(self) -> Direction: ...

    @property
    def level(self) -> Level: ...

    @property
    def active(self) -> Mapping[int, Rule]: ...

    @property
    def scaled(self) -> bool: ...


@dataclass(frozen=True, slots=True, order=True)
class Pending:
    """A match waiting for its turn: by start, longest first, then in the order of the rules."""

    start: int
    negative_length: int
    rule: int
    detector: str
    negative_score: float
    label: str
    cut: bool
    scaled: bool = False  # it met the scaled threshold of its rule, not (or not only) the rule's own

    @property
    def end(self) -> int:
        return self.start - self.negative_length


@dataclass(slots=True)
class View:
    """How one text's matches become findings; what its lanes share. (They hold no judge: a cycle would keep
    every text's scans until the collector comes by.)"""

    plan: Ruled
    field: str
    context: Context
    recall: Recall | None
    errors: list[tuple[str, str]]
    scores: dict[str, float]  # the highest of what banks scored that read no more

    def scored(self, scores: Mapping[str, float]) -> None:
        """A bank reads no more: what it scored."""
        for label, score in scores.items():
            self.scores[label] = max(score, self.scores.get(label, score))

    def finding(self, detector: str, match: Pending) -> Finding:
        """A match seen through its rule."""
        rule = self.plan.active[match.rule]
        action = rule.action_at(self.plan.level)
        if match.cut and rule.on_error is Action.BLOCK and self.plan.level is not Level.OPEN:
            action = Action.BLOCK
        return Finding(
            rule=rule.id,
            detector=detector,
            label=match.label,
            score=-match.negative_score,
            action=action,
            direction=self.plan.direction,
            field=self.field,
            start=match.start,
            end=match.end,
            mode=rule.mode,
            message=rule.message,
            severity=rule.severity,
            unlogged=rule.unlogged,
        )

    def failed(self, bank: Bank, error: Exception) -> list[int]:
        """Notes a detector's failure; gives the active rules whose `on_error` is to block."""
        # The error's own words could repeat the text that was judged, so only its kind is kept.
        kind = error.reason if isinstance(error, ScorerFailed) else type(error).__name__
        hit = sorted(index for index in bank.rules if index in self.plan.active)
        self.errors.extend((self.plan.active[index].id, f"{bank.detector}: {kind}") for index in hit)
        return [index for index in hit if self.plan.active[index].on_error is Action.BLOCK]
