"""Who is served at `restricted`: names that somebody vouches for, and only so often."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr

from proxy.settings import ClientSettings, Identify
from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import AheadClock, post, proxy_for
from tests.scenario.speaking import SPOKEN

CHAT = SPOKEN[0]
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
CLIENTS = tuple(
    ClientSettings(name, app, SecretStr(f"{name}-key")) for name, app in (("shop", "store"), ("other", None))
)
TRUSTED = (ip_network("127.0.0.0/8"),)
NAMES = Identify(user_header="x-user", app_header="x-app", region_header="x-region")
BEHIND_PROXY = Identify("x-user", "x-app", "x-region", None, TRUSTED)


def rules(allow: str, more: str = "") -> str:
    return f"rules: []\ncontainment: {{restricted: {{allow: ['{allow}']{more}}}}}\n"


@pytest.mark.parametrize(
    ("allow", "clients", "identify", "headers", "user", "served"),
    [
        ("key:shop", CLIENTS, NAMES, {"authorization": "Bearer shop-key"}, None, True),
        ("key:shop", CLIENTS, NAMES, {"authorization": "Bearer other-key"}, None, False),
        ("app:store", CLIENTS, NAMES, {"authorization": "Bearer shop-key"}, None, True),
        ("app:store", CLIENTS, NAMES, {"authorization": "Bearer other-key", "x-app": "store"}, None, False),
        ("app:store", (), NAMES, {"x-app": "store"}, None, False),
        ("app:store", (), BEHIND_PROXY, {"x-app": "store"}, None, True),
        ("user:ann", (), NAMES, {"x-user": "ann"}, None, False),
        ("user:ann", (), BEHIND_PROXY, {"x-user": "ann"}, None, True),
        ("user:ann", CLIENTS, NAMES, {"authorization": "Bearer other-key", "x-user": "ann"}, None, True),
        # A body's user is what the caller says; behind a trusted proxy too it is not the proxy that says it.
        ("user:ann", (), NAMES, {}, "ann", False),
        ("user:ann", (), BEHIND_PROXY, {}, "ann", False),
        ("user:ann", CLIENTS, NAMES, {"authorization": "Bearer other-key"}, "ann", True),
        ("region:DE", (), NAMES, {"x-region": "de"}, None, False),
        ("region:DE", (), BEHIND_PROXY, {"x-region": "de"}, None, True),
        ("ip:127.0.0.0/8", (), NAMES, {}, None, True),
        ("ip:10.0.0.0/8", (), NAMES, {"x-forwarded-for": "10.1.2.3"}, None, False),
        ("ip:10.0.0.0/8", (), BEHIND_PROXY, {"x-forwarded-for": "10.1.2.3"}, None, True),
        ("ip:2001:db8::/32", (), BEHIND_PROXY, {"x-forwarded-for": "2001:db8::7"}, None, True),
        ("ip:2001:db8::/32", (), BEHIND_PROXY, {"x-forwarded-for": "2001:db9::7"}, None, False),
    ],
)
async def test_who_is_on_the_list(
    allow: str,
    clients: tuple[ClientSettings, ...],
    identify: Identify,
    headers: dict[str, str],
    user: str | None,
    served: bool,
    tmp_path: Path,
) -> None:
    async with (
        ScriptedBackend([Json(CHAT.whole("Hi."))]) as backend,
        proxy_for(tmp_path, backend.url, rules=rules(allow), clients=clients, identify=identify) as proxy,
    ):
        await proxy.dial("restricted")
        body = BODY if user is None else {**BODY, "user": user}
        got = await post(proxy.url + CHAT.path, body, headers)
        record = await proxy.finished()
    assert got.status == (200 if served else 503), got.body
    assert len(backend.requests) == served
    if not served:
        assert got.json["error"]["code"] == "contained"
        assert got.headers["x-should-retry"] == "false"
        assert (record["outcome"], record["error"]) == ("contained", "restricted, and not on the list: test")


async def test_with_nothing_in_the_rule_files_nobody_is_on_the_list(tmp_path: Path) -> None:
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        await proxy.dial("restricted")
        assert (await post(proxy.url + CHAT.path, BODY)).status == 503
        assert backend.requests == []


async def test_each_caller_has_the_rate_for_itself(tmp_path: Path) -> None:
    clock = AheadClock()
    allowed = "rules: []\ncontainment: {restricted: {allow: ['key:shop', 'key:other'], rate: 2/minute}}\n"
    async with (
        ScriptedBackend([Json(CHAT.whole("Hi."))]) as backend,
        proxy_for(tmp_path, backend.url, rules=allowed, clients=CLIENTS, clock=clock) as proxy,
    ):

        async def call(key: str) -> int:
            got = await post(proxy.url + CHAT.path, BODY, {"authorization": f"Bearer {key}-key"})
            if got.status == 429:
                assert got.json["error"]["code"] == "rate_limited"
                assert 1 <= int(got.headers["retry-after"]) <= 60
            return got.status

        assert [await call("shop") for _ in range(3)] == [200, 200, 200], (
            "the rate is of the level restricted"
        )
        await proxy.dial("restricted")
        assert [await call("shop") for _ in range(3)] == [200, 200, 429]
        record = await proxy.finished()
        assert (record["outcome"], record["level"]) == ("rate_limited", "restricted")
        assert await call("other") == 200
        clock.ahead_s += 60
        assert await call("shop") == 200


@pytest.mark.parametrize("level", ["degraded", "restricted"])
@pytest.mark.parametrize(
    "kept", [{"previous_response_id": "resp_1"}, {"conversation": "conv_1"}, {"prompt": {"id": "pmpt_1"}}]
)
async def test_a_conversation_that_the_backend_keeps_is_refused(
    level: str, kept: dict[str, object], tmp_path: Path
) -> None:
    allowed = rules("ip:127.0.0.1")
    async with (
        ScriptedBackend([Json(SPOKEN[2].whole("Hi."))]) as backend,
        proxy_for(tmp_path, backend.url, rules=allowed) as proxy,
    ):
        body = {"model": "m", "input": "hi", **kept}
        assert (await post(f"{proxy.url}/v1/responses", body)).status == 200
        await proxy.dial(level)
        got = await post(f"{proxy.url}/v1/responses", body)
        assert (got.status, got.json["error"]["code"]) == (503, "contained")
        assert "send its messages themselves" in got.json["error"]["message"]
        assert len(backend.requests) == 1


async def test_a_path_that_cannot_be_read_is_closed_at_degraded(tmp_path: Path) -> None:
    async with (
        ScriptedBackend([Json({})]) as backend,
        proxy_for(tmp_path, backend.url, unknown_paths="pass") as proxy,
    ):
        assert (await post(f"{proxy.url}/v1/odd", {})).status == 200
        await proxy.dial("degraded")
        assert (await post(f"{proxy.url}/v1/odd", {})).status == 503
        assert len(backend.requests) == 1
