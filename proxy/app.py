"""The composition root: builds every part, in order, and stops them in the reverse order. Nothing else does."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import ssl
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import IO

import structlog
from aiohttp import web

from proxy import __version__
from proxy.admin.api import build_admin, ensure_admin_token
from proxy.admin.ports import AdminContext
from proxy.backend.client import Backend
from proxy.backend.route import Router
from proxy.clock import Clock, SystemClock
from proxy.dial.control import Dial
from proxy.dial.state import SqliteDialStore
from proxy.errors import GuardrailError
from proxy.log.query import LogQuery
from proxy.log.sqlite import SqliteRecorder
from proxy.metrics import Metrics
from proxy.observers import DialMetrics, LogMetrics
from proxy.policy.store import PolicyStore
from proxy.request.exchange import Ports
from proxy.request.server import Front
from proxy.settings import Address, Settings, Tls

SPAWNED_MAX = 10_000
"""The most background tasks (records of exchanges whose client left, connections being drained)."""

STOP_TASKS_S = 5.0
"""How long background tasks may go on once everything else has stopped."""

_log = structlog.get_logger("proxy")


class AlreadyRunning(GuardrailError):
    """Another proxy holds the data folder."""


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
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = False

    async def start(self) -> Bound:
        """Build and bind everything. On any failure what was built is stopped again. Raises ConfigError,
        AlreadyRunning, OSError."""
        try:
            return await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Refuse new exchanges, let those under way end for `drain_s`, then end them; close everything."""
        self._ready = False
        self._stopping.set()
        deadline = time.monotonic() + self._settings.drain_s
        while self.front.in_flight and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await self._stack.aclose()

    async def _start(self) -> Bound:
        settings, stack = self._settings, self._stack
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        stack.callback(_lock(settings).close)
        self.metrics = metrics = Metrics(settings.models, settings.backends)

        self.policy = PolicyStore(settings.rules_dir, keep_dir=settings.data_dir / "policy")
        self.policy.subscribe(self._policy_changed)
        self.policy.load_first()

        self.recorder = SqliteRecorder(
            settings.data_dir / "log.sqlite3",
            durability=settings.log.durability,
            observer=LogMetrics(metrics),
            clock=self._clock.now,
        )
        await self.recorder.start()
        stack.push_async_callback(self.recorder.stop)

        self.dial = Dial(
            SqliteDialStore(settings.data_dir / "dial.sqlite3"),
            clock=self._clock.now,
            observer=DialMetrics(metrics),
        )
        await self.dial.start()
        stack.push_async_callback(self.dial.stop)

        backends = {
            name: Backend(name, backend, max_reply_bytes=settings.limits.max_reply_bytes)
            for name, backend in settings.backends.items()
        }
        for backend in backends.values():
            stack.push_async_callback(backend.close)
        stack.push_async_callback(self._finish_tasks)

        ports = Ports(
            settings=settings,
            clock=self._clock,
            policy=self.policy,
            dial=self.dial,
            router=Router(settings),
            backends=backends,
            recorder=self.recorder,
            metrics=metrics,
            spawn=self.spawn,
            stopping=self._stopping,
        )
        self.front = Front(ports)
        admin = await self._serve_admin()
        client = await self._serve_clients()
        self.spawn(self._watch())
        self._ready = True
        # What stands now stays: the collector need not walk it on every pass.
        gc.collect()
        gc.freeze()
        return Bound(client=client, admin=admin)
