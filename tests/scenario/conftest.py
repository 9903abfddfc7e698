"""A proxy before the built-in demo backend, with the rules that ship."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anthropic
import openai
import pytest
from aiohttp import web

from proxy.demo import build_demo
from proxy.shipped import shipped_rules
from tests.clients import anthropic_client, openai_client
from tests.scenario.harness import Proxy, running, settings_for


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Proxy]:
    runner = web.AppRunner(build_demo(token_s=0))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    settings = replace(settings_for(tmp_path, f"http://{host}:{port}"), rules_dir=shipped_rules())
    async with running(settings) as proxy:
        yield proxy
    await runner.cleanup()


@pytest.fixture
async def chatgpt(demo: Proxy) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai_client(demo.url, "none") as client:
        yield client


@pytest.fixture
async def claude(demo: Proxy) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic_client(demo.url, "none") as client:
        yield client
