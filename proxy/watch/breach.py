"""When a tripwire fires and when it relaxes, as one table. Pure: time is passed in.

| state | too much | well | no news (too few samples) |
| --- | --- | --- | --- |
| ok | pending | ok | ok |
| pending | firing after `for` | ok | ok |
| firing | firing | cooling | firing |
| cooling | firing | ok after `keep_firing_for` of being well | cooling |

A model that was switched off yields no samples: that is no recovery. Time without news does not count towards
`keep_firing_for`. Each firing within an hour of the last recovery doubles it, so that a tripwire whose own
action makes it well does not open and close without end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from proxy.model.tripwire import State, Tripwire

REFIRE_S: Final = 3600.0
KEEP_FIRING_S_MAX: Final = 4 * 3600.0
STEP_S_MAX: Final = 60.0
"""The most that one look may count as time of being well: nobody looked in between."""


class Verdict(Enum):
    """What the window says now."""

    BREACHED = auto()
    CLEAR = auto()
    NO_NEWS = auto()


@dataclass(frozen=True, slots=True)
class Breach:
    """Where a tripwire stands for one group. Times in Unix seconds; `since` is when the state began."""

    state: State = State.OK
    since: float = 0.0
    began: float = 0.0  # when it last left ok
    looked: float = 0.0
    clear_s: float = 0.0  # how long it has been well, cooling
    relaxed: float | None = None  # when it last came back to ok from firing
    refires: int = 0

    def keep_firing_s(self, tripwire: Tripwire) -> float:
        """How long it must be well before it relaxes."""
        longest = max(tripwire.keep_firing_s, KEEP_FIRING_S_MAX)
        return min(tripwire.keep_firing_s * float(2 ** min(self.refires, 16)), longest)

    def step(self, tripwire: Tripwire, verdict: Verdict, now: float) -> Breach:
        """Where it stands after a look at `now`."""
        after = self._after(tripwire, verdict, now)
        return replace(after, looked=now)

    def _after(self, tripwire: Tripwire, verdict: Verdict, now: float) -> Breach:
        match self.state, verdict:
            case State.OK, Verdict.BREACHED:
                pending = replace(self, state=State.PENDING, since=now, began=now)
                return pending._fired(now) if tripwire.for_s <= 0 else pending
            case State.PENDING, Verdict.BREACHED:
                return self._fired(now) if now - self.since >= tripwire.for_s else self
            case State.PENDING, _:
                return replace(self, state=State.OK, since=now)
            case State.FIRING, Verdict.CLEAR:
                return replace(self, state=State.COOLING, since=now, clear_s=0.0)._cooled(tripwire, now)
            case State.COOLING, Verdict.BREACHED:
                return replace(self, state=State.FIRING, since=now)
            case State.COOLING, Verdict.CLEAR:
                passed_s = min(max(now - self.looked, 0.0), STEP_S_MAX)
                return replace(self, clear_s=self.clear_s + passed_s)._cooled(tripwire, now)
        return self

    def _fired(self, now: float) -> Breach:
        again = self.relaxed is not None and now - self.relaxed <= REFIRE_S
        return replace(self, state=State.FIRING, since=now, refires=self.refires + 1 if again else 0)

    def _cooled(self, tripwire: Tripwire, now: float) -> Breach:
        if self.clear_s < self.keep_firing_s(tripwire):
            return self
        return replace(self, state=State.OK, since=now, relaxed=now)
