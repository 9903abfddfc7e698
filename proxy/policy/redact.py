"""What findings do to a text: its verdict, and the placeholders that stand for what was redacted."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.model.finding import Finding
from proxy.model.level import Action, Mode
from proxy.model.text import Edit, Replacement


def placeholder(label: str) -> str:
    """What stands in place of redacted text: `<EMAIL_ADDRESS>`."""
    return f"<{label.upper()}>"


def merge(findings: Iterable[Finding], covered: int = 0) -> tuple[Replacement, ...]:
    """The replacements for the redactions among `findings`, which come by start.

    Overlapping redactions become one, with the placeholder of the first. A text can be merged as its findings
    come: `covered` is the end of the last replacement made before, and what a finding adds to that one is a
    replacement by nothing. The joined result does not depend on how the findings were split.
    """
    out: list[Replacement] = []
    for finding in findings:
        if not finding.acts or finding.action is not Action.REDACT:
            continue
        if finding.start >= covered:
            out.append(Replacement(finding.start, finding.end, placeholder(finding.label)))
        elif finding.end <= covered:
            continue
        elif out:
            out[-1] = Replacement(out[-1].start, finding.end, out[-1].text)
        else:
            out.append(Replacement(covered, finding.end, ""))
        covered = max(covered, finding.end)
    return tuple(out)


def first_block(findings: Iterable[Finding]) -> Finding | None:
    """The finding that blocks the text: of those that block, the first."""
    return next((finding for finding in findings if finding.acts and finding.action is Action.BLOCK), None)


def verdict(findings: Iterable[Finding]) -> str:
    """allow | flag | redact | block: the strictest that holds. A shadow rule's findings count for nothing."""
    words = {finding.action for finding in findings if finding.mode is Mode.ENFORCE}
    for action in (Action.BLOCK, Action.REDACT, Action.FLAG):
        if action in words:
            return action.value
    return "allow"


def apply(text: str, findings: tuple[Finding, ...]) -> str:
    """The text as its reader gets it: redacted, or the message of the rule that blocks it."""
    block = first_block(findings)
    if block is not None:
        return block.message
    return Edit(merge(findings)).apply(text)
