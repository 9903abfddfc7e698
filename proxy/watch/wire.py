"""One tripwire over all its groups: what went beyond its limit, by whom, and where it stands."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from proxy.model.observation import Observation
from proxy.model.tripwire import Per, Stat, State, Tripwire
from proxy.watch.breach import Breach, Verdict
from proxy.watch.chart import Chart
from proxy.watch.held import Held
from proxy.watch.normal import Limits, Normal
from proxy.watch.window import SLICES, Window

HELD_MAX: Final = 256
"""Groups of one tripwire that are beyond its limit at the same time; what comes then waits for room."""
GONE_S: Final = 86_400.0
"""For a caller who was silent for so long no tripwire fires any more. Where no more can be held, it is enough to be
silent for as long as it takes to be well."""
WHY_GONE: Final = "nothing more was heard of this caller"


@dataclass(frozen=True, slots=True)
class Turned:
    """A tripwire that began to fire, or that is well again, for one group."""

    tripwire: Tripwire
    group: str
    fires: bool
    at: float
    began: float  # when it first was too much
    value: float | None = None
    samples: int = 0
    callers: tuple[tuple[str, int], ...] = ()  # of the samples beyond the limit, the most first
    callers_count: int = 0
    examples: tuple[str, ...] = ()
    why: str = ""  # where it does not fire any more for another reason than being well
    limits: Limits = field(default_factory=Limits)
    beyond: int = 0  # samples beyond the limit whose callers are known


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a tripwire stands for one group."""

    tripwire: Tripwire
    group: str
    state: State
    since: float | None  # null where it never was anything but ok
    value: float | None
    samples: int
    limits: Limits
    adds_up: float | None  # of what makes it fire, where it looks for a shift


class Wire:
    """Belongs to the watch, which gives it its windows."""

    def __init__(self, tripwire: Tripwire, which: int) -> None:
        self.tripwire = tripwire
        self.which = which  # the place of its metric in the windows
        self.normal = Normal(tripwire)
        self.held: OrderedDict[str, Held] = OrderedDict()
        self.crowded = 0  # samples beyond the limit that found no room

    def take(self, group: str, window: Window, at: int, many: Sequence[Observation], total: float) -> None:
        """Note what went beyond the limit; `total` is what the slice `at` of the window holds together."""
        limits, series = self.normal.tightest(group), self.tripwire.series
        # A sum can be too much without any sample that is: then one of the slices has its part of that.
        part = None if limits.top is None or self.tripwire.stat is not Stat.SUM else limits.top / (SLICES + 1)
        all_of_it = part is not None and total > part
        for one in many:
            value = one.values.get(series)
            if value is not None and (all_of_it or limits.beyond(value)):
                self._note(group, window, at, one)

    def _note(self, group: str, window: Window, at: int, one: Observation) -> None:
        held = self.held.get(group)
        if held is None:
            held = self._hold(group, window)
            if held is None:
                self.crowded += 1
                return
        elif held.window is not window:  # the one that it had was forgotten
            held.window = window
            window.pins += 1
        held.note(at, one)

    def _hold(self, group: str, window: Window) -> Held | None:
        if len(self.held) >= HELD_MAX:
            old = next((name for name, held in self.held.items() if held.breach.state is State.OK), None)
            if old is None:
                return None
            self._let_go(old)
        window.pins += 1
        held = self.held[group] = Held(window)
        return held

    def _let_go(self, group: str) -> Held:
        held = self.held.pop(group)
        held.window.pins -= 1
        return held

    def look(self, at: int, now: float) -> Iterator[Turned]:
        """Judge every group that is held, at the slice `at`; those that turned. After `normal.refresh`."""
        for group, held in tuple(self.held.items()):
            held.window.move(at)
            held.move(at)
            before = held.breach
            verdict, value, samples, limits = self._verdict(group, held, now)
            held.breach = after = before.step(self.tripwire, verdict, now)
            fired = after.state is State.FIRING and before.state in (State.OK, State.PENDING)
            relaxed = after.state is State.OK and before.state in (State.FIRING, State.COOLING)
            if fired or relaxed:
                yield self._turned(group, held, fired, now, value, samples, limits)
            quiet = not held.callers and held.chart.empty and not _remembers(after, now)
            if after.state is State.OK and quiet:
                self._let_go(group)
        yield from self._gone(now)

    def _gone(self, now: float) -> Iterator[Turned]:
        """Callers who were blocked, or left, never are well again: else the tripwire were full of them one day."""
        if self.tripwire.per is not Per.USER:
            return
        least_s = self.tripwire.keep_firing_s if len(self.held) >= HELD_MAX else GONE_S
        for group, held in tuple(self.held.items()):
            silent_s = now - held.heard
            if silent_s > 0 and silent_s >= least_s and held.breach.state is not State.OK:
                self._let_go(group)
                limits = self.normal.of(group, now, 0)
                yield self._turned(group, held, False, now, None, 0, limits, WHY_GONE)

    def drop(self, now: float, why: str) -> Iterator[Turned]:
        """It is no more: what fires stops."""
        for group in tuple(self.held):
            held = self._let_go(group)
            if held.breach.state in (State.FIRING, State.COOLING):
                limits = self.normal.of(group, now, 0)
                yield self._turned(group, held, False, now, None, 0, limits, why)

    def standing(self, group: str, window: Window, now: float) -> Standing:
        held = self.held.get(group)
        breach = held.breach if held is not None else Breach()
        chart = held.chart if held is not None else Chart()
        samples = window.count(self.which)
        return Standing(
            self.tripwire,
            group,
            breach.state,
            breach.since or None,
            window.stat(self.which, self.tripwire.stat),
            samples,
            self.normal.of(group, now, samples),
            max(chart.above, chart.below) if self.tripwire.adds_up else None,
        )

    def unheard(self, group: str, now: float) -> Standing:
        """Where it stands while there is no sample of anybody."""
        adds_up = 0.0 if self.tripwire.adds_up else None
        return Standing(self.tripwire, group, State.OK, None, None, 0, self.normal.of(group, now, 0), adds_up)

    def state(self, group: str) -> State:
        """Where it stands."""
        held = self.held.get(group)
        return State.OK if held is None else held.breach.state

    def learn(self, group: str, window: Window, now: float, *, wrong: bool) -> None:
        """Take what a group's window says for normal, unless something is wrong with it or it says too little."""
        if wrong or self.state(group) is not State.OK:
            return
        value, samples = window.stat(self.which, self.tripwire.stat), window.count(self.which)
        if value is not None and samples >= self.tripwire.min_samples:
            self.normal.learn(group, now, value, samples)

    def adopt(self, group: str, window: Window, held: Held) -> None:
        """Go on where an earlier wire was."""
        mine = self._hold(group, window)
        if mine is not None:
            mine.breach, mine.chart = held.breach, held.chart
            mine.examples, mine.callers, mine.heard = held.examples, held.callers, held.heard

    def _verdict(self, group: str, held: Held, now: float) -> tuple[Verdict, float | None, int, Limits]:
        wire, window = self.tripwire, held.window
        samples = window.count(self.which)
        value = window.stat(self.which, wire.stat)
        limits = self.normal.of(group, now, samples)
        if samples:
            held.heard = now
        if value is None or samples < wire.min_samples:
            held.chart = replace(held.chart, looked=now)
            return Verdict.NO_NEWS, value, samples, limits
        if wire.adds_up:
            held.chart = held.chart.step(wire, limits, value, samples, now)
        if not (held.chart.full if wire.adds_up else limits.beyond(value)):
            return Verdict.CLEAR, value, samples, limits
        # Once it fires, fewer callers are no recovery: those who left may have been driven away.
        enough = held.breach.state in (State.FIRING, State.COOLING) or self._subjects(held, wire.min_subjects)
        return (Verdict.BREACHED if enough else Verdict.CLEAR), value, samples, limits

    def _subjects(self, held: Held, least: int) -> bool:
        return least <= 1 or len(held.by_caller()) >= least

    def _turned(
        self,
        group: str,
        held: Held,
        fires: bool,
        now: float,
        value: float | None,
        samples: int,
        limits: Limits,
        why: str = "",
    ) -> Turned:
        callers = held.by_caller()
        return Turned(
            self.tripwire,
            group,
            fires,
            now,
            held.breach.began,
            value,
            samples,
            tuple(callers.most_common(3)),
            len(callers),
            tuple(held.examples),
            why,
            limits,
            callers.total(),
        )


def _remembers(breach: Breach, now: float) -> bool:
    """Whether its last recovery still counts for the next firing."""
    return breach.relaxed is not None and now - breach.relaxed <= 3600.0
