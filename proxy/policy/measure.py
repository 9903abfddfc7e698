"""The size of a request, measured once for all its texts."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.detect.base import Context
from proxy.detect.size import TOO_MANY_CHARACTERS, TOO_MANY_MESSAGES
from proxy.model.finding import Finding
from proxy.model.level import Direction
from proxy.policy.match import Plan
from proxy.policy.rule import Size

REQUEST_FIELD = "request"
"""Where such a finding stands: in no text of its own."""


def measure(plan: Plan, context: Context) -> tuple[Finding, ...]:
    """One finding for each rule whose limit is passed, ranging from the limit to the size (in characters or in
    messages)."""
    return tuple(
        Finding(
            rule=rule.id,
            detector="size",
            label=label,
            score=1.0,
            action=rule.action_at(plan.level),
            direction=Direction.INPUT,
            field=REQUEST_FIELD,
            start=limit,
            end=size,
            mode=rule.mode,
            message=rule.message,
            severity=rule.severity,
        )
        for rule in plan.active.values()
        for spec in rule.detectors
        if isinstance(spec, Size)
        for label, limit, size in _passed(spec, context)
    )


def _passed(spec: Size, context: Context) -> Iterator[tuple[str, int, int]]:
    if spec.max_messages is not None and context.messages > spec.max_messages:
        yield TOO_MANY_MESSAGES, spec.max_messages, context.messages
    elif spec.max_characters is not None and context.characters > spec.max_characters:
        yield TOO_MANY_CHARACTERS, spec.max_characters, context.characters
