"""The admin listener: how many connections it holds, and that what never reaches a handler is answered in the one
error shape too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web

from proxy import jsonio
from proxy.admin.endpoint import answer
from proxy.admin.errors import ApiError
from proxy.connections import Connections

HEADER_BYTES_MAX: Final = 16_384
"""The longest request line or header field: the longest model name in a path, percent-encoded, fits in."""

CONNECTIONS_MAX: Final = 64
"""Connections at once: else whoever reaches the listener could, without a token, take every descriptor of the
process."""

_FULL: Final = "too many requests are under way; try again shortly"
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
        self._answers = _Answers(id)
        self._keepalive_s = keepalive_s

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            try:
                return await made.request_handler(request)
            except web.HTTPExpectationFailed:  # found before anything of ours is asked
                return self._answers.error(ApiError(417, "not_expected", _NOT_EXPECTED))

        return Connections(
            handle,
            CONNECTIONS_MAX,
            self._answers,
            request_factory=made.request_factory,
            access_log=None,
            keepalive_timeout=self._keepalive_s,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
        )


class _Answers:
    def __init__(self, id: Callable[[], str]) -> None:
        self._id = id

    def error(self, error: ApiError) -> web.Response:
        response = answer(error.body(), status=error.status)
        marked(response, self._id())
        return response

    def full(self) -> bytes:
        return jsonio.dumps(ApiError(503, "overloaded", _FULL).body())

    def malformed(self, status: int) -> web.Response:
        return self.error(
            ApiError(status, "invalid_http", _NOT_HTTP)
            if status < 500
            else ApiError(status, "internal_error", "the proxy failed")
        )
