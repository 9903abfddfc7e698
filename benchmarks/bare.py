"""The yardstick: an aiohttp + uvloop pass-through that reads, judges and logs nothing.

    python -m benchmarks.bare PORT BACKEND_URL

It is the least that a proxy in this language and with this library can cost.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import uvloop
from aiohttp import web

DROPPED = frozenset({"connection", "content-length", "date", "host", "keep-alive", "transfer-encoding"})


async def main(port: int, backend: str) -> None:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        async def forward(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            headers = {name: value for name, value in request.headers.items() if name.lower() not in DROPPED}
            url = backend + request.path_qs
            async with session.request(request.method, url, data=body, headers=headers) as reply:
                kept = {name: value for name, value in reply.headers.items() if name.lower() not in DROPPED}
                if reply.content_type != "text/event-stream":
                    return web.Response(body=await reply.read(), status=reply.status, headers=kept)
                response = web.StreamResponse(status=reply.status, headers=kept)
                await response.prepare(request)
                async for piece in reply.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
                return response

        async def healthy(request: web.Request) -> web.Response:
            return web.Response(text="ok")

        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/readyz", healthy)
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
