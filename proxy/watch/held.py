"""What a tripwire knows of a group that is not well, or of which a sample went beyond its limit."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from proxy.model.observation import Observation
from proxy.model.record import Json
from proxy.model.tripwire import State
from proxy.watch.breach import Breach
from proxy.watch.chart import Chart
from proxy.watch.window import SLICES, Window

EXAMPLES_MAX: Final = 5
CALLERS_MAX: Final = 64
"""Callers that are told apart in one slice of a window."""
WINDOWS_ADDED: Final = 6
"""Of so many windows that add up to a shift the callers are known."""


@dataclass(slots=True)
class Held:
    """One group of which a sample went beyond the limit within the window, or that is not well yet."""

    window: Window
    breach: Breach = field(default_factory=Breach)
    chart: Chart = field(default_factory=Chart)  # where the tripwire looks for a shift
    examples: deque[str] = field(default_factory=lambda: deque(maxlen=EXAMPLES_MAX))
    callers: deque[tuple[int, Counter[str]]] = field(default_factory=deque)  # by slice, of the samples beyond
    heard: float = 0.0  # the last look, in Unix seconds, at which the window had a sample

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
        """Callers are forgotten with their window, or later where windows add up."""
        kept = SLICES if self.chart.empty else SLICES * WINDOWS_ADDED
        while self.callers and self.callers[0][0] < at - kept:
            self.callers.popleft()

    def by_caller(self) -> Counter[str]:
        """Whose samples went beyond the limit."""
        together: Counter[str] = Counter()
        for _, counts in self.callers:
            together.update(counts)
        return together


def held_json(held: Held) -> Json:
    """For a later process."""
    callers: list[Json] = [[at, dict(counts)] for at, counts in held.callers]
    return {
        "breach": breach_json(held.breach),
        "chart": held.chart.as_json(),
        "callers": callers,
        "examples": list(held.examples),
        "heard": held.heard,
    }


def held_of(window: Window, stored: Json) -> Held:
    """Raises ValueError, TypeError, KeyError for what `held_json` did not make."""
    if not isinstance(stored, dict):
        raise ValueError("nothing held")
    held = Held(window, breach_of(stored["breach"]))
    if "chart" in stored:  # files of earlier versions have none
        held.chart = Chart.of(stored["chart"])
    heard = stored.get("heard")  # likewise
    held.heard = float(heard) if isinstance(heard, int | float) else held.breach.looked
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
