"""Looks at the tripwires every few seconds, acts for those that fire, and keeps the watch's state on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import structlog

from proxy.detect.sentiment import load
from proxy.dial.control import Dial
from proxy.model.card import Card, card_for
from proxy.model.observation import Metric
from proxy.model.record import Json
from proxy.model.tripwire import Per, State
from proxy.respond import keep
from proxy.respond.act import Acts
from proxy.respond.alerts import Alerts
from proxy.respond.attribution import CHANGED_S
from proxy.respond.notice import Notice
from proxy.settings import ModelSettings
from proxy.watch.watch import Watch
from proxy.watch.wire import Turned

LOOK_S: Final = 5.0
KEEP_ROUNDS: Final = 2
"""Every how many looks the state is written. A crash loses the looks since."""
KEEP_LEARNED_ROUNDS: Final = 180
"""Likewise what was learned as normal, which is more and changes less: a quarter of an hour."""
WHY_GONE: Final = "the tripwire does not fire any more"

Row = TypeVar("Row")

_log = structlog.get_logger("proxy.respond")


class Responder:
    """Belongs to one event loop."""

    def __init__(
        self,
        watch: Watch,
        dial: Dial,
        models: Mapping[str, ModelSettings],
        path: Path,
        *,
        clock: Callable[[], float],
        alerts: Alerts,
    ) -> None:
        self._watch = watch
        self._models = models
        self._path = path
        self._learned_path = path.with_name("baselines.json")
        self._clock = clock
        self._alerts = alerts
        self._acts = Acts(dial, models)
        self._rounds = 0
        self._unwritten = set[Path]()
        self._learned_kept = asyncio.Lock()  # of two writes the later is the one to stay
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on where the process before was; what its tripwires did and need no more is taken back."""
        for path, restore in (
            (self._path, self._watch.restore),
            (self._learned_path, self._watch.restore_learned),
        ):
            try:
                stored = await asyncio.to_thread(keep.read, path)
                if stored is not None:
                    restore(stored)
            except (OSError, ValueError, TypeError, KeyError) as error:
                # Nothing that protects hangs on it: breaches that last are seen again, what is normal is learned.
                _log.error("tripwires_start_afresh", file=str(path), why=type(error).__name__)
        for id, group in self._acts.standing():
            if self._watch.standing(id, group) not in (State.FIRING, State.COOLING):
                done = await self._acts.undo(id, group, WHY_GONE)
                _log.warning("tripwire_swept", tripwire=id, per=group, done=done)

        self._task = asyncio.create_task(self._run(), name="tripwires")

    async def stop(self) -> None:
        """Keep everything for the next process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write(self._path, self._watch.as_json(everything=True))
        await self._keep_learned()

    async def relearn(self, id: str, group: str) -> int:
        """Have a tripwire learn anew what is normal for a group, also after a restart; how many samples it forgot.
        Raises KeyError where there are none."""
        forgot = self._watch.relearn(id, group)
        await self._keep_learned()
        return forgot

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.round()
            except Exception:  # noqa: BLE001  the fault boundary of a round: the next one looks at the other tripwires again
                _log.exception("tripwires_failed")

    async def round(self) -> None:
        """Look once at every tripwire."""
        if Metric.SENTIMENT in self._watch.asked:
            await asyncio.to_thread(load)
        for many in self._watch.look(self._clock()):
            for turned in many:
                await self.respond(turned)
            await asyncio.sleep(0)  # exchanges go on between one tripwire and the next
        self._rounds += 1
        if self._rounds % KEEP_ROUNDS == 0:
            await self._write(self._path, self._watch.as_json(everything=False))
        if self._rounds % KEEP_LEARNED_ROUNDS == 0:
            await self._keep_learned()

    async def respond(self, turned: Turned) -> None:
        """Act for a tripwire that fires, or take back what it did; and tell."""
        wire, done = turned.tripwire, list[str]()
        if turned.fires:
            for reaction in wire.then:
                if (said := await self._acts.react(turned, reaction)) is not None:
                    done.append(said)
        else:
            done += await self._acts.undo(wire.id, turned.group, turned.why or WHY_GONE)
        _log.warning(
            "tripwire_fires" if turned.fires else "tripwire_relaxes",
            tripwire=wire.id,
            per=turned.group,
            value=turned.value,
            samples=turned.samples,
            callers=turned.callers_count,
            examples=list(turned.examples),
            done=done,
        )
        self._alerts.tell(self.notice(turned, tuple(done)))

    def notice(self, turned: Turned, done: tuple[str, ...] = ()) -> Notice:
        """The message about it, with the model's card."""
        card, other, model = None, None, None
        if turned.tripwire.per is Per.MODEL:
            name = model = turned.group.removeprefix("model:")
            card = self._card(name)
            known = self._models.get(name)
            others = [] if known is None else [word for word in known.versions if word != known.serve]
            other = others[-1] if others else None
        before = self._watch.changes(model, turned.began - CHANGED_S, turned.began) if turned.fires else ()
        changes = tuple(f"{said}, {(turned.began - at) / 60:.0f} min before it began" for at, said in before)
        return Notice(turned, card, done, other, changes)

    def _card(self, model: str) -> Card | None:
        """The card of the version that answered last; else any of the model's."""
        inventory = self._watch.inventory
        in_use = next((one for one in inventory.in_use if one.model == model), None)
        names = in_use.names if in_use is not None else frozenset((model,))
        last = next(reversed(in_use.versions.values()), None) if in_use is not None else None
        found = card_for(inventory.cards, names, last.names if last is not None else frozenset())
        return found or next((card for card in inventory.cards if card.about(names)), None)

    async def _keep_learned(self) -> None:
        async with self._learned_kept:
            await self._write(self._learned_path, self._watch.learned_json())

    async def _write(self, path: Path, steps: Generator[None, None, dict[str, Json]]) -> None:
        state = await _collected(steps)
        try:
            await asyncio.to_thread(keep.write, path, state)
        except OSError as error:
            if path not in self._unwritten:
                _log.error("tripwires_not_kept", file=str(path), why=error.strerror)
            self._unwritten.add(path)
        else:
            self._unwritten.discard(path)


async def by_turns(rows: Iterable[Row], at_once: int = 1) -> list[Row]:
    """What the watch tells, with a turn for others after so many."""
    told = []
    for row in rows:
        told.append(row)
        if len(told) % at_once == 0:
            await asyncio.sleep(0)
    return told


async def _collected(steps: Generator[None, None, dict[str, Json]]) -> Json:
    """What the watch knows, with a turn for others between its groups."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            state: Json = end.value
            return state
        await asyncio.sleep(0)
