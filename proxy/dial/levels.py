"""What each level of the dial permits, as one table, and which turns loosen it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from proxy.model.level import Level

DEFAULT = Level.GUARDED
"""The level where no setting matches."""


@dataclass(frozen=True, slots=True)
class Permits:
    """One row of the table: what happens to an exchange at a level."""

    enforces: bool  # rules act on what they find; without it they are evaluated, counted and logged
    strict_actions: bool  # the `levels:` of rules apply
    edits_request: bool  # the request is cut down to what `containment.degraded` leaves
    allow_list: bool  # only who is on `containment.restricted.allow` is served
    serves: bool  # the backend is asked at all


PERMITS: Mapping[Level, Permits] = MappingProxyType(
    {
        Level.OPEN: Permits(False, False, False, False, True),
        Level.GUARDED: Permits(True, False, False, False, True),
        Level.DEGRADED: Permits(True, True, True, False, True),
        Level.RESTRICTED: Permits(True, True, True, True, True),
        Level.KILLED: Permits(True, True, True, True, False),
    }
)


def loosens(before: Level | None, after: Level | None) -> bool:
    """Whether turning one scope from `before` to `after` (None: nothing set) may loosen any exchange.

    Setting `open` counts as loosening even where it was open already: it may hold for longer. Taking
    `guarded` away counts too, since it may be what keeps a scope from a wider `open`. So only a turn that can
    loosen nothing, whatever else is set, is free to take effect before it is stored.
    """
    if after is None:
        return before is not None and before > Level.OPEN
    if after is Level.OPEN:
        return True
    return before is not None and after < before
