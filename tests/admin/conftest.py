"""The admin API on a real port, with a real dial on a real file; policy and log are stand-ins that can fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from yarl import URL

from proxy.admin.api import build_admin
from proxy.admin.listener import AdminRunner
from proxy.admin.ports import AdminContext, known_by
from proxy.backend.route import Router
from proxy.clock import SystemClock, new_id
from proxy.dial.control import Dial
from proxy.dial.restraint import Restraint
from proxy.dial.state import SqliteDialStore
from proxy.errors import LogUnavailable, Problem
from proxy.log.port import Page, Search
from proxy.metrics import Metrics
from proxy.model.level import Action, Direction, Level, Outcome
from proxy.model.probe import Heard
from proxy.model.record import Json
from proxy.policy.compile import compile_policy
from proxy.policy.patch import Patch, digest_with
from proxy.policy.rule import Pattern, Phrases, Pii, Regex, Rule, Secrets, Toxicity, When
from proxy.probe.prober import Prober
from proxy.respond.alerts import Alerts
from proxy.respond.channels import NotDelivered
from proxy.respond.notice import Notice
from proxy.respond.responder import Responder
from proxy.settings import (
    Address,
    AlertTarget,
    BackendSettings,
    ModelSettings,
    Role,
    Settings,
    Token,
    Version,
    demo_settings,
)
from proxy.watch.watch import Watch
from tests.dial.helpers import TurnedClock, UnreliableStore
from tests.policy.folders import folder

PROBES = "probes: [{id: capital, every: 1h, models: [support-bot], prompt: Hi, expect: {contains: paris}}]\n"

TOKENS: Mapping[Role, str] = {
    role: f"secret-of-the-{role}-{'x' * 32}" for role in ("viewer", "operator", "admin")
}

RULES = (
    Rule(
        "words", Direction.OUTPUT, (Phrases(("codeword",)),), Action.BLOCK,
        levels=((Level.DEGRADED, Action.BLOCK),), message="no", when=When(frozenset({"bot"}), frozenset({"shop"})),
    ),
    Rule("keys", Direction.OUTPUT, (Regex((Pattern("sk-[a-z]+", 80),)),), Action.REDACT, on_error=Action.FLAG),
    Rule("pii", Direction.INPUT, (Pii(frozenset({"US_SSN", "EMAIL_ADDRESS"}), 0.5),), Action.FLAG),
    Rule("secrets", Direction.OUTPUT, (Secrets(frozenset({"NPM_TOKEN", "AWS_ACCESS_KEY_ID"})),), Action.REDACT),
    Rule("toxic", Direction.OUTPUT, (Toxicity({"toxicity": 0.8}),), Action.BLOCK),
)  # fmt: skip


@dataclass
class FakePolicy:
    """A policy as the API sees it."""

    digest: str = "digest-1"
    rules: tuple[Rule, ...] = RULES


@dataclass
class FakeRefusal:
    problems: Sequence[Problem]


@dataclass
class FakeReload:
    digest: str | None
    problems: Sequence[Problem] = ()


class FakePolicyStore:
    """Reloads to the next digest, or to problems."""

    def __init__(self) -> None:
        self.current = FakePolicy()
        self.loaded_at = 1_800_000_000.0
        self.last_error: FakeRefusal | None = None
        self.problems: tuple[Problem, ...] = ()
        self.next_digest = "digest-2"
        self.patches: tuple[Restraint, ...] = ()

    async def reload(self) -> FakeReload:
        if self.problems:
            self.last_error = FakeRefusal(self.problems)
            return FakeReload(self.current.digest, self.problems)
        self.last_error = None
        self.current = FakePolicy(self.next_digest)
        return FakeReload(self.next_digest)

    async def patch(self, patches: Sequence[Restraint]) -> None:
        self.patches = tuple(patches)
        rules = tuple(Patch.loads(one.value).rule(one.id) for one in patches)
        self.current = FakePolicy(digest_with("digest-1", rules), RULES + rules)


class FakeLog:
    """Answers with what a test gives it."""

    def __init__(self) -> None:
        self.asked: list[Search] = []
        self.records: dict[str, Mapping[str, Json]] = {"e1": {"id": "e1", "outcome": "released"}}
        self.failure: Exception | None = None

    async def search(self, search: Search) -> Page:
        self.asked.append(search)
        if self.failure is not None:
            raise self.failure
        return Page(tuple(self.records.values()), "cursor-2")

    async def show(self, id: str) -> Mapping[str, Json] | None:
        if isinstance(self.failure, LogUnavailable):
            raise self.failure
        if self.failure is not None:
            raise self.failure
        return self.records.get(id)


class Channel:
    """Takes alerts, or fails where a test says so."""

    def __init__(self) -> None:
        self.sent: list[Notice] = []
        self.fails: str | None = None

    async def send(self, notices: Sequence[Notice], now: float) -> None:
        if self.fails is not None:
            raise NotDelivered(self.fails, "no way through")
        self.sent += notices

    async def close(self) -> None: ...


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    raw: bytes
    body: dict[str, Json] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The error's code; fails for an answer that is not in the one error shape."""
        error = self.body["error"]
        assert isinstance(error, dict)
        assert {"code", "message"} <= error.keys() <= {"code", "message", "details"}
        assert isinstance(error["message"], str)
        assert error["message"]
        code = error["code"]
        assert isinstance(code, str)
        return code


def settings_with_models(folder: Path) -> Settings:
    """A public model `support-bot` with two versions, and another that shares one of them."""
    anywhere = Address("127.0.0.1", 0)
    support = ModelSettings({"v1": Version("main", "gpt-1"), "v2": Version("main", "gpt-2")}, serve="v2")
    twin = ModelSettings({"v1": Version("main", "gpt-2")}, serve="v1")
    return replace(
        demo_settings(anywhere, anywhere, folder, folder, "http://127.0.0.1:1"),
        backends={"main": BackendSettings("http://127.0.0.1:1", "openai")},
        default_backend="main",
        models={"support-bot": support, "twin": twin},
    )


class Admin:
    """One running admin listener and a client of it."""

    def __init__(self, path: Path) -> None:
        self.clock = TurnedClock()
        self.store = UnreliableStore(SqliteDialStore(path))
        self.dial = Dial(
            self.store,
            clock=self.clock,
            retry_first_s=0.01,
            retry_max_s=0.05,
            tighten_wait_s=5,
            loosen_wait_s=5,
        )
        self.policy = FakePolicyStore()
        self.log = FakeLog()
        self.checks: dict[str, str | None] = {"policy": None, "log": None}
        self.metrics = Metrics((), ())
        self.watch = Watch(self.metrics)
        self.channel = Channel()
        self.alerts = Alerts(
            (AlertTarget("oncall"),), self.metrics, clock=self.clock, channels={"oncall": self.channel}
        )
        self.settings = settings_with_models(path.parent)
        self.kept = path.with_name("watch.json")
        self.responder = Responder(
            self.watch, self.dial, self.settings.models, self.kept, clock=self.clock, alerts=self.alerts
        )
        self.prober = Prober(
            self.ask, self.settings, Router(self.settings), self.dial, self.watch, self.metrics, SystemClock(),
            in_flight=lambda: 0, chance=lambda: 0.5,
        )  # fmt: skip
        self.prober.take(compile_policy(folder(PROBES)))
        self.url = ""
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, probe: str, path: str, body: bytes, timeout_s: float) -> Heard:
        """What a probe's exchange comes to."""
        return Heard(f"exchange-of-{probe}", Outcome.RELEASED, "It is Paris.", None, "v2", None, None)

    async def render(self) -> bytes:
        """The metrics."""
        return self.metrics.render()

    async def start(self, hosts: tuple[str, ...] = (), address: str = "127.0.0.1") -> None:
        await self.dial.start()
        context = AdminContext(
            dial=self.dial,
            policy=self.policy,
            log=self.log,
            status=lambda: {"version": "0.1.0", "uptime_s": 1.0},
            ready=lambda: self.checks,
            metrics=self.render,
            tokens=tuple(Token(f"{role}-token", role, SecretStr(value)) for role, value in TOKENS.items()),
            hosts=hosts,
            clock=self.clock,
            known=known_by(Router(self.settings)),
            settings=self.settings,
            watch=self.watch,
            alerts=self.alerts,
            probes=self.prober,
            responder=self.responder,
        )
        self._runner = AdminRunner(build_admin(context), lambda: new_id(self.clock()))
        await self._runner.setup()
        await web.TCPSite(self._runner, address, 0).start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://{address}:{self.port}"
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.dial.stop()

    async def call(
        self,
        method: str,
        path: str,
        *,
        role: Role | None = "operator",
        json: Json = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        assert self._session is not None
        sent = dict(headers or {})
        if role is not None:
            sent.setdefault("Authorization", f"Bearer {TOKENS[role]}")
        # encoded=True: what a test writes is what goes out, percent signs and all.
        target = URL(self.url + path, encoded=True)
        async with self._session.request(
            method, target, headers=sent, **({"json": json} if json is not None else {"data": data})
        ) as response:
            raw = await response.read()
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["X-Request-Id"]
            answer = Answer(response.status, response.headers.copy(), raw)
            if raw and response.content_type == "application/json":
                answer.body = await response.json()
            elif response.status >= 400 and method != "HEAD":
                raise AssertionError(f"{method} {path}: {response.status} without JSON: {raw[:200]!r}")
            return answer


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "dial.sqlite3"


@pytest.fixture
async def admin(store_path: Path) -> AsyncIterator[Admin]:
    running = Admin(store_path)
    await running.start()
    yield running
    await running.stop()


async def raw(admin: Admin, request: bytes) -> tuple[int, dict[str, object]]:
    """The status and JSON body of an answer to bytes that no HTTP library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    writer.write(request)
    await writer.drain()
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    body = await asyncio.wait_for(reader.readexactly(length), 10)
    writer.close()
    return int(head.split(b" ", 2)[1]), json.loads(body)
