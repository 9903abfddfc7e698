"""The composition root: builds every part in order, and stops them in the reverse order. Nothing else does."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from random import Random

import structlog
from aiohttp import web

from proxy.admin.api import build_admin, ensure_admin_token
from proxy.admin.listener import AdminRunner
from proxy.admin.ports import AdminContext, known_by
from proxy.admin.present import backend_status, moment
from proxy.backend.client import Backend
from proxy.backend.health import Health
from proxy.backend.route import Router
from proxy.background import Background
from proxy.clock import Clock, SystemClock, new_id
from proxy.connections import room
from proxy.data_folder import CannotStart, claim, pseudonym_key
from proxy.dial.control import Dial
from proxy.dial.state import SqliteDialStore
from proxy.dial.windows import Windows
from proxy.in_step import InStep
from proxy.log.keep import Keep
from proxy.log.sqlite import SqliteRecorder
from proxy.metrics import Metrics
from proxy.model.record import Json
from proxy.policy.store import PolicyStore, ReloadResult
from proxy.probe.prober import Prober
from proxy.regions import regions
from proxy.request.exchange import Ports
from proxy.request.probe_door import ProbeDoor
from proxy.request.server import KEEP_ALIVE_S, Front
from proxy.respond.alerts import Alerts
from proxy.respond.responder import Responder, by_turns
from proxy.scoring.service import ScorerService
from proxy.settings import Address, Settings, Tls
from proxy.watch.watch import Watch

ADMIN_BACKLOG = 32
"""Connections to the admin listener that the kernel may hold ready."""

_log = structlog.get_logger("proxy")


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the running proxy listens."""

    client: str
    admin: str


class App:
    """One running proxy."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._started = time.monotonic()
        self._stack = AsyncExitStack()
        self._stopping = asyncio.Event()
        self._background = Background()
        self._ready = False
        self.start_s = 0.0

    async def start(self) -> Bound:
        """Build and bind everything. On any failure what was built is stopped again. Raises ConfigError,
        AlreadyRunning, CannotStart, OSError."""
        try:
            return await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Refuse new exchanges, let those under way end for `drain_s`, then end them; close everything."""
        self._ready = False
        self._stopping.set()
        await self.prober.stop()
        await self.front.drain(self._settings.drain_s)
        await self._stack.aclose()

    async def _start(self) -> Bound:
        settings, stack = self._settings, self._stack
        stack.callback(claim(settings.data_dir).close)
        targets = [target.name for target in settings.alerts]
        self.metrics = metrics = Metrics(settings.models, settings.backends, targets)

        await self._open_policy()
        self.recorder = self._recorder()
        await self.recorder.start()
        stack.push_async_callback(self.recorder.stop)

        self.dial = Dial(
            SqliteDialStore(settings.data_dir / "dial.sqlite3"),
            clock=self._clock.now,
            observer=metrics.dial_observer(),
        )
        await self.dial.start()
        stack.push_async_callback(self.dial.stop)
        await InStep(self.policy, self.dial, self._background.spawn).start()

        kept = settings.data_dir / "watch.json"
        now = self._clock.now
        self.alerts = alerts = Alerts(settings.alerts, metrics, clock=now)
        stack.push_async_callback(alerts.stop)
        self.responder = Responder(self.watch, self.dial, settings.models, kept, clock=now, alerts=alerts)
        await self.responder.start()
        stack.push_async_callback(self.responder.stop)

        fits = room(len(settings.backends))
        self.backends = backends = {
            name: Backend(
                name,
                backend,
                Health(name, self._clock, metrics.backend_observer()),
                max_reply_bytes=settings.limits.max_reply_bytes,
                connections_max=fits.backend,
            )
            for name, backend in settings.backends.items()
        }
        for backend in backends.values():
            stack.push_async_callback(backend.close)
        stack.push_async_callback(self._background.finish)

        router = Router(settings)
        for model in router.without_effect(self.dial.restraints().rollbacks):
            _log.error(
                "rollback_without_effect", model=model, why="the settings do not have its version any more"
            )
        ports = Ports(
            settings=settings,
            clock=self._clock,
            policy=self.policy,
            dial=self.dial,
            windows=Windows(self._clock.monotonic),
            region_of=regions(settings.identify.geoip_db) if settings.identify.geoip_db else None,
            router=router,
            backends=backends,
            recorder=self.recorder,
            metrics=metrics,
            watch=self.watch,
            pseudonym_key=pseudonym_key(settings.data_dir),
            spawn=self._background.spawn,
            stopping=self._stopping,
        )
        self.front = Front(ports, fits.clients)
        self.prober = await self._prober(router)
        admin = await self._serve_admin(router)
        client = await self._serve_clients(fits.backlog)
        watcher = asyncio.create_task(self.policy.watch(), name="policy-watch")
        stack.callback(watcher.cancel)
        watcher.add_done_callback(_died)
        self.prober.start()
        self._ready = True
        self.start_s = time.monotonic() - self._started
        return Bound(client=client, admin=admin)

    async def _prober(self, router: Router) -> Prober:
        door = await self._stack.enter_async_context(ProbeDoor(self.front))
        prober = Prober(
            door.ask, self._settings, router, self.dial, self.watch, self.metrics, self._clock,
            in_flight=lambda: self.front.in_flight, chance=Random().random,
        )  # fmt: skip
        prober.take(self.policy.current)
        self.policy.subscribe(lambda result: prober.take(self.policy.current) if result.swapped else None)
        return prober

    def _recorder(self) -> SqliteRecorder:
        log = self._settings.log
        return SqliteRecorder(
            self._settings.data_dir / "log.sqlite3",
            durability=log.durability,
            keep=Keep(log.keep, log.max_bytes),
            secrets=log.secrets,
            observer=self.metrics.log_observer(),
            clock=self._clock.now,
        )

    async def _open_policy(self) -> None:
        settings, metrics = self._settings, self.metrics
        self.watch = Watch(metrics)
        self.scorers = scorers = ScorerService(settings.scoring, settings.data_dir, metrics.scorer_observer())
        self._stack.push_async_callback(scorers.stop)
        _log.info("toxicity_engine", engine=scorers.choice.engine, why=scorers.choice.why)
        self.policy = PolicyStore(
            settings.rules_dir,
            settings.data_dir / "policy",
            now=self._clock.now,
            offers=replace(
                scorers.offers,
                backends=settings.stand_ins,
                unmatched=settings.unmatched,
                alerts=settings.alert_names,
            ),
            prepare=lambda policy: scorers.prepare(policy.needs),
        )
        self.policy.subscribe(self._policy_changed)
        self.policy.load_first()
        for fault in await scorers.prepare(self.policy.current.needs):
            # It serves all the same: its rules' on_error decides, and it is tried again.
            _log.error("scorer_down", fault=fault)

    async def _serve_clients(self, backlog: int) -> str:
        # Exchanges were drained before; what still reads a body that nobody wants is not waited for.
        runner = web.ServerRunner(self.front.server, handle_signals=False, shutdown_timeout=0.1)
        return await self._listen(runner, self._settings.listen, self._settings.tls, backlog)

    async def _serve_admin(self, router: Router) -> str:
        settings = self._settings
        context = AdminContext(
            dial=self.dial,
            policy=self.policy,
            log=self.recorder,
            status=self._status,
            ready=self._readiness,
            metrics=self._render,
            tokens=ensure_admin_token(settings),
            hosts=settings.admin.hosts,
            clock=self._clock.now,
            listen_host=settings.admin.listen.host,
            known=known_by(router),
            settings=settings,
            watch=self.watch,
            alerts=self.alerts,
            probes=self.prober,
            responder=self.responder,
        )
        runner = AdminRunner(
            build_admin(context), lambda: new_id(self._clock.now()), keepalive_s=KEEP_ALIVE_S
        )
        return await self._listen(runner, settings.admin.listen, settings.admin.tls, ADMIN_BACKLOG)

    async def _listen(self, runner: web.BaseRunner, address: Address, tls: Tls | None, backlog: int) -> str:
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        context = None
        if tls is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(tls.cert_file, tls.key_file)
        site = web.TCPSite(runner, address.host, address.port, ssl_context=context, backlog=backlog)
        try:
            await site.start()
        except OSError as error:
            key = "listen" if address == self._settings.listen else "admin.listen"
            reason = os.strerror(error.errno) if error.errno is not None else "it has no such address"
            raise CannotStart(f"{key}: {address} cannot be listened on: {reason}") from None
        host, port = runner.addresses[0][:2]
        return str(Address(host, port))

    def _readiness(self) -> Mapping[str, str | None]:
        """Each check, and what is wrong with it."""
        return {
            "serving": None if self._ready else "the proxy is starting or stopping",
            "policy": None if self.policy.current is not None else "no policy is loaded",
            "log": self.recorder.fault,
            "scorers": self.scorers.fault,
        }

    async def _render(self) -> bytes:
        """The metrics of now."""
        known = self._settings.models, {one.app for one in self._settings.clients if one.app is not None}
        self.metrics.tripwires(await by_turns(self.watch.worst(self._clock.now(), *known)))
        return self.metrics.render()

    def _engines(self) -> list[tuple[str, str]]:
        """The detectors that score, each with its engine."""
        lexical = [("toxicity", "lexical")] if self.policy.current.model is not None else []
        return lexical + list(self.scorers.engines())

    def _status(self) -> Mapping[str, Json]:
        policy = self.policy.current
        return {
            "version": version("guardrail-proxy"),
            "uptime_s": round(time.monotonic() - self._started, 1),
            "in_flight": self.front.in_flight,
            "policy": {
                "digest": policy.digest,
                "rules": len(policy.rules),
                "loaded_at": moment(self.policy.loaded_at),
                "files_refused": self.policy.last_error is not None,
            },
            "scorers": self.scorers.status(self._engines()),
            "backends": [backend_status(backend) for backend in self.backends.values()],
            "log": {"healthy": self.recorder.healthy, "queue": self.recorder.queue_depth},
        }

    def _policy_changed(self, result: ReloadResult) -> None:
        for warning in result.warnings:
            _log.warning("policy_warning", problem=str(warning))
        if result.ok:
            _log.info("policy_in_force", digest=result.digest)
        else:
            for problem in result.problems:
                _log.error("policy_refused", problem=str(problem), in_force=result.digest)
        if result.swapped:
            policy = self.policy.current
            self.metrics.policy(policy.digest, policy.rule_names, self.policy.loaded_at)
            self.scorers.keep(policy.needs)
            self.watch.take(policy.cards, policy.tripwires, self._clock.now(), policy.digest)
            self.metrics.scorers(self._engines())
        if self.policy.last_error is not None:
            self.metrics.policy_refused()
        elif not result.swapped:
            self.metrics.policy_reload_success.set(1)


def _died(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("background_task_failed", exc_info=error)
