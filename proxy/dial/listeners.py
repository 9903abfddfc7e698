"""Who is told when the dial is turned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from proxy.dial.board import Effective
from proxy.model.level import Level
from proxy.model.subject import Reach


class Live(Protocol):
    """An exchange under way. Compared by identity."""

    @property
    def reach(self) -> Reach: ...

    @property
    def began(self) -> Level: ...

    def tightened(self, effective: Effective) -> None:
        """A stricter level holds for it from now on. Called on the event loop, and must not block."""
        ...


class DialObserver(Protocol):
    """Told of turns, for the metrics."""

    def on_change(self, actor_kind: str, level: Level) -> None:
        """Somebody turned the dial; `level` is what their scope holds after it."""
        ...

    def on_level(self, scope: str, level: Level | None) -> None:
        """The strictest setting of that scope now; None when nothing is set there any more."""
        ...

    def on_restraints(self, counts: Mapping[str, int]) -> None:
        """How many of each kind hold now."""
        ...

    def on_unstored(self, changes: int) -> None:
        """How many changes hold but are not stored."""
        ...

    def on_dropped(self, changes: int) -> None:
        """Changes that hold and will never be on the trail: too many waited for the store."""
        ...


class Unobserved:
    """Nobody is told."""

    def on_change(self, actor_kind: str, level: Level) -> None: ...
    def on_level(self, scope: str, level: Level | None) -> None: ...
    def on_restraints(self, counts: Mapping[str, int]) -> None: ...
    def on_unstored(self, changes: int) -> None: ...
    def on_dropped(self, changes: int) -> None: ...
