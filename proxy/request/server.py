"""The client side of the proxy: one handler for every request, over aiohttp's low-level server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from aiohttp import web

from proxy.clock import Ids
from proxy.connections import Connections
from proxy.errors import Overloaded
from proxy.metrics import OTHER, Metrics
from proxy.model.level import Outcome
from proxy.request.exchange import Exchange, Ports
from proxy.request.pipeline import refuse, run
from proxy.request.probing import Probing
from proxy.request.release import finish
from proxy.wire.errors import error_body
from proxy.wire.registry import wire_for

KEEP_ALIVE_S = 75.0
"""How long an idle client connection is kept."""

END_S = 2.0
"""How long exchanges that are ended by a stopping proxy may take to end."""

HEADER_BYTES_MAX = 32_768
"""The longest request line or header field."""

_FULL: Final = "too many connections; try again shortly"
_NOT_HTTP: Final = "this is no HTTP request: its first line or a header is malformed or too long"


class Front:
    """Turns requests into exchanges, and counts those under way."""

    def __init__(self, ports: Ports, connections_max: int) -> None:
        self._ports = ports
        self._ids = Ids()
        self._under_way: set[Exchange] = set()
        self.begun = 0  # exchanges that ever were under way
        self._none_under_way = asyncio.Event()
        self._none_under_way.set()
        self.server = Connections(
            self.handle,
            connections_max,
            _Answers(ports.metrics),
            handler_cancellation=True,
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE_S,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            access_log=None,
        )

    @property
    def in_flight(self) -> int:
        """How many exchanges are under way."""
        return len(self._under_way)

    async def drain(self, timeout_s: float) -> None:
        """Close what is idle, let exchanges go on for that long at most, then end them. For a proxy that stops."""
        self.server.close_idle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._none_under_way.wait()
        for x in self._under_way:
            if x.task is not None:
                x.task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self._none_under_way.wait()

    async def handle(self, request: web.BaseRequest, probe: Probing | None = None) -> web.StreamResponse:
        ports = self._ports
        now = ports.clock.now()
        x = Exchange(
            request,
            id=self._ids.new(now),
            now=now,
            started=ports.clock.monotonic(),
            policy=ports.policy.current,
        )
        x.probe = probe
        x.api = _api(request)
        if ports.stopping.is_set() or self.in_flight >= ports.settings.limits.max_in_flight:
            # Not on the log: a flood must not become a flood of records.
            ports.metrics.exchange(x.api, OTHER, Outcome.REFUSED)
            refuse(x, Overloaded("too many exchanges are under way; try again shortly"))
            return await finish(x, ports)
        self._under_way.add(x)
        self._none_under_way.clear()
        self.begun += 1
        ports.metrics.in_flight.inc()
        try:
            return await run(x, ports)
        finally:
            self._under_way.discard(x)
            if not self._under_way:
                self._none_under_way.set()
            ports.metrics.in_flight.dec()
            if ports.stopping.is_set():
                request.protocol.close()  # its head went out before the proxy was told to stop


class _Answers:
    """To what never became an exchange; it is counted all the same."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def full(self) -> bytes:
        self._metrics.exchange("openai", OTHER, Outcome.REFUSED)
        return error_body("openai", 503, "overloaded", _FULL)

    def malformed(self, status: int) -> web.Response:
        self._metrics.exchange("openai", OTHER, Outcome.REFUSED)
        code, text = (
            ("invalid_request", _NOT_HTTP) if status < 500 else ("internal_error", "the proxy failed")
        )
        return web.Response(
            status=status,
            body=error_body("openai", status, code, text),
            content_type="application/json",
            headers={"x-should-retry": "false"},
        )


def _api(request: web.BaseRequest) -> str:
    """Which API a request speaks: its path says so. /v1/models is both's, and there, as on paths that nobody reads,
    a header tells."""
    claude = request.path.startswith("/v1/messages") or "anthropic-version" in request.headers
    wire = wire_for(request.method, request.path, is_anthropic=claude)
    if wire is not None:
        return wire.api
    return "anthropic" if claude else "openai"
