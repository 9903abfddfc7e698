"""A caller of the demo backend that resets its connection in the middle of a stream."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from aiohttp import web

from proxy.demo import build_demo


async def test_a_caller_that_resets_is_no_error_on_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    runner = web.AppRunner(build_demo(token_s=0.01))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    messages = [{"role": "user", "content": "something long"}]
    body = json.dumps({"model": "demo", "stream": True, "messages": messages}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n"
    with caplog.at_level(logging.ERROR, "aiohttp.server"):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        await reader.readuntil(b"data: ")
        writer.transport.abort()
        await runner.cleanup()  # waits for the handler
    assert caplog.records == []
