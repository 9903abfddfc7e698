"""Takes what every exchange tells of its model, and says when a tripwire fires and when it is well again."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from itertools import islice
from typing import Final, Protocol

import structlog

from proxy.model.card import Card
from proxy.model.observation import Metric, Observation
from proxy.model.record import Json
from proxy.model.tripwire import Per, State, Tripwire
from proxy.watch.grid import Grid, group_of
from proxy.watch.inventory import Inventory
from proxy.watch.wire import Standing, Turned, held_json

STANDINGS_MAX: Final = 100
"""How many groups of one tripwire are shown that are well, those heard of last first."""
FORMAT: Final = 1

_log = structlog.get_logger("proxy.watch")


class WatchObserver(Protocol):
    """Told of what is noticed, for the metrics."""

    def on_uncarded(self, model: str | None) -> None:
        """An exchange of a model that has no card, or none for its version."""
        ...


class Watch:
    """All that is known of how models behave. Belongs to one event loop."""

    def __init__(self, observer: WatchObserver) -> None:
        self._observer = observer
        self.inventory = Inventory()
        self._grids: tuple[Grid, ...] = ()
        self._by_per: tuple[tuple[Per, tuple[Grid, ...]], ...] = ()
        self._dropped: list[Turned] = []

    @property
    def tripwires(self) -> tuple[Tripwire, ...]:
        """Those in force."""
        return tuple(wire.tripwire for grid in self._grids for wire in grid.wires)

    def take(self, cards: tuple[Card, ...], tripwires: tuple[Tripwire, ...], now: float) -> None:
        """A policy came into force. A tripwire that still watches the same thing goes on where it stands."""
        self.inventory.take(cards)
        shapes: dict[tuple[Per, float], list[Tripwire]] = {}
        for one in tripwires:
            shapes.setdefault((one.per, one.window_s), []).append(one)
        before = {(grid.per, grid.window_s): grid for grid in self._grids}
        self._grids = tuple(Grid(*shape, group) for shape, group in shapes.items())
        per_grids = ((per, tuple(grid for grid in self._grids if grid.per is per)) for per in Per)
        self._by_per = tuple((per, grids) for per, grids in per_grids if grids)
        for grid in self._grids:
            old = before.get((grid.per, grid.window_s))
            if old is not None:
                grid.take_over(old)
        for old in before.values():
            for wire in old.wires:
                self._dropped.extend(wire.drop(now, "the tripwire was changed or removed"))

    def observe(self, one: Observation) -> None:
        """An exchange ended. Called once for each, on the event loop."""
        noted = self.inventory.note(one)
        if noted is not None and not noted[0].carded:
            seen, new = noted
            self._observer.on_uncarded(one.model)
            if new:
                _log.warning(
                    "model_without_card",
                    model=one.model,
                    version=seen.version,
                    sent=seen.sent,
                    served=seen.served,
                )
        bins: dict[Metric, int] = {}
        for per, grids in self._by_per:
            group = group_of(per, one)
            if group is not None:
                for grid in grids:
                    grid.observe(one, group, bins)

    def look(self, now: float) -> Iterator[tuple[Turned, ...]]:
        """Judge every tripwire, one at a time, so that whoever calls can give others their turn in between."""
        if self._dropped:
            dropped, self._dropped = tuple(self._dropped), []
            yield dropped
        for grid in self._grids:
            at = grid.slice(now)
            for wire in grid.wires:
                yield tuple(wire.look(at, now))

    def standings(self, now: float) -> Iterator[Standing]:
        """Where every tripwire stands, for each group that it knows, those that are not well first; where there is
        none yet, once for all."""
        for grid in self._grids:
            at = grid.slice(now)
            for window in grid.groups.values():
                window.move(at)
            for wire in grid.wires:
                held = [name for name, one in wire.held.items() if one.breach.state is not State.OK]
                others = (name for name in reversed(grid.groups) if name not in held)
                for group in (*held, *islice(others, STANDINGS_MAX)):
                    window = wire.held[group].window if group in wire.held else grid.groups[group]
                    yield wire.standing(group, window)
                if not wire.held and not grid.groups:
                    yield Standing(wire.tripwire, str(grid.per), State.OK, None, None, 0)

    def worst(
        self, now: float, models: Collection[str], apps: Collection[str]
    ) -> Iterator[tuple[str, str, int, float | None, float | None]]:
        """As metrics: for each tripwire id, group, state, value and threshold. Groups that are not of the settings
        are one, `other`, and callers one, `user`; of those the worst that went beyond the limit is told, since a
        scrape must not add up the windows of thousands."""
        names = {Per.MODEL: [f"model:{one}" for one in models], Per.APP: [f"app:{one}" for one in apps]}
        for grid in self._grids:
            known = [one for one in names.get(grid.per, ["global"]) if one in grid.groups]
            at = grid.slice(now)
            for wire in grid.wires:
                told: dict[str, Standing] = {}
                for group in dict.fromkeys((*known, *wire.held)):
                    window = wire.held[group].window if group in wire.held else grid.groups[group]
                    window.move(at)
                    one = wire.standing(group, window)
                    key = group if group in known else "user" if grid.per is Per.USER else "other"
                    if key not in told or _badness(one) > _badness(told[key]):
                        told[key] = one
                if grid.per is Per.USER and not told:
                    told["user"] = Standing(wire.tripwire, "user", State.OK, None, None, 0)
                for per, one in told.items():
                    yield wire.tripwire.id, per, int(one.state), one.value, wire.tripwire.threshold

    def standing(self, id: str, group: str) -> State:
        """Where one tripwire stands for one group; ok for those that there are not."""
        for grid in self._grids:
            for wire in grid.wires:
                if wire.tripwire.id == id and group in wire.held:
                    return wire.held[group].breach.state
        return State.OK

    def as_json(self, *, everything: bool) -> Generator[None, None, dict[str, Json]]:
        """What a later process goes on with: where the tripwires stand and the windows that they need; or all
        windows, of which there may be many. A group at a time, so that whoever calls can give others their turn."""
        grids: list[Json] = []
        for grid in self._grids:
            held: dict[str, Json] = {}
            windows: dict[str, Json] = {}
            for wire in grid.wires:
                standing: dict[str, Json] = {}
                for group, one in tuple(wire.held.items()):
                    standing[group] = held_json(one)
                    windows[group] = grid.window_json(one.window)
                    yield
                held[wire.tripwire.id] = standing
            for group, window in tuple(grid.groups.items()) if everything else ():
                if not window.empty:
                    windows[group] = grid.window_json(window)
                    yield
            grids.append({"per": grid.per, "window_s": grid.window_s, "windows": windows, "held": held})
        return {"format": FORMAT, "grids": grids}

    def restore(self, stored: Json) -> None:
        """Go on where an earlier process was; after `take`. Raises ValueError, TypeError, KeyError for what
        `as_json` did not make."""
        if not isinstance(stored, Mapping) or stored["format"] != FORMAT:
            raise ValueError("another format")
        entries = stored["grids"]
        assert isinstance(entries, list)
        known = {(str(one["per"]), one["window_s"]): one for one in entries if isinstance(one, dict)}
        for grid in self._grids:
            entry = known.get((str(grid.per), grid.window_s))
            if entry is not None:
                grid.restore(entry["windows"], entry["held"])


def _badness(one: Standing) -> tuple[int, float]:
    value = 0.0 if one.value is None else one.value
    return (int(one.state), -value if one.tripwire.above is None else value)
