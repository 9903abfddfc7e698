"""The samples of one group in a sliding window: sums and counts by slices of time, never the samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from proxy.model.record import Json
from proxy.model.tripwire import Stat
from proxy.watch.histogram import quantile

SLICES: Final = 30
"""How many steps a window takes to slide by its own length."""


class Sums:
    """What is kept of one metric's samples in one slice."""

    __slots__ = ("bins", "count", "highest", "total")

    def __init__(self, count: int, total: float, highest: float) -> None:
        """Without bins, which come after."""
        self.count = count
        self.total = total
        self.highest = highest
        self.bins: dict[int, int] | None = None  # where quantiles are asked for

    def as_json(self) -> Json:
        bins: Json = {str(place): n for place, n in (self.bins or {}).items()}
        return [self.count, self.total, self.highest, bins]

    @classmethod
    def of(cls, stored: Json) -> Sums:
        """Raises ValueError, TypeError for what `as_json` did not make."""
        if not isinstance(stored, list) or len(stored) != 4 or not isinstance(stored[3], Mapping):
            raise ValueError("no sums")
        count, total, highest = (_number(part) for part in stored[:3])
        sums = cls(int(count), total, highest)
        sums.bins = {int(place): int(_number(n)) for place, n in stored[3].items()}
        return sums


class Window:
    """One group. Slices are numbered by time; a window is the last SLICES of them and the one under way."""

    __slots__ = ("_metrics", "_slices", "pins")

    def __init__(self, metrics: int) -> None:
        self.pins = 0  # how many tripwires need it to stay
        self._metrics = metrics
        self._slices: list[tuple[int, list[Sums | None]]] = []  # at most SLICES + 1

    def open(self, at: int) -> list[Sums | None]:
        """The sums of the slice `at`, to be added to. A clock that was set back stays in the slice that it had
        reached."""
        slices = self._slices
        if slices and slices[-1][0] >= at:
            return slices[-1][1]
        sums: list[Sums | None] = [None] * self._metrics
        slices.append((at, sums))
        self.move(at)
        return sums

    def move(self, at: int) -> None:
        """What is older than the window that ends with the slice `at` is forgotten."""
        slices = self._slices
        while slices and slices[0][0] < at - SLICES:
            del slices[0]

    @property
    def empty(self) -> bool:
        return not any(any(sums) for _, sums in self._slices)

    def count(self, which: int) -> int:
        """How many samples of a metric the window holds."""
        return sum(one.count for one in self._of(which))

    def stat(self, which: int, stat: Stat) -> float | None:
        """None where there is no sample."""
        parts = self._of(which)
        if not parts:
            return None
        if stat is Stat.MAX:
            return max(one.highest for one in parts)
        if stat in (Stat.MEAN, Stat.RATE, Stat.SUM):
            total = sum(one.total for one in parts)
            return total if stat is Stat.SUM else total / sum(one.count for one in parts)
        bins: Counter[int] = Counter()
        for one in parts:
            bins.update(one.bins or {})
        return quantile(bins, 0.5 if stat is Stat.P50 else 0.95) if bins else None

    def _of(self, which: int) -> list[Sums]:
        return [one for _, sums in self._slices if (one := sums[which]) is not None]

    def as_json(self, metrics: Sequence[str]) -> Json:
        """The slices, by the names of the metrics."""
        return [
            [at, {name: one.as_json() for name, one in zip(metrics, sums, strict=True) if one is not None}]
            for at, sums in self._slices
        ]

    @classmethod
    def of(cls, stored: Json, metrics: Sequence[str]) -> Window:
        """Metrics that are not among those are left out. Raises ValueError, TypeError for what `as_json` did not
        make."""
        window = cls(len(metrics))
        if not isinstance(stored, list):
            raise ValueError("no slices")
        for entry in stored[-SLICES - 1 :]:
            at, sums = entry
            if not isinstance(sums, Mapping):
                raise ValueError("no sums")
            kept = [Sums.of(sums[name]) if name in sums else None for name in metrics]
            window._slices.append((int(_number(at)), kept))
        return window


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("no number")
    return value
