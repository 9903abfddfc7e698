"""The demo backend on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from proxy.demo import build_demo


@pytest.fixture
async def demo_url() -> AsyncIterator[str]:
    runner = web.AppRunner(build_demo(token_s=0))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()
