"""Whether a breach looks like somebody who attacks, like a model that is broken, or like neither; and why.

A model that was tricked is so by few, a broken one is so for whoever asks; and what begins with another version or
other rules probably comes from those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.model.observation import Metric
from proxy.model.tripwire import Per
from proxy.watch.wire import Turned

CHANGED_S: Final = 3600.0
"""How long before a breach something must have changed to be named beside it."""
FEW_SHARE: Final = 0.8
"""Of the samples beyond the limit: what so few callers have is theirs."""
LEAD_SHARE: Final = 0.5
MANY: Final = 5
_NOT_SAID: Final = frozenset({Metric.LATENCY_S, Metric.FIRST_BYTE_S, Metric.ERROR_RATE, Metric.EXTERNAL})
"""What no caller does to a model by what they say."""


@dataclass(frozen=True, slots=True)
class Looks:
    """`like` is `attack`, `broken_model`, `changed_model` or `unclear`; `because` in words."""

    like: str
    because: tuple[str, ...]

    @property
    def text(self) -> str:
        words = {
            "attack": "rather an attack than a broken model",
            "broken_model": "rather a broken model than an attack",
            "changed_model": "rather a changed model than an attack",
            "unclear": "an attack or a broken model: look at the examples",
        }
        return f"{'; '.join(self.because)}: {words[self.like]}"


def looks(turned: Turned, changes: tuple[str, ...] = ()) -> Looks:
    """`changes` are those shortly before it began, in words."""
    wire = turned.tripwire
    callers, count = turned.callers, turned.callers_count
    if not callers or wire.metric in _NOT_SAID:
        said = changes or ("no caller is known" if not callers else f"from {count} callers",)
        return Looks("changed_model" if changes else "unclear", said)
    first, most = callers[0]
    total = max(turned.beyond, sum(samples for _, samples in callers))
    name = first or "unknown"
    if count == 1:
        whose = f"all of it from one caller, {name}"
        return Looks("attack", (whose, *changes))
    whose = f"from {count} callers, the most from {name} ({most} of {total} samples)"
    few = sum(samples for _, samples in callers) >= FEW_SHARE * total and most >= LEAD_SHARE * total
    if wire.per is Per.USER or few:
        return Looks("attack", (whose, *changes))
    if count < MANY:
        return Looks("unclear", (whose, *changes))
    return Looks("changed_model" if changes else "broken_model", (whose, *changes))
