"""How the judges of one text are opened, and what a stricter plan makes of what they told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from proxy.model.finding import Finding
from proxy.model.level import Action
from proxy.policy.match import Judge, Plan
from proxy.policy.view import ERROR_LABEL

NewJudge: TypeAlias = Callable[[str | None], Judge]
"""Opens a judge; it is told the text where all of it is there already."""


def ordered(found: list[Finding], end: int) -> list[Finding]:
    """The findings that end by then, by start."""
    # A bank that fails over a text and over its seam fails twice at one place.
    kept = dict.fromkeys(finding for finding in found if finding.end <= end)
    return sorted(kept, key=lambda finding: (finding.start, -finding.end))


def under(judge: NewJudge, plan: Plan) -> NewJudge:
    """Judges under a stricter plan of the same policy."""

    def stricter(whole: str | None) -> Judge:
        opened = judge(whole)
        opened.tighten(plan)
        return opened

    return stricter


def restated(found: list[Finding], plan: Plan, released: int, *, editable: bool) -> Iterator[Finding]:
    """The findings, not all of which have gone out, that a stricter plan tells otherwise; so they stand in `found`.
    In a text that is not `editable` any more they block."""
    for place, finding in enumerate(found):
        if finding.end > released and (told := plan.stricter(finding)) is not None:
            found[place] = told if editable else replace(told, action=Action.BLOCK)
            yield found[place]


def spared(finding: Finding, gone: int) -> Finding:
    """A finding that had gone out whole when its text's plan became stricter: it is told, and nothing is done."""
    whole = finding.start < finding.end <= gone and finding.label != ERROR_LABEL
    return replace(finding, action=Action.FLAG) if whole else finding


def highest(scores: Mapping[str, float], others: Mapping[str, float]) -> dict[str, float]:
    """The higher of two scores per label."""
    out = dict(scores)
    for label, score in others.items():
        if score > out.get(label, 0.0):
            out[label] = score
    return out
