"""Counts of values in bins whose width grows with the value: quantiles within one percent.

The bins are those of DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019), kept apart from the counts, so that a
value's bin is found once for all the windows that it goes into.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

ACCURACY: Final = 0.01
_GAMMA: Final = (1 + ACCURACY) / (1 - ACCURACY)
_PER_LOG: Final = 1 / math.log(_GAMMA)
_LEAST: Final = 1e-9
"""What is smaller counts as 0."""
_OFFSET: Final = 4096
"""Lifts the bins of all values from 1e-9 to 1e26 above 0, so that those below 0 can be their mirror."""
_MOST: Final = 1e26


def bin_of(value: float) -> int:
    """The bin of a value; the order of bins is the order of values."""
    size = -value if value < 0 else value
    if size < _LEAST:
        return 0
    place = math.ceil(math.log(min(size, _MOST)) * _PER_LOG) + _OFFSET
    return -place if value < 0 else place


def value_of(place: int) -> float:
    """The value that stands for a bin: within one percent of all that are in it."""
    if place == 0:
        return 0.0
    size: float = 2 * _GAMMA ** (abs(place) - _OFFSET) / (_GAMMA + 1)
    return -size if place < 0 else size


def quantile(bins: Mapping[int, int], share: float) -> float:
    """The least value that so large a share of all is at or below. `bins` is not empty."""
    rank = max(1, math.ceil(share * sum(bins.values())))
    place = 0
    for place in sorted(bins):
        rank -= bins[place]
        if rank <= 0:
            break
    return value_of(place)
