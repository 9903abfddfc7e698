"""Where exchanges go that are taken together in one way, until they are taken into windows.

Most callers are heard of now and then: a window for each, touched by each exchange, would cost more than all others
together. So exchanges of a group wait until there are a few, or one of them is beyond a tripwire's limit, or a
tripwire is not `ok` there, or somebody wants to see the group. None of those that wait can begin a breach: but for
the samples that a tripwire lacks to say anything, which may then come by a few exchanges late.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from proxy.model.observation import Observation
from proxy.model.tripwire import Per, State
from proxy.watch.batch import Batch
from proxy.watch.grid import GROUPS_MAX, Grid, group_of

FEW_MAX: Final = 6
"""Exchanges of a group that wait."""


class Gather:
    """All grids with one `per`."""

    def __init__(self, per: Per, grids: Sequence[Grid]) -> None:
        self.per = per
        self._grids = tuple(grids)
        self._few: OrderedDict[str, list[Observation]] = OrderedDict()
        self._edges = tuple(
            (wire.tripwire.series, *wire.normal.edges(waiting=True)) for grid in grids for wire in grid.wires
        )

    def take(self, fresh: Iterable[Observation]) -> None:
        """Exchanges as they came."""
        groups: dict[str, list[Observation]] = {}
        for one in fresh:
            group = group_of(self.per, one)
            if group is None:
                continue
            if group in groups:
                groups[group].append(one)
            else:
                groups[group] = [one]
        for group, many in groups.items():
            self._wait(group, many)

    def settle(self, groups: Iterable[str]) -> None:
        """Have windows for those of these groups that wait."""
        for group in groups:
            many = self._few.pop(group, None)
            if many is not None:
                self._into_windows(group, many)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The groups of which exchanges wait, those heard of last first."""
        return tuple(reversed(self._few))

    def take_over(self, before: Gather) -> None:
        """What waits there."""
        self._few = before._few

    def _known(self, group: str) -> bool:
        return any(group in grid.groups for grid in self._grids)

    def _alarmed(self, group: str) -> bool:
        return any(wire.state(group) is not State.OK for grid in self._grids for wire in grid.wires)

    def _wait(self, group: str, many: list[Observation]) -> None:
        few = self._few.get(group)
        if few is None:
            few = self._few[group] = many
            if len(self._few) > GROUPS_MAX:
                oldest = next(iter(self._few))
                if self._known(oldest):
                    self.settle((oldest,))
                else:
                    del self._few[oldest]
        else:
            few.extend(many)
            self._few.move_to_end(group)
        if len(few) > FEW_MAX or self._notable(many) or self._alarmed(group):
            self.settle((group,))

    def _notable(self, many: Iterable[Observation]) -> bool:
        for one in many:
            values = one.values
            for series, floor, top in self._edges:
                value = values.get(series)
                if value is not None and (value > top or value < floor):
                    return True
        return False

    def _into_windows(self, group: str, many: Sequence[Observation]) -> None:
        batch = Batch(many)
        for grid in self._grids:
            grid.take(group, batch)
