"""Alerts on their way: who is told of what, put together, sent again until it arrives, and never in anyone's way.

Each target has a queue and a task of its own. Of one incident (a tripwire and a group) the queue holds the newest
word only; what waits at the same time goes out as one message.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from proxy.respond.channels import Channel, NotDelivered, channel_for
from proxy.respond.notice import Notice
from proxy.settings import AlertTarget

WAITING_MAX: Final = 1000
"""Incidents that wait for one target; of more, the oldest is dropped."""
GATHER_S: Final = 1.0
"""How long a message waits for others that belong to the same moment."""
RETRY_FIRST_S: Final = 2.0
RETRY_MAX_S: Final = 120.0
KEEP_S: Final = 6 * 3600.0
"""An alert that could not be delivered for so long is dropped."""
FLUSH_S: Final = 3.0
"""How long a stop waits for what is on its way."""
_SEVERITIES: Final = ("low", "medium", "high", "critical")

_log = structlog.get_logger("proxy.alerts")


class AlertObserver(Protocol):
    """Told what becomes of alerts, for the metrics."""

    def on_alert(self, target: str, outcome: str) -> None:
        """`sent`, `dropped`, or why a delivery failed: `timeout`, `refused`, `unreachable`; `unknown_target`."""
        ...

    def on_alerts_waiting(self, target: str, count: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a drill at one target."""

    target: str
    error: str | None


class Alerts:
    """All targets. Belongs to one event loop."""

    def __init__(
        self,
        targets: Sequence[AlertTarget],
        observer: AlertObserver,
        *,
        clock: Callable[[], float],
        channels: Mapping[str, Channel] | None = None,
        gather_s: float = GATHER_S,
        retry_first_s: float = RETRY_FIRST_S,
    ) -> None:
        self._observer = observer
        self._clock = clock
        made = channels or {one.name: channel_for(one) for one in targets}
        self._queues = {
            one.name: _Queue(one, made[one.name], observer, clock, gather_s, retry_first_s) for one in targets
        }

    @property
    def targets(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._queues)

    def tell(self, notice: Notice) -> None:
        """Take a notice for all whom it concerns. Never waits."""
        for name in notice.targets:
            queue = self._queues.get(name)
            if queue is not None:
                queue.put(notice)
            elif name in notice.named:
                self._observer.on_alert("unknown", "unknown_target")
                _log.error("alert_target_unknown", target=name, tripwire=notice.turned.tripwire.id)

    async def drill(self, notice: Notice, targets: Sequence[str]) -> tuple[Tried, ...]:
        """Send it to these targets, once, past their queues and severities; how that went."""
        return tuple(await asyncio.gather(*(self._queues[name].drill(notice) for name in targets)))

    async def stop(self) -> None:
        """Give what waits a last chance, and close."""
        await asyncio.gather(*(queue.stop() for queue in self._queues.values()))


class _Queue:
    """One target: what waits for it, and the task that delivers it."""

    def __init__(
        self,
        target: AlertTarget,
        channel: Channel,
        observer: AlertObserver,
        clock: Callable[[], float],
        gather_s: float,
        retry_first_s: float,
    ) -> None:
        self._target = target
        self._channel = channel
        self._observer = observer
        self._clock = clock
        self._gather_s = gather_s
        self._retry_first_s = retry_first_s
        self._waiting: OrderedDict[tuple[str, str], tuple[float, Notice]] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def put(self, notice: Notice) -> None:
        if _SEVERITIES.index(notice.turned.tripwire.severity) < _SEVERITIES.index(self._target.min_severity):
            return
        since, _ = self._waiting.pop(notice.key, (self._clock(), notice))
        self._waiting[notice.key] = (since, notice)
        if len(self._waiting) > WAITING_MAX:
            self._drop(next(iter(self._waiting)))
        self._count()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._deliver(), name="alerts")

    async def drill(self, notice: Notice) -> Tried:
        try:
            await self._channel.send((notice,), self._clock())
        except NotDelivered as error:
            self._observer.on_alert(self._target.name, error.reason)
            return Tried(self._target.name, str(error))
        self._observer.on_alert(self._target.name, "sent")
        return Tried(self._target.name, None)

    async def stop(self) -> None:
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=FLUSH_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._waiting:
            _log.error(
                "alerts_lost", target=self._target.name, count=len(self._waiting), why="the proxy stops"
            )
        await self._channel.close()

    async def _deliver(self) -> None:
        """Until nothing waits any more."""
        await self._pause(self._gather_s)
        wait_s = self._retry_first_s
        while self._waiting:
            taken = dict(self._waiting)
            try:
                await self._channel.send([notice for _, notice in taken.values()], self._clock())
            except NotDelivered as error:
                self._observer.on_alert(self._target.name, error.reason)
                _log.error(
                    "alert_not_delivered",
                    target=self._target.name,
                    reason=error.reason,
                    detail=str(error),
                    waiting=len(self._waiting),
                )
                self._drop_old()
                if self._stopping.is_set():
                    return
                await self._pause(wait_s)
                wait_s = min(wait_s * 2, RETRY_MAX_S)
                continue
            wait_s = self._retry_first_s
            self._observer.on_alert(self._target.name, "sent")
            for key, one in taken.items():
                if self._waiting.get(key) is one:  # nothing newer came meanwhile
                    del self._waiting[key]
            self._count()

    async def _pause(self, seconds: float) -> None:
        """No longer than until the proxy stops."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _drop_old(self) -> None:
        for key, (since, _) in tuple(self._waiting.items()):
            if self._clock() - since > KEEP_S:
                self._drop(key)
        self._count()

    def _drop(self, key: tuple[str, str]) -> None:
        del self._waiting[key]
        self._observer.on_alert(self._target.name, "dropped")
        _log.error("alert_dropped", target=self._target.name, tripwire=key[0], per=key[1])

    def _count(self) -> None:
        self._observer.on_alerts_waiting(self._target.name, len(self._waiting))
