"""The admin listener's connections: how many there may be, and bytes that are no HTTP are answered in the one error
shape too."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from proxy.admin.endpoint import answer
from proxy.admin.errors import ApiError

HEADER_BYTES_MAX: Final = 16_384
"""The longest request line or header field: the longest model name in a path, percent-encoded, fits in."""

CONNECTIONS_MAX: Final = 64
"""Connections at once. One more takes the place of the longest idle one: else whoever reaches the listener could,
without a token, take every descriptor of the process."""

_NOT_HTTP: Final = "this is no HTTP request: its first line or a header is malformed or too long"

_NOT_EXPECTED: Final = "of the header Expect only `100-continue` is known here"


def marked(response: web.StreamResponse, id: str) -> None:
    """Give an answer the headers that all have."""
    response.headers["X-Request-Id"] = id
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Server"] = "guardrail-proxy"


class AdminRunner(web.AppRunner):
    """Runs the admin application. `id` makes the ids of requests that could not be read."""

    def __init__(self, app: web.Application, id: Callable[[], str], *, keepalive_s: float = 60) -> None:
        super().__init__(app, handle_signals=False, shutdown_timeout=1.0)
        self._id = id
        self._keepalive_s = keepalive_s

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made, self._id, self._keepalive_s)


class _Server(web.Server):
    def __init__(self, made: web.Server, id: Callable[[], str], keepalive_s: float) -> None:
        super().__init__(self._handle, request_factory=made.request_factory)
        self._answer = made.request_handler
        self._id = id
        self._keepalive_s = keepalive_s
        self._open: set[asyncio.BaseProtocol] = set()
        self._idle: OrderedDict[asyncio.BaseProtocol, _Connection] = OrderedDict()  # the longest idle first

    def __call__(self) -> RequestHandler:
        return _Connection(
            self,
            self._id,
            loop=self._loop,
            access_log=None,
            keepalive_timeout=self._keepalive_s,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
        )

    def made(self, connection: _Connection) -> None:
        self._open.add(connection)
        self._idle[connection] = connection
        if len(self._open) > CONNECTIONS_MAX:
            _, longest = self._idle.popitem(last=False)  # where all others work, the one that came last
            self.lost(longest)
            longest.force_close()

    def lost(self, connection: _Connection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = self._idle.pop(request.protocol, None)
        try:
            return await self._answer(request)
        except web.HTTPExpectationFailed:  # found before anything of ours is asked
            response = answer(ApiError(417, "not_expected", _NOT_EXPECTED).body(), status=417)
            marked(response, self._id())
            return response
        finally:
            if connection is not None and connection in self._open:
                self._idle[connection] = connection


class _Connection(RequestHandler):
    __slots__ = ("_among", "_id")

    def __init__(self, server: _Server, id: Callable[[], str], **options: Any) -> None:
        super().__init__(server, **options)
        self._among = server
        self._id = id

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._among.made(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._among.lost(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what no handler answered. `message` and `exc` quote the caller's bytes, which may hold a
        token."""
        if status >= 500:
            self.log_exception("an admin request failed outside of its handler", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer went out already")
        error = (
            ApiError(status, "invalid_http", _NOT_HTTP)
            if status < 500
            else ApiError(status, "internal_error", "the proxy failed")
        )
        response = answer(error.body(), status=status)
        marked(response, self._id())
        response.force_close()
        return response
