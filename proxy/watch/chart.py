"""How much of a shift has added up: a cumulative sum (Page, "Continuous Inspection Schemes", Biometrika 1954).

For a shift of s sigmas each look adds how far the window is beyond s/2 of them, times the share of a window's
length that has passed since the last look, and takes off what it is short of that; the sum is never less than 0. At
7.5/s it is full, whatever s is, since false alarms go by the product of both (Siegmund, "Sequential Analysis",
1985). What is s too high fills it in two windows or three, what is s/2 too high by chance alone. No single window
does, however wild what it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.model.record import Json
from proxy.model.tripwire import Margin, Tripwire
from proxy.watch.baseline import Expected
from proxy.watch.breach import STEP_S_MAX
from proxy.watch.normal import Limits

_FULL: Final = 7.5
_ONE_WINDOW_MAX: Final = 0.75
"""Of what fills the chart, the most that comes of one window's length."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What has added up on either side, as shares of what is too much: from 0 to 1. `looked` in Unix seconds."""

    above: float = 0.0
    below: float = 0.0
    looked: float = 0.0

    @property
    def full(self) -> bool:
        """Whether there was a shift, and it did not begin to go back."""
        return max(self.above, self.below) >= 1

    @property
    def empty(self) -> bool:
        return self.above == self.below == 0

    def step(self, tripwire: Tripwire, limits: Limits, value: float, samples: int, now: float) -> Chart:
        """After a look at a window that says enough."""
        share = 0.0 if not self.looked else min(max(now - self.looked, 0.0), STEP_S_MAX) / tripwire.window_s
        above = below = 0.0
        expected = limits.expected
        if expected is not None and limits.top is not None:
            above = _sum(self.above, tripwire.above_baseline, expected, 1, value, samples, share)
        if expected is not None and limits.floor is not None:
            below = _sum(self.below, tripwire.below_baseline, expected, -1, value, samples, share)
        return Chart(above, below, now)

    def as_json(self) -> Json:
        """For a later process."""
        return [self.above, self.below, self.looked]

    @classmethod
    def of(cls, stored: Json) -> Chart:
        """Raises ValueError for what `as_json` did not make."""
        if not isinstance(stored, list) or len(stored) != 3:
            raise ValueError("no chart")
        above, below, looked = (float(one) if isinstance(one, int | float) else -1.0 for one in stored)
        if not (0 <= above <= 1 and 0 <= below <= 1 and looked >= 0):
            raise ValueError("no chart")
        return cls(above, below, looked)


def _sum(
    before: float,
    margin: Margin | None,
    expected: Expected,
    side: int,
    value: float,
    samples: int,
    share: float,
) -> float:
    if margin is None:
        return 0.0
    beyond = expected.beyond(side * margin.line, value, float(max(samples, 1)))
    added = min(beyond * margin.sigmas / _FULL, _ONE_WINDOW_MAX)
    return min(max(before + added * share, 0.0), 1.0)
