"""Puts the probes of the policy in force to the models, a few at a time, and tells what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from proxy.backend.route import Route, Router
from proxy.clock import Clock
from proxy.detect.sentiment import load
from proxy.dial.control import Dial
from proxy.errors import GuardrailError, Refused
from proxy.metrics import Metrics
from proxy.model.level import Level
from proxy.model.observation import Metric
from proxy.model.probe import PROBE_APP, Heard, Probe, Ran, Result
from proxy.model.subject import Reach
from proxy.policy.compile import Policy
from proxy.probe.judge import ANSWERED, judge
from proxy.probe.question import question
from proxy.probe.schedule import Key, Schedule
from proxy.settings import Settings
from proxy.watch.watch import Watch

AT_ONCE: Final = 2
"""Probes that run at the same time, each with one question at a time."""
TICK_S: Final = 1.0
BUSY_SHARE: Final = 0.5
"""Where so much of `limits.max_in_flight` is under way, scheduled probes wait: what people ask goes first."""

_log = structlog.get_logger("proxy.probe")


class ProbesRun(GuardrailError):
    """Somebody else's run by hand is not over yet."""


class Ask(Protocol):
    """Puts one question through the pipeline."""

    def __call__(self, probe: str, path: str, body: bytes, timeout_s: float) -> Awaitable[Heard]: ...


@dataclass(frozen=True, slots=True)
class Planned:
    """A probe for one model, and its last run."""

    probe: Probe
    model: str
    last: Ran | None


class Prober:
    """Belongs to one event loop."""

    def __init__(
        self,
        ask: Ask,
        settings: Settings,
        router: Router,
        dial: Dial,
        watch: Watch,
        metrics: Metrics,
        clock: Clock,
        *,
        in_flight: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        self._ask = ask
        self._settings = settings
        self._router = router
        self._dial = dial
        self._watch = watch
        self._metrics = metrics
        self._clock = clock
        self._in_flight = in_flight
        self._schedule = Schedule(chance)
        self._last: dict[Key, Ran] = {}
        self._running: dict[Key, asyncio.Task[Ran]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._by_hand = False
        self._ticker: asyncio.Task[None] | None = None

    def take(self, policy: Policy) -> None:
        """A policy came into force. What runs of a probe that is gone runs to its end, and is forgotten."""
        before = self._schedule.probes
        self._schedule.take(policy.probes, policy.cards, self._clock.monotonic())
        now = self._schedule.probes
        self._last = {key: ran for key, ran in self._last.items() if before.get(key) == now.get(key)}
        self._metrics.probes(now)
        for ran in self._last.values():
            self._metrics.probe_stands(ran)

    def start(self) -> None:
        """Run on schedule from now on."""
        self._ticker = asyncio.create_task(self._tick(), name="probes")

    async def stop(self) -> None:
        """Ask nothing more; what is under way is given up."""
        tasks = [*self._running.values(), *([self._ticker] if self._ticker is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def planned(self) -> tuple[Planned, ...]:
        """Every probe for each of its models, with its last run."""
        return tuple(Planned(one, key[1], self._last.get(key)) for key, one in self._schedule.probes.items())

    async def run(self, id: str) -> tuple[Ran, ...]:
        """Run one probe now for all of its models. Raises ProbesRun, KeyError."""
        keys = [key for key in self._schedule.probes if key[0] == id]
        if not keys:
            raise KeyError(id)
        if self._by_hand:
            raise ProbesRun("another run by hand is under way: wait for it")
        self._by_hand = True
        try:
            return tuple(await asyncio.gather(*(self._task(key) for key in keys)))
        finally:
            self._by_hand = False

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self._begin_due()
            except Exception:  # noqa: BLE001  the fault boundary of a tick: the next one begins what is due again
                _log.exception("probes_failed")

    def _begin_due(self) -> None:
        busy = self._in_flight() >= BUSY_SHARE * self._settings.limits.max_in_flight
        for key in self._schedule.ready(self._clock.monotonic()):
            if busy:
                self._schedule.put_off(key, self._clock.monotonic())
            elif self._room.locked() or len(self._running) >= AT_ONCE:
                return
            else:
                self._task(key)

    def _task(self, key: Key) -> asyncio.Task[Ran]:
        """One run of a probe for a model; the one that is under way where there is one."""
        task = self._running.get(key)
        if task is None:
            self._schedule.ran(key, self._clock.monotonic())
            task = self._running[key] = asyncio.create_task(self._run(key, self._schedule.probes[key]))
            task.add_done_callback(lambda done: self._over(key, done))
        return task

    def _over(self, key: Key, done: asyncio.Task[Ran]) -> None:
        del self._running[key]
        if not done.cancelled() and (error := done.exception()) is not None:
            _log.error("probe_failed", probe=key[0], model=key[1], exc_info=error)

    async def _run(self, key: Key, probe: Probe) -> Ran:
        async with self._room:
            ran, last = await self._asked(probe, key[1])
        if self._schedule.probes.get(key) == probe:
            self._last[key] = ran
            self._tell(ran, last)
        if ran.result in (Result.FAILED, Result.ERROR):
            _log.warning(
                "probe", probe=ran.probe, model=ran.model, version=ran.version, result=ran.result.value,
                why=ran.why if ran.result is Result.ERROR else "see the exchanges", exchanges=list(ran.exchanges),
            )  # fmt: skip
        return ran

    async def _asked(self, probe: Probe, model: str) -> tuple[Ran, Heard | None]:
        started = self._clock.monotonic()
        heard: list[tuple[str, Heard]] = []
        for group, messages in probe.questions():
            found = self._route(model)
            if found is None:
                why = "no backend of the settings serves this model"
                return Ran(probe.id, model, Result.ERROR, why, self._clock.now()), None
            api, route = found
            reach = Reach(models=route.names, app=PROBE_APP, app_verified=True)
            effective = self._dial.effective(reach)
            if effective.level is Level.KILLED:
                why = f"killed: {effective.setting.reason}" if effective.setting is not None else "killed"
                return Ran(probe.id, model, Result.SKIPPED, why, self._clock.now()), None
            path, body = question(api, model, route.sent, messages, probe.max_tokens, probe.temperature)
            one = await self._ask(probe.id, path, body, probe.timeout_s)
            heard.append((group, one))
            if one.outcome not in ANSWERED:
                break
        took = self._clock.monotonic() - started
        if probe.compare is not None and probe.compare.sentiment is not None:
            await asyncio.to_thread(load)
        return judge(probe, model, heard, self._clock.now(), took), heard[-1][1]

    def _route(self, model: str) -> tuple[str, Route] | None:
        """The API that a model speaks, and where it is; the default backend's API where several would take it."""
        settings = self._settings
        default = settings.backends.get(settings.default_backend or "")
        apis = dict.fromkeys((*((default.api,) if default is not None else ()), "openai", "anthropic"))
        for api in apis:
            try:
                return api, self._router.route(api, model, self._dial.restraints().rollbacks)
            except Refused:
                continue
        return None

    def _tell(self, ran: Ran, heard: Heard | None) -> None:
        self._metrics.probe_ran(ran)
        values: dict[str, float] = {
            metric: float(said)
            for metric, said in (
                (Metric.PROBE_PASS_RATE, ran.met),
                (Metric.PROBE_BIAS_RATE, None if ran.fair is None else not ran.fair),
            )
            if said is not None
        }
        if values and heard is not None and heard.observed is not None:
            # Nobody's exchange: it belongs to its model, and to no app and no caller.
            self._watch.probed(replace(heard.observed, app=None, caller=None, values=values, prompt=None))
