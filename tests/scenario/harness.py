"""A whole proxy on real sockets, in the test's own event loop, before a backend that the test scripts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
from aiohttp import web_app
from pydantic import SecretStr

from proxy.app import App
from proxy.clock import Clock, SystemClock
from proxy.settings import Address, Admin, BackendSettings, LogSettings, Settings, Token

QUIET_RULES = """\
rules:
  - id: never
    on: output
    detect: {phrases: [a phrase that no test says]}
    action: block
"""

LEAK_RULES = """\
rules:
  - id: pii
    on: output
    detect: {pii: {entities: [EMAIL_ADDRESS], min_score: 0.4}}
    action: redact
  - id: falcon
    on: output
    detect: {phrases: [project falcon]}
    action: block
    message: I can't talk about that.
"""

ADMIN_TOKEN = "test-admin-token-0123456789"
WAIT_S = 10.0


@dataclass(frozen=True)
class Proxy:
    """The running proxy, as its clients, its operators and its auditors see it."""

    app: App
    url: str
    admin: str
    settings: Settings

    async def admin_call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as session:
            async with session.request(
                method,
                f"{self.admin}/admin/v1{path}",
                json=body,
                headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
            ) as answer:
                text = await answer.text()
                return answer.status, json.loads(text) if text else None

    async def dial(self, level: str, scope: str = "global", reason: str = "test") -> Any:
        status, body = await self.admin_call("PUT", f"/dial/{scope}", {"level": level, "reason": reason})
        assert status == 200, body
        return body

    async def records(self) -> list[dict[str, Any]]:
        """Every record on the log, newest first, whole."""
        _, page = await self.admin_call("GET", "/exchanges?limit=1000")
        return [await self.record(row["id"]) for row in page["exchanges"]]

    async def record(self, id: str) -> dict[str, Any]:
        status, body = await self.admin_call("GET", f"/exchanges/{id}")
        assert status == 200, body
        assert isinstance(body, dict)
        return body

    async def finished(self) -> dict[str, Any]:
        """The newest record, once it is finished. For ends that the test's client does not see."""
        async with asyncio.timeout(WAIT_S):
            while True:
                records = await self.records()
                if records and records[0]["outcome"] is not None:
                    return records[0]
                await asyncio.sleep(0.02)  # no event of the test's own: the record is written behind its back

    async def metrics(self) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{self.admin}/metrics") as answer:
            return await answer.text()


def settings_for(
    folder: Path, backend_url: str, *, rules: str = QUIET_RULES, timeout_s: float = 10.0, **changes: Any
) -> Settings:
    """Settings of a proxy with an `openai` and an `anthropic` backend at the same address."""
    rules_dir = folder / "rules"
    rules_dir.mkdir(exist_ok=True)
    (rules_dir / "rules.yaml").write_text(rules)
    settings = Settings(
        listen=Address("127.0.0.1", 0),
        data_dir=folder / "data",
        rules_dir=rules_dir,
        admin=Admin(
            listen=Address("127.0.0.1", 0), tokens=(Token("tester", "admin", SecretStr(ADMIN_TOKEN)),)
        ),
        backends=MappingProxyType(
            {
                "main": BackendSettings(
                    backend_url, "openai", timeout_s=timeout_s, connect_timeout_s=timeout_s
                ),
                "claude": BackendSettings(
                    backend_url, "anthropic", timeout_s=timeout_s, connect_timeout_s=timeout_s
                ),
            }
        ),
        default_backend="main",
        drain_s=1.0,
        log=LogSettings(),
    )
    return replace(settings, **changes)


class AheadClock(SystemClock):
    """The machine's clock, set ahead by a test."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


@asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Proxy]:
    app = App(settings, clock=clock)
    bound = await app.start()
    try:
        yield Proxy(app, f"http://{bound.client}", f"http://{bound.admin}", settings)
    finally:
        await app.stop()
        # aiohttp remembers handlers, and with them whole proxies: a thousand of them fill the memory of a test run.
        web_app._cached_build_middleware.cache_clear()


@asynccontextmanager
async def proxy_for(
    folder: Path, backend_url: str, *, clock: Clock | None = None, **changes: Any
) -> AsyncIterator[Proxy]:
    async with running(settings_for(folder, backend_url, **changes), clock) as proxy:
        yield proxy


async def post(url: str, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> Reply:
    """One raw request; the whole reply, its bytes as they came."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        async with session.post(
            url, data=data, headers={"content-type": "application/json", **(headers or {})}
        ) as answer:
            return Reply(answer.status, answer.headers, await answer.read())


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)
