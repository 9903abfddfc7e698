"""The connections of a listener: how many there may be, which go first, and what is said to one without a request.

Idle connections cost a descriptor each, and without descriptors neither the log nor the operators can be served.
So there is a bound, and the longest idle connection makes room for a new one.
"""

from __future__ import annotations

import asyncio
import resource
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

CONNECTIONS_MAX: Final = 16_384
"""The most client connections, however many descriptors there are."""

CONNECTIONS_MIN: Final = 8
"""So many are taken even where descriptors are too few for it."""

DESCRIPTORS_KEPT: Final = 96
"""Descriptors that neither clients nor calls to backends may take: the log's, the dial's, the operators'."""

BACKLOG_MAX: Final = 1024
"""Connections that the kernel may hold ready; so many can be accepted before the first is counted."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many connections fit under the process's limit of descriptors."""

    clients: int
    backend: int  # for each backend
    backlog: int


def room(backends: int, *, descriptors: int | None = None) -> Room:
    """Share the descriptors: an exchange needs one towards its client and one towards a backend, and each backend's
    pool may hold one for every client that was served."""
    if descriptors is None:
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors in (resource.RLIM_INFINITY, -1):
        return Room(CONNECTIONS_MAX, CONNECTIONS_MAX, BACKLOG_MAX)
    backlog = max(8, min(BACKLOG_MAX, descriptors // 8))
    each = (descriptors - DESCRIPTORS_KEPT - backlog) // (1 + backends)
    each = max(CONNECTIONS_MIN, min(CONNECTIONS_MAX, each))
    return Room(each, each, backlog)


class Answers(Protocol):
    """What a listener says to a connection that never brings a request, in its own form."""

    def full(self) -> bytes:
        """The JSON body of the 503 where all connections are at work."""

    def malformed(self, status: int) -> web.Response:
        """The answer to bytes that are no HTTP (status 4xx), or to a failure outside of every handler."""


class Connection(RequestHandler):
    """One connection."""

    __slots__ = ("_among",)

    def __init__(self, among: Connections, **options: Any) -> None:
        super().__init__(among, **options)
        self._among = among

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
        secret."""
        if status >= 500:
            self.log_exception("a request failed outside of its handler", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer went out already")
        response = self._among.answers.malformed(status)
        response.force_close()
        return response

    def refuse(self) -> None:
        """Say that there are too many, and close."""
        transport = self.transport
        if isinstance(transport, asyncio.Transport):
            body = self._among.answers.full()
            transport.write(
                b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
                b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
            )
        self.force_close()


class Connections(web.Server):
    """The server of all connections to one listener, `most` at a time. `options` are aiohttp's for a connection."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        most: int,
        answers: Answers,
        *,
        request_factory: Callable[..., web.BaseRequest] | None = None,
        handler_cancellation: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(
            self._handle, request_factory=request_factory, handler_cancellation=handler_cancellation
        )
        self.most = most
        self.answers = answers
        self._handler = handler
        self._options = options
        self._open: set[RequestHandler] = set()
        self._idle: OrderedDict[RequestHandler, None] = OrderedDict()  # the longest idle first

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._options)

    def made(self, connection: Connection) -> None:
        """A connection stands; where it is one too many, the longest idle one goes, or else itself."""
        if len(self._open) >= self.most:
            longest = next(iter(self._idle), None)
            if longest is None:
                connection.refuse()
                return
            self._close(longest)
        self._open.add(connection)
        self._idle[connection] = None

    def lost(self, connection: RequestHandler) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        self._idle.pop(connection, None)

    def close_idle(self) -> None:
        """Close every connection on which no request is under way."""
        for connection in tuple(self._idle):
            self._close(connection)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._idle.pop(connection, None)
        try:
            return await self._handler(request)
        finally:
            if connection in self._open:
                self._idle[connection] = None

    def _close(self, connection: RequestHandler) -> None:
        self.lost(connection)
        connection.force_close()
