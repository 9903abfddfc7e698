"""What is normal for a group by the hour of the week, learned from what its windows said, robust to those that were
not normal.

An hour's level is what its windows of the weeks before said: their median, moved by the mean of what they are off
it, each clipped (Huber's M-estimator in one step, "Robust Statistics", 1981). It is drawn towards the hours beside
it as far as the three lie on a line. Expected is that level, sloped within the hour as the levels around it are: by
no more than either side allows (van Leer's monotonized central limiter, J. Comput. Phys. 23, 1977), so that a step
on the hour stays a step.

The spread is worked out from the absolute differences between windows of one hour of the week, taken over the hours
of the day around this one: their lesser six tenths, in the mean. Unlike deviations from a middle, differences are
not too small where an hour has few windows yet (Rousseeuw, Croux: "Alternatives to the Median Absolute Deviation",
JASA 1993); unlike a median, a mean goes by no steps where few values occur, as of shares of few samples. Shares
are compared as asin(sqrt(p)), where the spread of n tosses is 1 / (2 sqrt(n)) whatever p is (Anscombe, Biometrika
1948).
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import asin, ceil, isfinite, pi, sin, sqrt
from statistics import fmean, median
from typing import Final

from proxy.model.record import Json

HOURS: Final = 168
WEEKS_MAX: Final = 4
"""Weeks of which the windows of an hour of the week are remembered, the latest."""
WINDOWS_KEPT: Final = 16
"""So many are in any case, where they are long."""
OWN_MIN: Final = 3
"""Windows of an hour of the week before it is compared with itself only."""
PAIRS_MIN: Final = 12
BESIDE_MIN: Final = 6
ALL_MIN: Final = 24
ALL_HOURS_MIN: Final = 20
"""So many hours of the day must be known before all hours together say what is normal: else the next hour's own
rhythm would look like a fault."""
_AROUND: Final = 2
_LESSER: Final = 0.6
_LESSER_SCALE: Final = 0.5609
"""Of the absolute differences between two values of a normal distribution, the mean of the lesser six tenths, in
its standard deviations."""
_MAD_SCALE: Final = 1.4826
_LEAST_SHARE: Final = 0.01
"""Of the expected value: no spread is smaller, since quantiles are no more exact than that."""
_LEAST: Final = 1e-9
_CLIPPED: Final = 2.5
"""How many spreads a window may draw its hour's level."""


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

    @property
    def value(self) -> float:
        return _from_scale(self.centre, self.share)

    def limit(self, sigmas: float, samples: float | None = None) -> float:
        """The value so many deviations above, or below where negative, of a window with so many samples. Fewer than
        usual scatter more."""
        return _from_scale(self.centre + sigmas * self._spread(samples), self.share)

    def beyond(self, sigmas: float, value: float, samples: float) -> float:
        """How many deviations a value is beyond that limit; less than 0 where it is within."""
        spread = self._spread(samples)
        off = _to_scale(value, self.share) - self.centre - sigmas * spread
        return (off if sigmas > 0 else -off) / spread

    def _spread(self, samples: float | None) -> float:
        if samples is None:
            return self.spread
        spread = self.spread * sqrt(max(1.0, self.samples / samples))
        return max(spread, 0.5 / sqrt(samples)) if self.share else spread


class Baseline:
    """One group. Time is passed in, as Unix seconds; hours are those of UTC."""

    __slots__ = (
        "_cells", "_expected", "_hour", "_learned", "_learned_hour", "_per_hour", "_slope", "samples", "share"
    )  # fmt: skip

    def __init__(self, *, share: bool, apart_s: float = 900.0) -> None:
        """Windows are learned so far apart."""
        self.share = share
        self.samples = 0  # that it learned from
        self._per_hour = max(round(3600 / apart_s), 1)
        self._cells: dict[int, array[float]] = {}  # by hour of the week: value, samples, value, samples …
        self._learned_hour = -1  # the latest that it learned from, since 1970, and how many windows of it
        self._learned = 0
        self._hour = -1
        self._expected: Expected | None = None  # in the midst of that hour
        self._slope = 0.0  # an hour

    @property
    def windows(self) -> int:
        """How many it remembers."""
        return sum(len(cell) for cell in self._cells.values()) // 2

    @property
    def _most(self) -> int:
        return max(WEEKS_MAX * self._per_hour, WINDOWS_KEPT)

    def learn(self, now: float, value: float, samples: int) -> None:
        """What a window said that ends now, while nothing is wrong."""
        scaled = _to_scale(value, self.share)
        if not isfinite(scaled):
            return
        hour = int(now // 3600)
        cell = self._cells.setdefault(hour % HOURS, array("f"))
        cell.extend((scaled, samples))
        del cell[: -2 * self._most]
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
            self._slope = 0.0
            self._expected = self._work_out(hour % HOURS)
            if cell is not None:
                cell.extend(own)
        if self._expected is None or not self._slope:
            return self._expected
        after = (
            now / 3600 - hour - (0.5 - 0.5 / self._per_hour)
        )  # windows are learned from the hour's beginning on
        return replace(self._expected, centre=self._expected.centre + self._slope * after)

    def due(self, now: float) -> bool:
        """Whether the next `expected` has an hour to work out, which takes a millisecond."""
        return int(now // 3600) != self._hour

    def _work_out(self, hour: int) -> Expected | None:
        own = self._values((hour,))
        if len(own) >= OWN_MIN:
            pairs = list(self._pairs(hour))
            if len(pairs) >= PAIRS_MIN:
                lesser = sorted(pairs)[: ceil(_LESSER * len(pairs))]
                spread = max(fmean(lesser) / _LESSER_SCALE, self._tosses((hour,)))
                return self._made((hour,), "hour", self._centre(hour, spread), spread)
        before, after = (hour - 1) % HOURS, (hour + 1) % HOURS
        beside = (before, hour, after)
        if before in self._cells and after in self._cells and len(self._values(beside)) >= BESIDE_MIN:
            return self._together(beside, "neighbours")
        known = {one % 24 for one in self._cells}
        if len(known) >= ALL_HOURS_MIN and self.windows >= ALL_MIN:
            return self._together(tuple(self._cells), "all")
        return None

    def _centre(self, hour: int, spread: float) -> float:
        """In the midst of an hour of the week; sets the slope."""
        own = self._level(hour, spread)
        before, after = ((hour + step) % HOURS for step in (-1, 1))
        if min(len(self._values((one,))) for one in (before, after)) < OWN_MIN:
            return own
        rise, further = own - self._level(before, spread), self._level(after, spread) - own
        self._slope = _limited(rise, further)
        off = (rise - further) / 2  # the line between the hours beside it
        drawn = min(max(2 - abs(off) / spread, 0.0), 1.0) if spread else 0.0
        return own - drawn * off / 2

    def _level(self, hour: int, spread: float) -> float:
        values, most = self._values((hour,)), _CLIPPED * spread
        middle = median(values)
        return middle + fmean(min(max(value - middle, -most), most) for value in values)

    def _together(self, hours: tuple[int, ...], source: str) -> Expected:
        """Of hours that need not be alike: their own rhythm is part of the spread."""
        values = self._values(hours)
        centre, count = median(values), len(values)
        deviation = median(abs(value - centre) for value in values)
        return self._made(hours, source, centre, deviation * _MAD_SCALE * count / (count - 0.8))

    def _made(self, hours: tuple[int, ...], source: str, centre: float, spread: float) -> Expected:
        counts = self._counts(hours)
        # The median is known from so many windows, and no better.
        spread *= sqrt(1 + pi / (2 * len(counts)))
        least = self._tosses(hours) if self.share else _LEAST_SHARE * abs(centre)
        spread = max(spread, least, _LEAST)
        return Expected(centre, spread, median(counts), len(counts), source, self.share)

    def _values(self, hours: Iterable[int]) -> list[float]:
        return [value for hour in hours for value in self._cells.get(hour, ())[::2]]

    def _counts(self, hours: Iterable[int]) -> list[float]:
        return [count for hour in hours for count in self._cells.get(hour, ())[1::2]]

    def _tosses(self, hours: Iterable[int]) -> float:
        """How much shares of so many samples scatter by chance alone; nothing of what is no share."""
        return 0.5 / sqrt(max(median(self._counts(hours)), 1.0)) if self.share else 0.0

    def _pairs(self, hour: int) -> Iterator[float]:
        """Differences between windows of one hour of the week, as far apart in time as it goes, since those of one
        week have more in common, and of the same minutes if they can be. On every day at this time of the day."""
        for day in range(7):
            for step in range(-_AROUND, _AROUND + 1):
                values = self._values(((day * 24 + hour + step) % HOURS,))
                half = len(values) // 2
                apart = half - half % self._per_hour or half
                for one, other in zip(values, values[apart:], strict=False) if apart else ():
                    yield abs(one - other)

    def as_json(self) -> Json:
        """For a later process."""
        cells: Json = {str(hour): _packed(cell) for hour, cell in self._cells.items()}
        return {"samples": self.samples, "latest": [self._learned_hour, self._learned], "cells": cells}

    @classmethod
    def of(cls, stored: Json, *, share: bool, apart_s: float = 900.0) -> Baseline:
        """Raises ValueError, TypeError, KeyError for what `as_json` did not make."""
        if not isinstance(stored, Mapping) or not isinstance(stored["cells"], Mapping):
            raise ValueError("no baseline")
        made = cls(share=share, apart_s=apart_s)
        made.samples = int(str(stored["samples"]))
        latest = stored["latest"]
        if not isinstance(latest, list) or len(latest) != 2:
            raise ValueError("no latest hour")
        made._learned_hour, made._learned = (int(_number(one)) for one in latest)
        for hour, values in stored["cells"].items():
            cell = _unpacked(values)
            if len(cell) % 2 or not all(map(isfinite, cell)) or not 0 <= int(hour) < HOURS:
                raise ValueError("no hour of the week")
            made._cells[int(hour)] = cell[-2 * made._most :]
        return made


def _packed(cell: array[float]) -> str:
    """As text a sixth of the room that a list takes while it is written, and a twentieth of the time: there may be
    a thousand groups with 168 of them."""
    little = array("f", cell)
    if sys.byteorder == "big":
        little.byteswap()
    return b64encode(little.tobytes()).decode()


def _unpacked(stored: Json) -> array[float]:
    """Raises ValueError, TypeError. Earlier versions kept lists."""
    if isinstance(stored, list):
        return array("f", (_number(one) for one in stored))
    if not isinstance(stored, str):
        raise ValueError("no values")
    cell = array("f")
    cell.frombytes(b64decode(stored, validate=True))
    if sys.byteorder == "big":
        cell.byteswap()
    return cell


def _limited(rise: float, further: float) -> float:
    """The slope between two steps: what both allow, and none where they go apart."""
    if rise * further <= 0:
        return 0.0
    slope = min(2 * abs(rise), abs(rise + further) / 2, 2 * abs(further))
    return slope if rise > 0 else -slope


def _to_scale(value: float, share: bool) -> float:
    return asin(sqrt(min(max(value, 0.0), 1.0))) if share else value


def _from_scale(scaled: float, share: bool) -> float:
    return sin(min(max(scaled, 0.0), pi / 2)) ** 2 if share else scaled


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError("no number")
    return value
