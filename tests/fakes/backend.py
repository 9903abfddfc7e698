"""A model backend that does exactly what a test's script says, on a real socket: also what it never should.

A script is a list of actions that answers every request, or a function from the request to such a list.
After its last action the connection stays open for the next request, unless the script closed it. When the
peer leaves, the script stops where it stands and `closed` says so: no test needs to sleep.

    async with ScriptedBackend([Sse([frame, frame], end=False), Reset()]) as backend:
        ...  # let the proxy call backend.url
        assert backend.requests[0].path == "/v1/chat/completions"
        await backend.closed(0)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, cast

import h11

from tests.fakes.actions import (
    Action,
    Chunk,
    Close,
    Drip,
    End,
    Json,
    Pause,
    ReceivedRequest,
    Reset,
    Script,
    Send,
    Sse,
    chunk,
    head,
)

WAIT_S = 10.0  # no wait of a test hangs the suite: after this it fails, with a word on what did not come


@contextlib.contextmanager
def refused_url() -> Iterator[str]:
    """A URL whose port is held but never listened on: every connection is refused."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}"


class ScriptedBackend:
    """See the module's words. Use it as an async context manager; leaving it closes every connection."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.requests: list[ReceivedRequest] = []
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: list[_Connection] = []
        self._changed = asyncio.Condition()
        self._notices: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        assert self._server is not None, "the backend is not started"
        port: int = self._server.sockets[0].getsockname()[1]
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"

    @property
    def connections(self) -> int:
        """How many connections were ever accepted."""
        return len(self._connections)

    @property
    def open_connections(self) -> int:
        """How many connections stand now."""
        return sum(not connection.gone.is_set() for connection in self._connections)

    async def received(self, count: int) -> ReceivedRequest:
        """Wait for the count-th request (1 for the first) to be read whole, and return it."""
        async with self._changed:
            await _within(
                self._changed.wait_for(lambda: len(self.requests) >= count),
                lambda: f"{len(self.requests)} of {count} requests came",
            )
        return self.requests[count - 1]

    async def closed(self, index: int) -> float:
        """Wait until the connection of that request (from 0) is gone; returns the loop's time of it."""
        await self.received(index + 1)
        connection = self._connections[self.requests[index].connection]
        await _within(connection.gone.wait(), lambda: f"the connection of request {index} still stands")
        return connection.gone_at

    def closed_by_peer(self, index: int) -> bool:
        """Whether that request's connection was ended from the other side, not by the script."""
        connection = self._connections[self.requests[index].connection]
        return connection.gone.is_set() and not connection.ended_here

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.abort()
        for connection in self._connections:
            await _within(connection.gone.wait(), lambda: "a connection did not close")
            await connection.finished()
        if self._notices:
            await asyncio.gather(*self._notices)
        failures = [failure for connection in self._connections for failure in connection.failures]
        if failures and error is None:
            raise ExceptionGroup("the backend's script failed", failures)

    def _accept(self) -> _Connection:
        connection = _Connection(self, len(self._connections))
        self._connections.append(connection)
        return connection

    def take(self, request: ReceivedRequest) -> Sequence[Action]:
        """Note a request and give its answer; called by connections."""
        self.requests.append(request)
        notice = asyncio.ensure_future(self._notify())
        self._notices.add(notice)
        notice.add_done_callback(self._notices.discard)
        return self.script(request) if callable(self.script) else self.script

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class _Connection(asyncio.Protocol):
    """One accepted connection: h11 reads the requests, the script's actions write raw bytes."""

    def __init__(self, backend: ScriptedBackend, index: int) -> None:
        self.backend = backend
        self.index = index
        self.gone = asyncio.Event()
        self.gone_at = 0.0
        self.ended_here = False
        self.failures: list[Exception] = []
        self._reader = h11.Connection(h11.SERVER)
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self._answer: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self._transport.set_write_buffer_limits(
            high=0
        )  # so that "writable" means: all of it left for the kernel

    def data_received(self, data: bytes) -> None:
        self._reader.receive_data(data)
        self._read_on()

    def eof_received(self) -> bool:
        return False  # a peer that shut its side has left; the transport closes

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone_at = asyncio.get_running_loop().time()
        self.gone.set()
        self._writable.set()
        if self._answer is not None:
            self._answer.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> None:
        if not self.gone.is_set():
            self.ended_here = True
            self._transport.abort()

    async def finished(self) -> None:
        """Wait for the script's task, cancelled by then."""
        if self._answer is not None:
            await asyncio.wait([self._answer])

    def _read_on(self) -> None:
        """Read as far as the bytes go; one request is answered before the next is read."""
        while self._answer is None:
            event = self._reader.next_event()
            if event is h11.NEED_DATA:
                if self._reader.they_are_waiting_for_100_continue:
                    self._reader.send(h11.InformationalResponse(status_code=100, headers=[]))
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            if isinstance(event, h11.Request):
                self._head, self._body = event, bytearray()
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._answer = asyncio.ensure_future(self._perform(self.backend.take(self._request())))
                self._answer.add_done_callback(self._answered)
            else:
                return

    def _request(self) -> ReceivedRequest:
        assert self._head is not None
        return ReceivedRequest(
            method=self._head.method.decode(),
            path=self._head.target.decode("latin-1"),
            headers=tuple(
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in self._head.headers
            ),
            body=bytes(self._body),
            connection=self.index,
        )

    def _answered(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self.gone.is_set():
            return
        failure = task.exception()
        if isinstance(failure, Exception):
            self.failures.append(failure)
            self.abort()
            return
        # The answer was raw bytes that h11 knows nothing of, so the next request gets a reader of its own.
        rest, _ = self._reader.trailing_data
        self._reader, self._answer = h11.Connection(h11.SERVER), None
        if rest:
            self._reader.receive_data(rest)
        self._read_on()

    async def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Send(data):
                    await self._write(data)
                case Drip(data):
                    for at in range(len(data)):
                        await self._write(data[at : at + 1])
                        await asyncio.sleep(0)  # lets a reader on the same loop see the byte alone
                case Json(body, status, headers):
                    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                    own = {"content-type": "application/json", "content-length": str(len(raw))}
                    await self._write(head(status, own | dict(headers)) + raw)
                case Sse(frames, headers, end, status):
                    own = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
                    await self._write(head(status, own | dict(headers)))
                    for frame in frames:
                        await self._write(chunk(frame))
                    if end:
                        await self._write(chunk(b""))
                case Chunk(data):
                    await self._write(chunk(data))
                case End():
                    await self._write(chunk(b""))
                case Pause(event):
                    await event.wait()
                case Reset():
                    self.ended_here = True
                    linger = struct.pack("ii", 1, 0)
                    self._transport.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, linger
                    )
                    self._transport.abort()
                    return
                case Close():
                    self.ended_here = True
                    self._transport.close()
                    return

    async def _write(self, data: bytes) -> None:
        """Hand the bytes to the kernel, waiting until it took them all."""
        if not self._transport.is_closing():
            self._transport.write(data)
        await self._writable.wait()


async def _within(waiting: Awaitable[object], otherwise: Callable[[], str]) -> None:
    """Wait, for a test's patience at most. Raises AssertionError with what did not come."""
    try:
        async with asyncio.timeout(WAIT_S):
            await waiting
    except TimeoutError:
        raise AssertionError(f"after {WAIT_S:.0f} s: {otherwise()}") from None
