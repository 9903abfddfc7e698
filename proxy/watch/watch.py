"""Takes what every exchange tells of its model, and says when a tripwire fires and when it is well again."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final, Protocol

import structlog

from proxy.model.card import Card
from proxy.model.observation import Metric, Observation
from proxy.model.record import Json
from proxy.model.tripwire import Per, State, Tripwire
from proxy.watch.gather import Gather
from proxy.watch.grid import Grid
from proxy.watch.held import held_json
from proxy.watch.inventory import Inventory
from proxy.watch.learned import FORMAT, learned_json, restore_learned
from proxy.watch.prompts import Prompts
from proxy.watch.unread import Unread
from proxy.watch.wire import Standing, Turned, Wire

STANDINGS_MAX: Final = 100
"""How many groups of one tripwire are shown that are well, those heard of last first."""
FRESH_MAX: Final = 64
"""Exchanges that wait to be taken into the windows together; a look takes them in any case."""
LEARN_AT_ONCE: Final = 8
CHANGES_MAX: Final = 100
"""Changes of versions and of the policy that are remembered, the latest."""

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
        self._gathers: tuple[Gather, ...] = ()
        self._dropped: list[Turned] = []
        self._digest = ""
        self._changes: deque[tuple[float, str | None, str]] = deque(maxlen=CHANGES_MAX)
        self._prompts = Prompts()
        self._fresh: list[Observation] = []  # that are in no window yet
        self._unread = Unread()
        self.asked: frozenset[str] = frozenset()
        """The series that some tripwire watches: what others would cost need not be paid."""

    @property
    def tripwires(self) -> tuple[Tripwire, ...]:
        """Those in force."""
        return tuple(wire.tripwire for grid in self._grids for wire in grid.wires)

    def take(
        self, cards: tuple[Card, ...], tripwires: tuple[Tripwire, ...], now: float, digest: str = ""
    ) -> None:
        """A policy came into force. A tripwire that still watches the same thing goes on where it stands."""
        self._fold()
        if self._digest and digest != self._digest:
            self._changes.append((now, None, f"the policy {digest[:12]} came into force"))
        self._digest = digest
        self.inventory.take(cards)
        self.asked = frozenset(one.series for one in tripwires)
        shapes: dict[tuple[Per, float], list[Tripwire]] = {}
        for one in tripwires:
            shapes.setdefault((one.per, one.window_s), []).append(one)
        before = {(grid.per, grid.window_s): grid for grid in self._grids}
        self._grids = tuple(Grid(*shape, group) for shape, group in shapes.items())
        waiting = {gather.per: gather for gather in self._gathers}
        kinds = dict.fromkeys(grid.per for grid in self._grids)
        self._gathers = tuple(Gather(per, [g for g in self._grids if g.per is per]) for per in kinds)
        for gather in self._gathers:
            if gather.per in waiting:
                gather.take_over(waiting[gather.per])
        for grid in self._grids:
            old = before.get((grid.per, grid.window_s))
            if old is not None:
                grid.take_over(old)
        for old in before.values():
            for wire in old.wires:
                self._dropped.extend(wire.drop(now, "the tripwire was changed or removed"))

    def changes(self, model: str | None, since: float, until: float) -> tuple[tuple[float, str], ...]:
        """What changed for a model between two times, or of everything that concerns all; the latest first."""
        about = (None, model)
        found = ((at, said) for at, of, said in self._changes if of in about and since <= at <= until)
        return tuple(sorted(found, reverse=True))

    def observe(self, one: Observation) -> None:
        """An exchange ended. Called once for each, on the event loop."""
        noted = self.inventory.note(one)
        if noted is not None and noted[0].began == one.at and noted[2]:
            version = one.version or one.served or one.sent
            self._changes.append((one.at, one.model, f"{one.model} was served as {version} anew"))
        if noted is not None and not noted[0].carded:
            seen, new, _ = noted
            self._observer.on_uncarded(one.model)
            if new:
                _log.warning(
                    "model_without_card",
                    model=one.model,
                    version=seen.version,
                    sent=seen.sent,
                    served=seen.served,
                )
        if one.prompt is not None and one.caller is not None:
            said = float(self._prompts.new((one.caller, one.prompt)))
            one = replace(one, values={**one.values, Metric.NEW_PROMPTS: said})
        self._unread.add(one)
        self._take(one)

    def external(self, name: str, value: float, now: float, model: str | None, app: str | None) -> bool:
        """A sample from elsewhere, of a model, of an app, or of neither; False where no tripwire watches it."""
        series = f"{Metric.EXTERNAL}:{name}"
        if series not in self.asked:
            return False
        self._take(Observation(now, "", model, frozenset(), None, None, None, app, None, {series: value}))
        return True

    @property
    def external_names(self) -> tuple[str, ...]:
        """The series from elsewhere that some tripwire watches."""
        return tuple(sorted({wire.name for wire in self.tripwires if wire.name is not None}))

    def probed(self, one: Observation) -> None:
        """What a probe found: nobody's exchange, and no sign of life of its model."""
        self._take(one)

    def _take(self, one: Observation) -> None:
        self._fresh.append(one)
        if len(self._fresh) >= FRESH_MAX:
            self._fold()

    def _fold(self) -> None:
        """Take what came into the windows."""
        fresh, self._fresh = self._fresh, []
        if fresh:
            for gather in self._gathers:
                gather.take(fresh)

    def look(self, now: float) -> Iterator[tuple[Turned, ...]]:
        """Judge every tripwire, one at a time, so that whoever calls can give others their turn in between."""
        for samples in self._unread.read():
            for one in samples:
                self._take(one)
            yield ()
        self._fold()
        if self._dropped:
            dropped, self._dropped = tuple(self._dropped), []
            yield dropped
        for grid in self._grids:
            at = grid.slice(now)
            for wire in grid.wires:
                for _ in wire.normal.refresh(now):
                    yield ()
                yield tuple(wire.look(at, now))
        for _ in self._learn(now):
            yield ()

    def _learn(self, now: float) -> Iterator[None]:
        """Have those that compare with what is normal learn it, of groups of which nothing is wrong; a few groups
        at a time."""
        learning = [(grid, wire) for grid in self._grids for wire in grid.wires if wire.normal.due(now)]
        if not learning:
            return
        alarming = (State.FIRING, State.COOLING)
        wires = [wire for grid in self._grids for wire in grid.wires]
        wrong = {name for one in wires for name, held in one.held.items() if held.breach.state in alarming}
        if "global" in wrong:
            return
        for gather in self._gathers:
            if any(wire.tripwire.per is gather.per for _, wire in learning):
                gather.settle(gather.waiting)  # no callers, so they are few
        for grid, wire in learning:
            at = grid.slice(now)
            for n, (group, window) in enumerate(tuple(grid.groups.items())):
                window.move(at)
                wire.learn(group, window, now, wrong=group in wrong)
                if n % LEARN_AT_ONCE == 0:
                    yield

    def standings(self, now: float) -> Iterator[Standing]:
        """Where every tripwire stands, for each group that it knows, those that are not well first; where there is
        none yet, once for all. Whoever asks can give others their turn after each."""
        self._fold()
        for gather in self._gathers:
            gather.settle(gather.waiting[:STANDINGS_MAX])
        for grid in self._grids:
            at = grid.slice(now)
            for window in grid.groups.values():
                window.move(at)
            for wire in grid.wires:
                held = [name for name, one in wire.held.items() if one.breach.state is not State.OK]
                others = (name for name in reversed(grid.groups) if name not in held)
                windows = [(name, wire.held[name].window) for name in held]
                windows += [(name, grid.groups[name]) for name in islice(others, STANDINGS_MAX)]
                for group, window in windows:
                    yield wire.standing(group, window, now)
                if not wire.held and not grid.groups:
                    yield wire.unheard(str(grid.per), now)

    def worst(
        self, now: float, models: Collection[str], apps: Collection[str]
    ) -> Iterator[tuple[str, str, int, float | None, float | None]]:
        """As metrics: for each tripwire id, group, state, value and threshold. Groups that are not of the settings
        are one, `other`, and callers one, `user`; of those the worst that went beyond the limit is told, since a
        scrape must not add up the windows of thousands. Whoever asks can give others their turn after each."""
        self._fold()
        names = {Per.MODEL: [f"model:{one}" for one in models], Per.APP: [f"app:{one}" for one in apps]}
        for gather in self._gathers:
            gather.settle(names.get(gather.per, ["global"]))
        for grid in self._grids:
            at = grid.slice(now)
            for wire in grid.wires:
                known = [one for one in names.get(grid.per, ["global"]) if one in grid.groups]
                told: dict[str, Standing] = {}
                for group in dict.fromkeys((*known, *wire.held)):
                    window = wire.held[group].window if group in wire.held else grid.groups[group]
                    window.move(at)
                    one = wire.standing(group, window, now)
                    key = group if group in known else "user" if grid.per is Per.USER else "other"
                    if key not in told or _badness(one) > _badness(told[key]):
                        told[key] = one
                if grid.per is Per.USER and not told:
                    told["user"] = wire.unheard("user", now)
                for per, one in told.items():
                    yield wire.tripwire.id, per, int(one.state), one.value, one.limits.threshold

    def standing(self, id: str, group: str) -> State:
        """Where one tripwire stands for one group; ok for those that there are not."""
        wire = self._wire(id)
        return State.OK if wire is None else wire.state(group)

    def relearn(self, id: str, group: str) -> int:
        """Forget what a tripwire holds for normal in a group; how many samples that was. Raises KeyError where it
        has learned nothing."""
        wire = self._wire(id)
        if wire is None:
            raise KeyError(id)
        return wire.normal.forget(group)

    def _wire(self, id: str) -> Wire | None:
        return next((wire for grid in self._grids for wire in grid.wires if wire.tripwire.id == id), None)

    def as_json(self, *, everything: bool) -> Generator[None, None, dict[str, Json]]:
        """What a later process goes on with: where the tripwires stand and the windows that they need; or all
        windows, of which there may be many. A group at a time, so that whoever calls can give others their turn."""
        self._fold()
        for gather in self._gathers if everything else ():
            for group in gather.waiting:
                gather.settle((group,))
                yield
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

    def learned_json(self) -> Generator[None, None, dict[str, Json]]:
        """What is normal, for a later process; by group, as above."""
        return learned_json(self._grids)

    def restore_learned(self, stored: Json) -> None:
        """After `take`; likewise. What was learned of something else is left out."""
        restore_learned(self._grids, stored)


def _badness(one: Standing) -> tuple[int, float]:
    value = 0.0 if one.value is None else one.value
    return (int(one.state), -value if one.limits.top is None else value)
