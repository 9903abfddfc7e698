"""The windows of every group that is taken together in one way, over one length of time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import islice
from math import inf
from typing import Final, NamedTuple

from proxy.model.observation import Observation
from proxy.model.record import Json
from proxy.model.tripwire import Per, Stat, Tripwire
from proxy.watch.batch import Batch
from proxy.watch.held import held_of
from proxy.watch.histogram import bin_of
from proxy.watch.window import SLICES, Sums, Window
from proxy.watch.wire import HELD_MAX, Wire

GROUPS_MAX: Final = 1000
"""Models, apps or callers with a window of their own; then the one that was not heard of for the longest time is
forgotten, unless a tripwire holds it."""
PINNED_LOOKS_MAX: Final = 8
"""How many held ones are passed over to find one that can be forgotten."""


def group_of(per: Per, one: Observation) -> str | None:
    """The group of an exchange, as `model:support-bot`; None where it belongs to none."""
    match per:
        case Per.GLOBAL:
            return "global"
        case Per.MODEL:
            return None if one.model is None else f"model:{one.model}"
        case Per.APP:
            return None if one.app is None else f"app:{one.app}"
        case Per.USER:
            return one.caller


class _Asked(NamedTuple):
    """A series that some tripwires of a grid watch. Most samples are beyond none of their limits: only where one is
    over `top` or under `floor` they are asked."""

    series: str
    which: int
    binned: bool  # whether quantiles are asked for
    floor: float
    top: float
    wires: tuple[Wire, ...]


def _asked(series: str, which: int, wires: Sequence[Wire]) -> _Asked:
    own = tuple(wire for wire in wires if wire.which == which)
    edges = [wire.normal.edges() for wire in own]
    return _Asked(
        series,
        which,
        any(one.tripwire.stat in (Stat.P50, Stat.P95) for one in own),
        max((floor for floor, _ in edges), default=-inf),
        min((top for _, top in edges), default=inf),
        own,
    )


class Grid:
    """All tripwires with the same `per` and `window`: they share their samples."""

    def __init__(self, per: Per, window_s: float, tripwires: Sequence[Tripwire]) -> None:
        self.per = per
        self.window_s = window_s
        self.slice_s = window_s / SLICES
        self.groups: OrderedDict[str, Window] = OrderedDict()
        self.forgotten = 0
        self.series = tuple(dict.fromkeys(one.series for one in tripwires))
        self.wires = tuple(Wire(one, self.series.index(one.series)) for one in tripwires)
        self._asked = tuple(_asked(series, which, self.wires) for which, series in enumerate(self.series))

    def take(self, group: str, batch: Batch) -> None:
        """Exchanges of that group."""
        window, many = self._window(group), batch.many
        first, last = int(many[0].at / self.slice_s), int(many[-1].at / self.slice_s)
        if first == last and len(many) > 1:
            self._add(group, window, first, batch)
        else:
            for one in many:
                self._add_one(group, window, int(one.at / self.slice_s), one)

    def _add_one(self, group: str, window: Window, at: int, one: Observation) -> None:
        """The same as `_add` of one: most callers are heard of once in a slice, and this is half the cost."""
        sums, values = window.open(at), one.values
        for series, which, binned, floor, top, wires in self._asked:
            value = values.get(series)
            if value is None:
                continue
            into = sums[which]
            if into is None:
                into = sums[which] = Sums(1, value, value)
            else:
                into.count += 1
                into.total += value
                if value > into.highest:
                    into.highest = value
            if binned:
                place = bin_of(value)
                if into.bins is None:
                    into.bins = {place: 1}
                else:
                    into.bins[place] = into.bins.get(place, 0) + 1
            if value > top or value < floor:
                for wire in wires:
                    wire.take(group, window, at, (one,), into.total)

    def _add(self, group: str, window: Window, at: int, batch: Batch) -> None:
        sums = window.open(at)
        # Written out, since every exchange comes here once for each series of each grid.
        for series, which, binned, floor, top, wires in self._asked:
            values = batch.values(series)
            if not values:
                continue
            highest = max(values)
            into = sums[which]
            if into is None:
                into = sums[which] = Sums(len(values), sum(values), highest)
            else:
                into.count += len(values)
                into.total += sum(values)
                if highest > into.highest:
                    into.highest = highest
            if binned:
                counts = into.bins
                if counts is None:
                    counts = into.bins = {}
                for place in batch.bins(series):
                    counts[place] = counts.get(place, 0) + 1
            if highest > top or (floor > -inf and min(values) < floor):
                for wire in wires:
                    wire.take(group, window, at, batch.many, into.total)

    def slice(self, now: float) -> int:
        return int(now / self.slice_s)

    def _window(self, group: str) -> Window:
        window = self.groups.get(group)
        if window is not None:
            self.groups.move_to_end(group)
            return window
        window = self.groups[group] = Window(len(self.series))
        if len(self.groups) > GROUPS_MAX:
            self._forget_one()
        return window

    def _forget_one(self) -> None:
        for _ in range(PINNED_LOOKS_MAX):
            oldest, window = next(iter(self.groups.items()))
            if not window.pins:
                break
            self.groups.move_to_end(oldest)
        self.groups.popitem(last=False)
        self.forgotten += 1

    def take_over(self, before: Grid) -> None:
        """What a grid of the same shape knows: its windows, as far as they hold the same metrics, and where its
        tripwires stand that watch the same metric still."""
        for group, window in before.groups.items():
            window = Window.of(window.as_json(before.series), self.series)
            if not window.empty:
                self.groups[group] = window
        old = {wire.tripwire.id: wire for wire in before.wires}
        for wire in self.wires:
            same = old.get(wire.tripwire.id)
            if same is not None and same.tripwire.series == wire.tripwire.series:
                wire.normal.take_over(same.normal)
                for group, held in same.held.items():
                    wire.adopt(group, self._window(group), held)
                same.held.clear()

    def window_json(self, window: Window) -> Json:
        """For a later process."""
        return window.as_json(self.series)

    def restore(self, windows: Json, held: Json) -> None:
        """Raises ValueError, TypeError, KeyError for what `window_json` and `held_json` did not make."""
        if not isinstance(windows, Mapping) or not isinstance(held, Mapping):
            raise ValueError("no windows")
        for group, slices in islice(windows.items(), GROUPS_MAX):
            self.groups[group] = Window.of(slices, self.series)
        for wire in self.wires:
            groups = held.get(wire.tripwire.id, {})
            if not isinstance(groups, Mapping):
                raise ValueError("nothing held")
            for group, stored in islice(groups.items(), HELD_MAX):
                window = self._window(group)
                wire.adopt(group, window, held_of(window, stored))
