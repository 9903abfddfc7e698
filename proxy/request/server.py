"""The client side of the proxy: one handler for every request, over aiohttp's low-level server."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from proxy.clock import Ids
from proxy.errors import Overloaded
from proxy.metrics import OTHER
from proxy.model.level import Outcome
from proxy.request.exchange import Exchange, Ports
from proxy.request.pipeline import refuse, run
from proxy.request.release import finish

KEEP_ALIVE_S = 75.0
"""How long an idle client connection is kept."""

HEADER_BYTES_MAX = 32_768
"""The longest request line or header field."""


class Front:
    """Turns requests into exchanges, and counts those under way."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self.in_flight = 0
        self._ids = Ids()
        self._idle = asyncio.Event()
        self._idle.set()

    def server(self) -> web.Server:
        """The server, to be bound to a listener. It cancels a handler whose client has left."""
        return web.Server(
            self.handle,
            handler_cancellation=True,
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE_S,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            access_log=None,
        )

    async def drained(self, timeout_s: float) -> None:
        """Wait until no exchange is under way, for that long at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        ports = self._ports
        now = ports.clock.now()
        x = Exchange(
            request,
            id=self._ids.new(now),
            now=now,
            started=ports.clock.monotonic(),
            policy=ports.policy.current,
        )
        x.api = _api(request)
        if ports.stopping.is_set() or self.in_flight >= ports.settings.limits.max_in_flight:
            # Not on the log: a flood must not become a flood of records.
            ports.metrics.exchange(x.api, OTHER, Outcome.REFUSED)
            refuse(x, Overloaded("too many exchanges are under way; try again shortly"))
            return await finish(x, ports)
        self.in_flight += 1
        self._idle.clear()
        ports.metrics.in_flight.inc()
        try:
            return await run(x, ports)
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self._idle.set()
            ports.metrics.in_flight.dec()


def _api(request: web.BaseRequest) -> str:
    """Which API a request speaks: the Messages paths are Anthropic's; /v1/models is both's, told by a header."""
    if request.path.startswith("/v1/messages") or "anthropic-version" in request.headers:
        return "anthropic"
    return "openai"
