"""The windows of every group that is taken together in one way, over one length of time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import islice
from math import inf
from typing import Final, NamedTuple

from proxy.model.observation import Metric, Observation
from proxy.model.record import Json
from proxy.model.tripwire import Per, Stat, Tripwire
from proxy.watch.histogram import bin_of
from proxy.watch.window import SLICES, Sums, Window
from proxy.watch.wire import HELD_MAX, Wire, held_of

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
    """A metric that some tripwires of a grid watch. Most samples are beyond none of their limits: only those over
    `top` or under `floor` are looked at."""

    metric: Metric
    which: int
    binned: bool  # whether quantiles are asked for
    top: float
    floor: float
    wires: tuple[Wire, ...]


def _asked(metric: Metric, which: int, wires: Sequence[Wire]) -> _Asked:
    own = tuple(wire for wire in wires if wire.which == which)
    limits = [wire.tripwire for wire in own]
    return _Asked(
        metric,
        which,
        any(one.stat in (Stat.P50, Stat.P95) for one in limits),
        min((one.above for one in limits if one.above is not None), default=inf),
        max((one.below for one in limits if one.below is not None), default=-inf),
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
        metrics = tuple(dict.fromkeys(one.metric for one in tripwires))
        self.wires = tuple(Wire(one, metrics.index(one.metric)) for one in tripwires)
        self._metrics = metrics
        self._asked = tuple(_asked(metric, which, self.wires) for which, metric in enumerate(metrics))

    def observe(self, one: Observation, group: str, bins: dict[Metric, int]) -> None:
        """An exchange of that group. `bins` has those of its values that were found already, and gets those that
        are not."""
        at = int(one.at / self.slice_s)
        window = self._window(group)
        sums = window.open(at)
        values = one.values
        # Written out, since every exchange comes here once for each metric of each grid.
        for metric, which, binned, top, floor, wires in self._asked:
            value = values.get(metric)
            if value is None:
                continue
            into = sums[which]
            if into is None:
                into = sums[which] = Sums(value)
            else:
                into.count += 1
                into.total += value
                if value > into.highest:
                    into.highest = value
            if binned:
                place = bins.get(metric)
                if place is None:
                    place = bins[metric] = bin_of(value)
                if into.bins is None:
                    into.bins = {place: 1}
                else:
                    into.bins[place] = into.bins.get(place, 0) + 1
            if value > top or value < floor:
                for wire in wires:
                    if wire.tripwire.beyond(value):
                        wire.note(group, window, at, one)

    def slice(self, now: float) -> int:
        return int(now / self.slice_s)

    def _window(self, group: str) -> Window:
        window = self.groups.get(group)
        if window is not None:
            self.groups.move_to_end(group)
            return window
        window = self.groups[group] = Window(len(self._metrics))
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
            window = Window.of(window.as_json(before._metrics), self._metrics)
            if not window.empty:
                self.groups[group] = window
        old = {wire.tripwire.id: wire for wire in before.wires}
        for wire in self.wires:
            same = old.get(wire.tripwire.id)
            if same is not None and same.tripwire.metric is wire.tripwire.metric:
                for group, held in same.held.items():
                    wire.adopt(group, self._window(group), held)
                same.held.clear()

    def window_json(self, window: Window) -> Json:
        """For a later process."""
        return window.as_json(self._metrics)

    def restore(self, windows: Json, held: Json) -> None:
        """Raises ValueError, TypeError, KeyError for what `window_json` and `held_json` did not make."""
        if not isinstance(windows, Mapping) or not isinstance(held, Mapping):
            raise ValueError("no windows")
        for group, slices in islice(windows.items(), GROUPS_MAX):
            self.groups[group] = Window.of(slices, self._metrics)
        for wire in self.wires:
            groups = held.get(wire.tripwire.id, {})
            if not isinstance(groups, Mapping):
                raise ValueError("nothing held")
            for group, stored in islice(groups.items(), HELD_MAX):
                window = self._window(group)
                wire.adopt(group, window, held_of(window, stored))
