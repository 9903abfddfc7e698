"""What is normal for a group by the hour of the week, learned from what its windows said, robust to those that were
not normal.

Expected is the median of what the windows of this hour of the week said. Whatever lies between it and the rhythm of
the hours around, their medians smoothed, is as normal: so neither a slope within the hour, nor a step on the hour,
nor chance in its few windows is taken for a fault. The spread is the median of the absolute differences between
windows of one hour of the week, taken over the hours of the day around this one, in the scale of a normal
distribution (Rousseeuw, Croux: "Alternatives to the Median Absolute Deviation", JASA 1993): unlike deviations from
a median, differences are not too small where an hour has few windows yet. Shares are compared as asin(sqrt(p)),
where the spread of n tosses is 1 / (2 sqrt(n)) whatever p is (Anscombe, Biometrika 1948).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import asin, isfinite, pi, sin, sqrt
from statistics import median
from typing import Final

from proxy.model.record import Json

HOURS: Final = 168
WINDOWS_MAX: Final = 16
"""Windows of one hour of the week that are remembered, the latest: with those of up to 15 minutes, four weeks'."""
OWN_MIN: Final = 3
"""Windows of an hour of the week before it is compared with itself only."""
PAIRS_MIN: Final = 12
BESIDE_MIN: Final = 6
ALL_MIN: Final = 24
ALL_HOURS_MIN: Final = 20
"""So many hours of the day must be known before all hours together say what is normal: else the next hour's own
rhythm would look like a fault."""
_AROUND: Final = 2
_PAIR_SCALE: Final = 0.9539
"""The median difference of two values of a normal distribution, in its standard deviations."""
_MAD_SCALE: Final = 1.4826
_LEAST_SHARE: Final = 0.01
"""Of the expected value: no spread is smaller, since quantiles are no more exact than that."""
_LEAST: Final = 1e-9
_MIDST: Final = 0.5
"""Where in its hour a median stands for what is usual."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is normal now. `spread` is one standard deviation of what windows of `samples` samples say; of shares
    both are in the scale of asin(sqrt(p))."""

    centre: float
    spread: float
    samples: float
    windows: int
    source: str  # `hour` of the week, `neighbours`, or `all` hours
    share: bool
    rhythm: float  # of the hours around, at this minute, one spread off at most: what lies between is normal

    @property
    def value(self) -> float:
        return _from_scale(self.centre, self.share)

    def limit(self, sigmas: float, samples: float | None = None) -> float:
        """The value so many deviations above, or below where negative, of a window with so many samples. Fewer than
        usual scatter more."""
        return _from_scale(self._edge(sigmas, self._spread(samples)), self.share)

    def beyond(self, sigmas: float, value: float, samples: float) -> float:
        """How many deviations a value is beyond that limit; less than 0 where it is within."""
        spread = self._spread(samples)
        off = _to_scale(value, self.share) - self._edge(sigmas, spread)
        return (off if sigmas > 0 else -off) / spread

    def _edge(self, sigmas: float, spread: float) -> float:
        most = max if sigmas > 0 else min
        return most(self.centre, self.rhythm) + sigmas * spread

    def _spread(self, samples: float | None) -> float:
        if samples is None:
            return self.spread
        spread = self.spread * sqrt(max(1.0, self.samples / samples))
        return max(spread, 0.5 / sqrt(samples)) if self.share else spread


class Baseline:
    """One group. Time is passed in, as Unix seconds; hours are those of UTC."""

    __slots__ = ("_cells", "_expected", "_hour", "_learned", "_learned_hour", "_rhythm", "samples", "share")

    def __init__(self, *, share: bool) -> None:
        self.share = share
        self.samples = 0  # that it learned from
        self._cells: dict[int, array[float]] = {}  # by hour of the week: value, samples, value, samples …
        self._learned_hour = -1  # the latest that it learned from, since 1970, and how many windows of it
        self._learned = 0
        self._hour = -1
        self._expected: Expected | None = None
        self._rhythm: tuple[float, float, float] | None = None  # of the hour before, of this one and the next

    @property
    def windows(self) -> int:
        """How many it remembers."""
        return sum(len(cell) for cell in self._cells.values()) // 2

    def learn(self, now: float, value: float, samples: int) -> None:
        """What a window said that ends now, while nothing is wrong."""
        scaled = _to_scale(value, self.share)
        if not isfinite(scaled):
            return
        hour = int(now // 3600)
        cell = self._cells.setdefault(hour % HOURS, array("f"))
        cell.extend((scaled, samples))
        if len(cell) > 2 * WINDOWS_MAX:
            del cell[:2]
        self.samples += samples
        self._learned = self._learned + 1 if hour == self._learned_hour else 1
        self._learned_hour = hour

    def expected(self, now: float) -> Expected | None:
        """None where it knows too little. An hour is never compared with itself, only with earlier ones."""
        hour = int(now // 3600)
        if hour != self._hour:
            self._hour = hour
            cell = self._cells.get(hour % HOURS)
            own = array("f")
            if cell is not None and hour == self._learned_hour:
                own = cell[-2 * self._learned :]
                del cell[-2 * self._learned :]
            self._expected = self._work_out(hour % HOURS)
            self._rhythm = self._smoothed(hour % HOURS)
            if cell is not None:
                cell.extend(own)
        if self._expected is None or self._rhythm is None or self._expected.source != "hour":
            return self._expected
        centre, spread = self._expected.centre, self._expected.spread
        rhythm = _between(self._rhythm, now / 3600 - hour - _MIDST)
        return replace(self._expected, rhythm=min(max(rhythm, centre - spread), centre + spread))

    def _smoothed(self, hour: int) -> tuple[float, float, float] | None:
        """The medians of hours of the week, each with a quarter of both beside it; None where one is not known."""
        around = [self._values(((hour + step) % HOURS,)) for step in range(-_AROUND, _AROUND + 1)]
        if min(map(len, around)) < OWN_MIN:
            return None
        a, b, c, d, e = map(median, around)
        return (a + 2 * b + c) / 4, (b + 2 * c + d) / 4, (c + 2 * d + e) / 4

    def _work_out(self, hour: int) -> Expected | None:
        own = self._values((hour,))
        if len(own) >= OWN_MIN:
            pairs = list(self._pairs(hour))
            if len(pairs) >= PAIRS_MIN:
                return self._made((hour,), "hour", median(own), median(pairs) / _PAIR_SCALE)
        before, after = (hour - 1) % HOURS, (hour + 1) % HOURS
        beside = (before, hour, after)
        if before in self._cells and after in self._cells and len(self._values(beside)) >= BESIDE_MIN:
            return self._together(beside, "neighbours")
        known = {one % 24 for one in self._cells}
        if len(known) >= ALL_HOURS_MIN and self.windows >= ALL_MIN:
            return self._together(tuple(self._cells), "all")
        return None

    def _together(self, hours: tuple[int, ...], source: str) -> Expected:
        """Of hours that need not be alike: their own rhythm is part of the spread."""
        values = self._values(hours)
        centre, count = median(values), len(values)
        deviation = median(abs(value - centre) for value in values)
        return self._made(hours, source, centre, deviation * _MAD_SCALE * count / (count - 0.8))

    def _made(self, hours: tuple[int, ...], source: str, centre: float, spread: float) -> Expected:
        counts = [one for hour in hours for one in self._cells.get(hour, ())[1::2]]
        # The median is known from so many windows, and no better.
        spread *= sqrt(1 + pi / (2 * len(counts)))
        least = 0.0 if self.share else _LEAST_SHARE * abs(centre)
        spread = max(spread, least, _LEAST)
        return Expected(centre, spread, median(counts), len(counts), source, self.share, centre)

    def _values(self, hours: Iterable[int]) -> list[float]:
        return [value for hour in hours for value in self._cells.get(hour, ())[::2]]

    def _pairs(self, hour: int) -> Iterator[float]:
        """Differences between windows of one hour of the week, as far apart in time as it goes: those of one
        week have more in common. On every day at this time of the day."""
        for day in range(7):
            for step in range(-_AROUND, _AROUND + 1):
                values = self._values(((day * 24 + hour + step) % HOURS,))
                apart = len(values) // 2
                for one, other in zip(values, values[apart:], strict=False) if apart else ():
                    yield abs(one - other)

    def as_json(self) -> Json:
        """For a later process."""
        cells: Json = {str(hour): [round(value, 9) for value in cell] for hour, cell in self._cells.items()}
        return {"samples": self.samples, "latest": [self._learned_hour, self._learned], "cells": cells}

    @classmethod
    def of(cls, stored: Json, *, share: bool) -> Baseline:
        """Raises ValueError, TypeError, KeyError for what `as_json` did not make."""
        if not isinstance(stored, Mapping) or not isinstance(stored["cells"], Mapping):
            raise ValueError("no baseline")
        made = cls(share=share)
        made.samples = int(str(stored["samples"]))
        latest = stored["latest"]
        if not isinstance(latest, list) or len(latest) != 2:
            raise ValueError("no latest hour")
        made._learned_hour, made._learned = (int(_number(one)) for one in latest)
        for hour, values in stored["cells"].items():
            if not isinstance(values, list) or len(values) % 2 or not 0 <= int(hour) < HOURS:
                raise ValueError("no hour of the week")
            made._cells[int(hour)] = array("f", (_number(one) for one in values[-2 * WINDOWS_MAX :]))
        return made


def _between(hours: tuple[float, float, float], after: float) -> float:
    """On the line through three hours, so much of an hour after the middle of the second."""
    before, this, following = hours
    return this + (following - this) * after if after > 0 else this + (this - before) * after


def _to_scale(value: float, share: bool) -> float:
    return asin(sqrt(min(max(value, 0.0), 1.0))) if share else value


def _from_scale(scaled: float, share: bool) -> float:
    return sin(min(max(scaled, 0.0), pi / 2)) ** 2 if share else scaled


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError("no number")
    return value
