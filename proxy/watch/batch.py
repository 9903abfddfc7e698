"""Exchanges of one group that are taken into its windows together.

What an exchange costs is the number of windows that it goes into; adding up a few costs little more than one.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.model.observation import Observation
from proxy.watch.histogram import bin_of


class Batch:
    """In the order in which they ended. Values and their bins are found once for all windows."""

    __slots__ = ("_bins", "_values", "many")

    def __init__(self, many: Sequence[Observation]) -> None:
        self.many = many
        self._values: dict[str, list[float]] = {}
        self._bins: dict[str, list[int]] = {}

    def values(self, series: str) -> list[float]:
        """The samples among them."""
        values = self._values.get(series)
        if values is None:
            values = [value for one in self.many if (value := one.values.get(series)) is not None]
            self._values[series] = values
        return values

    def bins(self, series: str) -> list[int]:
        """Of each sample, its bin."""
        bins = self._bins.get(series)
        if bins is None:
            bins = self._bins[series] = [bin_of(value) for value in self.values(series)]
        return bins
