"""One tripwire over all its groups: what went beyond its limit, by whom, and where it stands."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from proxy.model.observation import Observation
from proxy.model.record import Json
from proxy.model.tripwire import Stat, State, Tripwire
from proxy.watch.breach import Breach, Verdict
from proxy.watch.chart import Chart
from proxy.watch.normal import Limits, Normal
from proxy.watch.window import SLICES, Window

HELD_MAX: Final = 256
"""Groups of one tripwire that are beyond its limit at the same time; what comes then waits for room."""
EXAMPLES_MAX: Final = 5
CALLERS_MAX: Final = 64
"""Callers that are told apart in one slice of a window."""


@dataclass(slots=True)
class Held:
    """One group of which a sample went beyond the limit within the window, or that is not well yet."""

    window: Window
    breach: Breach = field(default_factory=Breach)
    chart: Chart = field(default_factory=Chart)  # where the tripwire looks for a shift
    examples: deque[str] = field(default_factory=lambda: deque(maxlen=EXAMPLES_MAX))
    callers: deque[tuple[int, Counter[str]]] = field(default_factory=deque)  # by slice, of the samples beyond

    def note(self, at: int, one: Observation) -> None:
        if one.exchange:  # what was posted has none
            self.examples.append(one.exchange)
        if not self.callers or self.callers[-1][0] < at:
            self.callers.append((at, Counter()))
        counts = self.callers[-1][1]
        caller = one.caller or ""
        if caller in counts or len(counts) < CALLERS_MAX:
            counts[caller] += 1

    def move(self, at: int) -> None:
        while self.callers and self.callers[0][0] < at - SLICES:
            self.callers.popleft()

    def by_caller(self) -> Counter[str]:
        """Whose samples went beyond the limit."""
        together: Counter[str] = Counter()
        for _, counts in self.callers:
            together.update(counts)
        return together


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
            mine.examples, mine.callers = held.examples, held.callers

    def _verdict(self, group: str, held: Held, now: float) -> tuple[Verdict, float | None, int, Limits]:
        wire, window = self.tripwire, held.window
        samples = window.count(self.which)
        value = window.stat(self.which, wire.stat)
        limits = self.normal.of(group, now, samples)
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


def held_json(held: Held) -> Json:
    """For a later process."""
    callers: list[Json] = [[at, dict(counts)] for at, counts in held.callers]
    return {
        "breach": breach_json(held.breach),
        "chart": held.chart.as_json(),
        "callers": callers,
        "examples": list(held.examples),
    }


def held_of(window: Window, stored: Json) -> Held:
    """Raises ValueError, TypeError, KeyError for what `held_json` did not make."""
    if not isinstance(stored, dict):
        raise ValueError("nothing held")
    held = Held(window, breach_of(stored["breach"]))
    if "chart" in stored:  # files of earlier versions have none
        held.chart = Chart.of(stored["chart"])
    examples, callers = stored["examples"], stored["callers"]
    if not isinstance(examples, list) or not isinstance(callers, list):
        raise ValueError("no examples")
    held.examples.extend(str(one) for one in examples)
    for at, counts in callers:
        held.callers.append((int(at), Counter({str(caller): int(n) for caller, n in counts.items()})))
    return held


def breach_json(breach: Breach) -> dict[str, Json]:
    """For a later process."""
    return {
        "state": breach.state.word,
        "since": breach.since,
        "began": breach.began,
        "looked": breach.looked,
        "clear_s": breach.clear_s,
        "relaxed": breach.relaxed,
        "refires": breach.refires,
    }


def breach_of(stored: Json) -> Breach:
    """Raises ValueError, TypeError, KeyError for what `breach_json` did not make."""
    if not isinstance(stored, dict):
        raise ValueError("no breach")
    state, relaxed = str(stored["state"]), stored["relaxed"]
    times = [stored[key] for key in ("since", "began", "looked", "clear_s")]
    since, began, looked, clear_s = (float(time) for time in times if isinstance(time, int | float))
    return Breach(
        State[state.upper()],
        since,
        began,
        looked,
        clear_s,
        float(relaxed) if isinstance(relaxed, int | float) else None,
        int(str(stored["refires"])),
    )
