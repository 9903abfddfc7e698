"""Step 10: the answer goes to the client, but for its last bytes, which wait for the log (step 11).

`head`, `write` and `finish` are the only places that touch the client's connection.
"""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web
from multidict import CIMultiDict

from proxy.request.exchange import Exchange, Killed, Ports
from proxy.request.record import begun

CLIENT_STALL_S = 60.0
"""How long a client may leave what was written to it unread."""

WRITE_BUFFER_BYTES = 49_152
"""How much may wait in the client's connection before a write is waited for; under the 64 KiB at which the
connection itself makes writers wait."""


class ClientStalled(ConnectionError):
    """The client took nothing for CLIENT_STALL_S."""


class _Response(web.StreamResponse):
    """A response that says nothing of its own: the backend's headers and no more."""

    async def _prepare_headers(self) -> None:
        added = [name for name in ("Server", "Content-Type") if name not in self.headers]
        await super()._prepare_headers()
        for name in added:
            self.headers.popall(name, None)


async def release(x: Exchange, ports: Ports) -> None:
    """Send a stream up to its tail. Raises LogUnavailable (before the first byte), Killed, ConnectionError."""
    answer = x.answer
    assert answer is not None, "an earlier step answers"
    if answer.stream is None:
        x.tail = answer.body
        return
    stream = answer.stream
    try:
        async for data in stream:
            if x.response is None:
                await begun(x, ports)
                await head(x, ports, length=None)
            if x.killed is not None:
                raise Killed(x.killed)
            await write(x, data)
    finally:
        # A reply that its client left is still judged as far as it came.
        await stream.aclose()


async def head(x: Exchange, ports: Ports, *, length: int | None) -> None:
    """Send the answer's status and headers."""
    answer = x.answer
    assert answer is not None
    headers: CIMultiDict[str] = CIMultiDict(
        (name, value) for name, value in answer.headers.items() if not name.lower().startswith("x-guardrail-")
    )
    headers["x-guardrail-exchange"] = x.id
    headers["x-guardrail-level"] = x.level.word
    if length is not None:
        headers["content-length"] = str(length)
    response = _Response(status=answer.status, reason=answer.reason, headers=headers)
    x.response = response
    if x.first_byte is None:
        x.first_byte = ports.clock.monotonic() - x.started
    if ports.stopping.is_set():
        response.force_close()
    await response.prepare(x.http)


async def write(x: Exchange, data: bytes) -> None:
    """Send bytes; waits for a slow client only where much is waiting already. Raises ConnectionError."""
    assert x.response is not None
    transport = x.http.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client left")
    x.give(data)
    if transport.get_write_buffer_size() + len(data) < WRITE_BUFFER_BYTES:
        await x.response.write(data)  # it cannot have to wait
    elif x.killed is not None:
        await _write_slowly(x.response, data)
    else:
        # The bytes are the connection's at once; what may take long is only the wait for them to leave, and a kill
        # ends that wait.
        with contextlib.suppress(Killed):
            await x.on_backend(_write_slowly(x.response, data))


async def _write_slowly(response: web.StreamResponse, data: bytes) -> None:
    try:
        async with asyncio.timeout(CLIENT_STALL_S):
            await response.write(data)
    except TimeoutError:
        raise ClientStalled(f"the client read nothing for {CLIENT_STALL_S:.0f} s") from None


async def finish(x: Exchange, ports: Ports) -> web.StreamResponse:
    """Send what is left, and the end."""
    bodiless = x.http.method == "HEAD"  # whose answer tells the length of what a GET would get
    if x.response is None:
        whole = x.answer is not None and (x.answer.stream is None or (not x.cut and not bodiless))
        await head(x, ports, length=len(x.tail) if whole else None)
    response = x.response
    assert response is not None
    if x.tail and not bodiless:
        await write(x, x.tail)
    if x.cut:
        response.force_close()
        if x.http.transport is not None:
            x.http.transport.abort()
        return response
    await response.write_eof()
    return response
