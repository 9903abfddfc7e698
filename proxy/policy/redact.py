"""What findings do to a text: its verdict, and the placeholders that stand for what was redacted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.model.finding import Finding
from proxy.model.level import Action, Mode
from proxy.model.text import Edit, Replacement
from proxy.policy.pseudonym import Pseudonyms


def placeholder(label: str) -> str:
    """What stands in place of redacted text: `<EMAIL_ADDRESS>`."""
    return f"<{label.upper()}>"


@dataclass(frozen=True, slots=True)
class Cover:
    """A range that something else stands in for: a placeholder, or a pseudonym."""

    start: int
    end: int
    label: str
    pseudonym: bool


def covers(findings: Iterable[Finding]) -> tuple[Cover, ...]:
    """What is to be replaced among `findings`, which come by start. Overlapping ranges become one, under the
    label of the first, and redacted if any of them is."""
    out: list[Cover] = []
    for finding in findings:
        if not finding.acts or finding.action not in (Action.REDACT, Action.PSEUDONYMIZE):
            continue
        cover = Cover(finding.start, finding.end, finding.label, finding.action is Action.PSEUDONYMIZE)
        if out and cover.start < out[-1].end:
            last = out.pop()
            end, pseudonym = max(last.end, cover.end), last.pseudonym and cover.pseudonym
            cover = Cover(last.start, end, last.label, pseudonym)
        out.append(cover)
    return tuple(out)


def stand_in(cover: Cover, text: str, pseudonyms: Pseudonyms | None) -> str:
    """What stands in place of that range of the text."""
    found = None
    if cover.pseudonym and pseudonyms is not None:
        found = pseudonyms.of(cover.label, text[cover.start : cover.end])
    return found or placeholder(cover.label)


def first_block(findings: Iterable[Finding]) -> Finding | None:
    """The finding that blocks the text: of those that block, the first."""
    return next((finding for finding in findings if finding.acts and finding.action is Action.BLOCK), None)


def verdict(findings: Iterable[Finding]) -> str:
    """allow | flag | pseudonymize | redact | block: the strictest that holds. A shadow rule's findings count for
    nothing."""
    words = {finding.action for finding in findings if finding.mode is Mode.ENFORCE}
    for action in (Action.BLOCK, Action.REDACT, Action.PSEUDONYMIZE, Action.FLAG):
        if action in words:
            return action.value
    return "allow"


def apply(text: str, findings: tuple[Finding, ...]) -> str:
    """The text as its reader gets it: redacted, or the message of the rule that blocks it. Pseudonyms are those of
    a key that everybody knows: the same at every call, and none that a proxy uses."""
    block = first_block(findings)
    if block is not None:
        return block.message
    pseudonyms = Pseudonyms(b"", ())
    pseudonyms.avoid(text)
    changes = (Replacement(one.start, one.end, stand_in(one, text, pseudonyms)) for one in covers(findings))
    return Edit(tuple(changes)).apply(text)
