"""Debian's Prometheus scrapes the demo, and nothing that the dashboard or the alerts ask comes back empty."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import openai
from ruamel.yaml import YAML

from tests.queries import PROMETHEUS, alerts, compared, dashboard_queries, debians
from tests.scenario.harness import Proxy

ROUNDS = 60
SCRAPE_S = 0.5


@asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[str]:
    """With the settings that ship, but the target and a quicker scrape; its address."""
    yaml = YAML(typ="safe")
    config = yaml.load(PROMETHEUS / "prometheus.yaml")
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    config["rule_files"] = [str(PROMETHEUS / one) for one in config["rule_files"]]
    yaml.dump(config, folder / "prometheus.yaml")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = await asyncio.create_subprocess_exec(
        debians("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"http://{address}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def talk(client: openai.AsyncOpenAI) -> None:
    """A little of everything that the demo can do wrong."""
    for words in ("please leak something", "insult me", "reset", "hello"):
        for stream in (False, True):
            with contextlib.suppress(openai.APIError):
                answer = await client.with_options(max_retries=0).chat.completions.create(
                    model="demo", stream=stream, messages=[{"role": "user", "content": words}]
                )
                if isinstance(answer, openai.AsyncStream):
                    async for _ in answer:
                        pass


async def ask(session: aiohttp.ClientSession, url: str, query: str) -> bool:
    """Whether a query has an answer."""
    try:
        async with session.get(f"{url}/api/v1/query", params={"query": query}) as answer:
            body = await answer.json()
    except (aiohttp.ClientConnectionError, TimeoutError):
        return False  # it is still starting
    if answer.status == 503:
        return False
    assert body["status"] == "success", (query, body)
    return bool(body["data"]["result"])


async def test_no_query_of_the_dashboard_or_the_alerts_is_empty(
    demo: Proxy, chatgpt: openai.AsyncOpenAI, tmp_path: Path
) -> None:
    queries = [compared(query) for query in (*dict(dashboard_queries()), *(expr for _, expr in alerts()))]
    assert len(queries) > 40
    async with (
        prometheus(tmp_path, demo.admin.removeprefix("http://")) as url,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
    ):
        await demo.dial("degraded", "app:nobodys")
        empty = queries
        for _ in range(ROUNDS):
            await talk(chatgpt)
            empty = [query for query in empty if not await ask(session, url, query)]
            if not empty:
                break
            await asyncio.sleep(SCRAPE_S)  # the next scrape is Prometheus's own affair
        assert empty == []
        async with session.get(f"{url}/api/v1/rules") as answer:
            groups = (await answer.json())["data"]["groups"]
        assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
        async with session.get(f"{url}/api/v1/targets") as answer:
            targets = (await answer.json())["data"]["activeTargets"]
        assert [(one["labels"]["job"], one["health"]) for one in targets] == [("guardrail-proxy", "up")]
