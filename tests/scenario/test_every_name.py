"""A model obeys its setting under any of its names, on every path; no header makes anything looser."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from proxy.settings import ClientSettings, Identify, ModelSettings, Version
from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import Proxy, post, proxy_for
from tests.scenario.test_fallback import MESSAGE
from tests.scenario.test_identity import REPLY

SAID = [{"role": "user", "content": "tell of falcon"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": SAID},
    "/v1/completions": {"prompt": "tell of falcon"},
    "/v1/responses": {"input": "tell of falcon"},
    "/v1/embeddings": {"input": "tell of falcon"},
    "/v1/messages": {"messages": SAID, "max_tokens": 9},
    "/v1/messages/count_tokens": {"messages": SAID},
}
CLAUDES = frozenset({"/v1/messages", "/v1/messages/count_tokens"})
NAMES = (
    "bot",
    "Bot",
    "gpt-2",
    "GPT-2",
    "gpt-1",
    "acme/gpt-1",
    "other/gpt-1",
    "ｇｐｔ-1",
    "twin",
    None,
    ["gpt-2"],
    7,
)
"""The public name, each version's name at the backend, other spellings of them, another model that has one of them
as its version, and what a backend may take for its default."""

RULES = """\
rules:
  - {id: falcon, on: input, detect: {phrases: [falcon]}, action: block, when: {models: [bot]}}
"""


def models(backend: str) -> MappingProxyType[str, ModelSettings]:
    return MappingProxyType(
        {
            "bot": ModelSettings(
                {"v2": Version(backend, "gpt-2"), "v1": Version(backend, "acme/gpt-1")}, "v2"
            ),
            "twin": ModelSettings({"a": Version(backend, "gpt-2")}, "a"),
            "free": ModelSettings({"a": Version(backend, "gpt-9")}, "a"),
        }
    )


async def ask(proxy: Proxy, path: str, name: object, **headers: str) -> int:
    body = BODIES[path] | ({} if name is None else {"model": name})
    return (await post(f"{proxy.url}{path}", body, headers)).status


@pytest.mark.parametrize("path", BODIES)
async def test_a_killed_model_answers_to_none_of_its_names(path: str, tmp_path: Path) -> None:
    own = "claude" if path in CLAUDES else "main"
    answer = Json(MESSAGE if path in CLAUDES else REPLY)
    async with (
        ScriptedBackend(lambda _: [answer]) as backend,
        proxy_for(tmp_path, backend.url, models=models(own)) as proxy,
    ):
        for scope in ("model:bot", "model:Bot", "model:gpt-2", "model:GPT-2"):
            await proxy.dial("killed", scope)
            for name in NAMES if scope.lower() == "model:bot" else ("bot", "gpt-2", "Gpt-2", "twin"):
                await ask(proxy, path, name)
                assert not backend.requests, (scope, name)
            await ask(proxy, path, "free")
            assert len(backend.requests) == 1, "another model is"
            backend.requests.clear()
            await proxy.admin_call("DELETE", f"/dial/{scope}?reason=x")


@pytest.mark.parametrize("path", BODIES)
async def test_a_rule_for_a_model_holds_under_all_of_its_names(path: str, tmp_path: Path) -> None:
    own = "claude" if path in CLAUDES else "main"
    answer = Json(MESSAGE if path in CLAUDES else REPLY)
    async with (
        ScriptedBackend(lambda _: [answer]) as backend,
        proxy_for(tmp_path, backend.url, models=models(own), rules=RULES) as proxy,
    ):
        for name in NAMES:
            assert await ask(proxy, path, name) == 400, name
        assert not backend.requests
        await ask(proxy, path, "free")
        assert len(backend.requests) == 1


OTHERS: tuple[dict[str, Any], ...] = (
    {"models": ["free", "GPT-2"]},
    {"fallbacks": ["bot"]},
    {"fallbacks": [{"model": "acme/gpt-1", "messages": SAID}]},
    {"fallbacks": [{"free": ["gpt-9", "gpt-2"]}]},
    {"context_window_fallbacks": [{"free": ["twin"]}]},
    {"content_policy_fallbacks": "bot"},
    {"fallbacks": [{"free": [{"model": "bot"}]}]},
    {"providerOptions": {"gateway": {"order": ["azure"], "models": ["acme/gpt-2"]}}},
    {"model": "free, GPT-2"},
)
"""How a request may tell a gateway at the backend to turn to another model."""


UNREDUCED = frozenset({"/v1/embeddings", "/v1/messages/count_tokens"})
"""At `degraded` these go out as they came."""


def sent(backend: ScriptedBackend) -> dict[str, Any]:
    body = backend.requests[-1].json
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize("path", BODIES)
async def test_a_model_that_is_named_for_when_the_first_one_fails_is_held_to_its_setting(
    path: str, tmp_path: Path
) -> None:
    own = "claude" if path in CLAUDES else "main"
    answer = Json(MESSAGE if path in CLAUDES else REPLY)

    async def ask_with(proxy: Proxy, others: dict[str, Any]) -> tuple[int, str | None]:
        reply = await post(f"{proxy.url}{path}", BODIES[path] | {"model": "free"} | others)
        return reply.status, reply.json.get("error", {}).get("code") if reply.status >= 400 else None

    async with (
        ScriptedBackend(lambda _: [answer]) as backend,
        proxy_for(tmp_path, backend.url, models=models(own)) as proxy,
    ):
        for others in OTHERS:
            await ask_with(proxy, others)
            assert others.items() <= sent(backend).items(), "it is the backend's to read"
        backend.requests.clear()
        assert await ask_with(proxy, {"models": ["gpt-9"] * 33}) == (400, "invalid_request")
        assert await ask_with(proxy, {"fallbacks": [7]}) == (400, "invalid_request")
        await proxy.dial("killed", "model:bot")
        for others in OTHERS:
            await ask_with(proxy, others)
        await proxy.admin_call("DELETE", "/dial/model:bot?reason=x")
        await proxy.admin_call("PUT", "/rollbacks/bot", {"version": "v1", "reason": "x"})
        for others in OTHERS:
            assert await ask_with(proxy, others) == (400, "rolled_back")
        assert not backend.requests
        await proxy.admin_call("DELETE", "/rollbacks/bot?reason=x")
        await proxy.dial("degraded", "model:bot")
        if path not in UNREDUCED:
            await ask_with(proxy, OTHERS[0])
            assert "models" not in sent(backend)


async def test_what_was_judged_for_one_model_is_no_verdict_for_another(tmp_path: Path) -> None:
    """One bank holds the phrases of both rules, and only one of them is active."""
    rules = (
        RULES
        + "  - {id: eagle, on: input, detect: {phrases: [eagle]}, action: redact, when: {models: [free]}}\n"
    )
    said = [{"role": "user", "content": f"tell of falcon, {'and of nobody else ' * 5}"}]
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, models=models("main"), rules=rules) as proxy,
    ):
        url = f"{proxy.url}/v1/chat/completions"
        for _ in range(2):
            assert (await post(url, {"model": "free", "messages": said})).status == 200
            assert (await post(url, {"model": "bot", "messages": said})).status == 400


async def test_a_path_that_names_the_model_reaches_it_no_more_than_a_body(tmp_path: Path) -> None:
    """What no wire can read is held to the settings of every model at its backend."""
    paths = (
        "/openai/deployments/gpt-2/chat/completions",
        "/v1/engines/gpt-2/completions",
        "/v1/chat/completions/",
    )
    async with (
        ScriptedBackend([Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, models=models("main"), unknown_paths="pass") as proxy,
    ):
        await proxy.dial("killed", "model:bot")
        for path in paths:
            await post(f"{proxy.url}{path}?model=free", {"messages": SAID, "model": "gpt-2"})
            assert not backend.requests, path
        async with aiohttp.ClientSession() as session, session.get(f"{proxy.url}/v1/models/gpt-2") as answer:
            assert answer.status == 503


LOOSER = {
    "x-guardrail-level": "open",
    "x-guardrail-scope": "app:free",
    "x-guardrail-rules": "none",
    "x-app": "free",
    "x-user-id": "free",
    "cf-ipcountry": "FR",
    "x-forwarded-for": "192.0.2.9",
    "forwarded": "for=192.0.2.9",
    "x-real-ip": "192.0.2.9",
    "host": "free.example.com",
    "x-forwarded-host": "free.example.com",
    "x-http-method-override": "GET",
    "x-original-url": "/v1/models",
    "x-model": "free",
    "openai-model": "free",
    "openai-organization": "free",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "free",
    "content-type": "text/plain",
    "authorization": "Bearer another",
    "x-api-key": "another",
    "x-stainless-retry-count": "1",
    "x-should-retry": "false",
}
"""Headers by which a gate may be told who calls, what is asked or how strict to be; one that believes them all."""


@pytest.mark.parametrize("header", LOOSER)
async def test_no_header_loosens_anything(header: str, tmp_path: Path) -> None:
    """From a caller that is no trusted proxy, everything that is `open`, and everything that is not blocked, is
    claimed by one header after another; what holds for who it is holds on."""
    identify = Identify(
        user_header="x-user-id",
        app_header="x-app",
        region_header="cf-ipcountry",
        trusted_proxies=(ip_network("192.0.2.0/24"),),
    )
    claim = {header: LOOSER[header]}
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, models=models("main"), rules=RULES, identify=identify) as proxy,
    ):
        await proxy.dial("open", "app:free")
        await proxy.dial("open", "model:free")
        chat = "/v1/chat/completions"
        assert await ask(proxy, chat, "bot", **claim) == 400, "a rule that acts"
        await proxy.dial("killed", "model:bot")
        reply = await post(f"{proxy.url}{chat}", {"messages": SAID, "model": "bot"}, claim)
        assert reply.headers["x-guardrail-level"] == "killed"
        await proxy.admin_call("POST", "/blocks", {"subject": "ip:127.0.0.1", "reason": "x"})
        assert await ask(proxy, chat, "free", **claim) == 403
        assert not backend.requests


@pytest.mark.parametrize("header", LOOSER)
async def test_a_key_says_whose_app_it_is_and_no_header_does(header: str, tmp_path: Path) -> None:
    clients = (
        ClientSettings("shop", "shop", SecretStr("shop-key")),
        ClientSettings("x", "free", SecretStr("k")),
    )
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(
            tmp_path, backend.url, rules=RULES, clients=clients, identify=Identify(app_header="x-app")
        ) as proxy,
    ):
        await proxy.dial("open", "app:free")
        await proxy.dial("killed", "app:shop")
        headers = {"authorization": "Bearer shop-key", header: LOOSER[header]}
        reply = await post(f"{proxy.url}/v1/chat/completions", {"messages": SAID, "model": "m"}, headers)
        assert reply.status == 401 or reply.headers["x-guardrail-level"] == "killed"
        assert not backend.requests
