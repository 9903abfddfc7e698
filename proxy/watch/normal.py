"""What a tripwire takes for too much: the limits that its file says, or so many deviations from what is normal."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Final

from proxy.model.record import Json
from proxy.model.tripwire import Stat, Tripwire
from proxy.watch.baseline import Baseline, Expected
from proxy.watch.window import SLICES

GROUPS_MAX: Final = 64
"""Groups of one tripwire whose normal is learned; then the one that learned nothing for the longest time is
forgotten."""
LEARN_S_MIN: Final = 300.0
"""How far apart in time the windows are that are learned from, at least; and never closer than they are long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too much for a group now, on either side; none on a side that is not watched, or not known yet."""

    floor: float | None = None
    top: float | None = None
    expected: Expected | None = None
    learning: bool = False  # too little is known to compare with
    learned: int = 0  # samples

    @property
    def threshold(self) -> float | None:
        """As one number."""
        return self.floor if self.top is None else self.top

    def beyond(self, value: float) -> bool:
        """Whether a value, of a sample or of a window, is too much."""
        return (self.top is not None and value > self.top) or (self.floor is not None and value < self.floor)


class Normal:
    """The limits of one tripwire for each of its groups."""

    def __init__(self, tripwire: Tripwire) -> None:
        self._wire = tripwire
        self._fixed = Limits(tripwire.below, tripwire.above)
        self._baselines: OrderedDict[str, Baseline] = OrderedDict()
        self._tightest: dict[str, Limits] = {}
        self._apart_s = max(tripwire.window_s, LEARN_S_MIN)
        self._learned_at: int | None = None

    @property
    def share(self) -> bool:
        return self._wire.stat is Stat.RATE

    def of(self, group: str, now: float, samples: int) -> Limits:
        """Of a window with so many samples."""
        return self._limits(group, now, float(max(samples, 1))) if self._wire.learns else self._fixed

    def tightest(self, group: str) -> Limits:
        """What a window must be beyond to be beyond any limit, as of the last `refresh`."""
        return self._tightest.get(group, self._fixed)

    def edges(self, *, waiting: bool = False) -> tuple[float, float]:
        """No window of samples between the two is beyond any group's limit. Sums are asked always; of samples that
        wait to be summed up, where one is as much as a slice may hold."""
        below, above = self._wire.below, self._wire.above
        if self._wire.learns or (self._wire.stat is Stat.SUM and (above is None or not waiting)):
            return inf, -inf
        if self._wire.stat is Stat.SUM and above is not None:
            return -inf, above / (SLICES + 1)
        return -inf if below is None else below, inf if above is None else above

    def refresh(self, now: float) -> Iterator[None]:
        """It is now. Whoever asks can give others their turn after each step."""
        if not self._wire.learns:
            return
        for group, baseline in tuple(self._baselines.items()):
            worked = baseline.due(now)
            self._tightest[group] = self._limits(group, now, None)
            if worked:
                yield

    def due(self, now: float) -> bool:
        """Whether it is time to learn from the windows of now; once each time."""
        if not self._wire.learns:
            return False
        at = int(now / self._apart_s)
        due = self._learned_at is not None and at > self._learned_at
        self._learned_at = at
        return due

    def learn(self, group: str, now: float, value: float, samples: int) -> None:
        """What the group's window says, while nothing is wrong with it."""
        baseline = self._baselines.get(group)
        if baseline is None:
            baseline = self._baselines[group] = Baseline(share=self.share, apart_s=self._apart_s)
            if len(self._baselines) > GROUPS_MAX:
                oldest, _ = self._baselines.popitem(last=False)
                self._tightest.pop(oldest, None)
        else:
            self._baselines.move_to_end(group)
        baseline.learn(now, value, samples)

    def forget(self, group: str) -> int:
        """Learn anew what is normal for a group; how many samples that is the loss of. Raises KeyError."""
        forgotten = self._baselines.pop(group)
        self._tightest.pop(group, None)
        return forgotten.samples

    def _limits(self, group: str, now: float, samples: float | None) -> Limits:
        wire, baseline = self._wire, self._baselines.get(group)
        expected = baseline.expected(now) if baseline is not None else None
        learned = baseline.samples if baseline is not None else 0
        floor, top, learning = wire.below, wire.above, False
        for margin, sign in ((wire.below_baseline, -1), (wire.above_baseline, 1)):
            if margin is None:
                continue
            if expected is None or learned < margin.min_samples:
                learning = True
                continue
            limit = expected.limit(sign * margin.line, samples)
            floor, top = (limit, top) if sign < 0 else (floor, limit)
        return Limits(floor, top, expected, learning, learned)

    def take_over(self, before: Normal) -> None:
        """What the tripwire of before, over the same windows, has learned."""
        if (before._wire.series, before._wire.stat) == (self._wire.series, self._wire.stat):
            self._baselines = before._baselines
            self._learned_at = before._learned_at

    def as_json(self) -> Iterator[tuple[str, Json]]:
        """For a later process, group by group."""
        for group, baseline in tuple(self._baselines.items()):
            yield group, baseline.as_json()

    def restore(self, stored: Json) -> None:
        """Raises ValueError, TypeError, KeyError for what `as_json` did not make."""
        if not isinstance(stored, Mapping):
            raise ValueError("nothing learned")
        for group, baseline in islice(stored.items(), GROUPS_MAX):
            self._baselines[str(group)] = Baseline.of(baseline, share=self.share, apart_s=self._apart_s)
