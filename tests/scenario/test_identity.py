"""Who calls, with whose credential, and what a claim is worth."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType

import aiohttp
import pytest
from multidict import CIMultiDict
from pydantic import SecretStr

from proxy.settings import BackendSettings, ClientSettings, Identify
from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import post, proxy_for

CHAT = {"model": "m", "user": "body-user", "messages": [{"role": "user", "content": "hi"}]}
REPLY = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
}  # fmt: skip
CLIENTS = (ClientSettings("shop", "shop-app", SecretStr("shop-key")),)


async def test_without_clients_the_callers_own_credential_is_passed_on(tmp_path: Path) -> None:
    async with ScriptedBackend([Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        await post(f"{proxy.url}/v1/chat/completions", CHAT, {"authorization": "Bearer sk-theirs"})
        assert backend.requests[0].header("authorization") == "Bearer sk-theirs"
        stored = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file())
        assert b"sk-theirs" not in stored, "a credential is never on the log"


async def test_a_clients_proxy_key_is_never_passed_on(tmp_path: Path) -> None:
    async with (
        ScriptedBackend([Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, clients=CLIENTS) as proxy,
    ):
        reply = await post(
            f"{proxy.url}/v1/chat/completions",
            CHAT,
            {"authorization": "Bearer shop-key", "x-api-key": "shop-key", "x-app": "other"},
        )
        assert reply.status == 200
        sent = backend.requests[0]
        assert "shop-key" not in str(sent.headers)
        record = await proxy.finished()
        assert (record["subject"]["key"], record["app"]) == ("shop", "shop-app")
        assert record["subject"]["user"] == "body-user"


async def test_the_backends_own_key_takes_the_place_of_the_clients(tmp_path: Path) -> None:
    async with ScriptedBackend([Json(REPLY)]) as backend:
        own = MappingProxyType({"main": BackendSettings(backend.url, "openai", key=SecretStr("sk-ours"))})
        async with proxy_for(tmp_path, backend.url, backends=own) as proxy:
            await post(f"{proxy.url}/v1/chat/completions", CHAT, {"authorization": "Bearer sk-theirs"})
            assert backend.requests[0].header("authorization") == "Bearer sk-ours"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"x-api-key": "shop-key "}])
async def test_an_unknown_key_is_401_before_the_body_counts(headers: dict[str, str], tmp_path: Path) -> None:
    async with (
        ScriptedBackend([Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, clients=CLIENTS) as proxy,
    ):
        if headers.get("x-api-key") == "shop-key ":
            assert (await post(f"{proxy.url}/v1/chat/completions", CHAT, headers)).status == 200
            return
        reply = await post(f"{proxy.url}/v1/chat/completions", CHAT, headers)
        assert (reply.status, reply.json["error"]["code"]) == (401, "invalid_api_key")
        assert not backend.requests
        assert (await proxy.finished())["outcome"] == "refused"


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        ((), "9.9.9.9", "127.0.0.1"),
        (("127.0.0.1/32",), "9.9.9.9", "9.9.9.9"),
        (("127.0.0.1/32",), "6.6.6.6, 9.9.9.9", "9.9.9.9"),
        (("127.0.0.1/32", "10.0.0.0/8"), "6.6.6.6, 9.9.9.9, 10.1.2.3", "9.9.9.9"),
        (("127.0.0.1/32",), "nonsense", "127.0.0.1"),
        (("127.0.0.1/32",), "2001:db8::1", "2001:db8::1"),
        (("127.0.0.1/32",), "::ffff:9.9.9.9", "9.9.9.9"),
    ],
)
async def test_forwarded_addresses_count_only_from_trusted_proxies(
    trusted: tuple[str, ...], forwarded: str, expected: str, tmp_path: Path
) -> None:
    identify = Identify(
        user_header="x-user-id",
        app_header="x-app",
        region_header="cf-ipcountry",
        trusted_proxies=tuple(ip_network(text) for text in trusted),
    )
    async with (
        ScriptedBackend([Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, identify=identify) as proxy,
    ):
        headers = {"x-forwarded-for": forwarded, "x-user-id": "u-1", "x-app": "blog", "cf-ipcountry": "de"}
        await post(f"{proxy.url}/v1/chat/completions", CHAT, headers)
        record = await proxy.finished()
        assert record["subject"]["ip"] == expected
        assert record["subject"]["user"] == "u-1"
        assert record["subject"]["region"] == ("DE" if trusted else None), (
            "a claimed region counts for nothing"
        )
        assert record["app"] == "blog"


async def test_open_for_a_claimed_app_does_not_hold(tmp_path: Path) -> None:
    """A name that a client only claims may make its treatment stricter, never looser."""
    rules = "rules: [{id: no, on: input, detect: {phrases: [forbidden]}, action: block}]"
    identify = Identify(app_header="x-app")
    body = {"model": "m", "messages": [{"role": "user", "content": "forbidden"}]}
    async with (
        ScriptedBackend([Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, rules=rules, identify=identify) as proxy,
    ):
        await proxy.dial("open", "app:debug")
        assert (await post(f"{proxy.url}/v1/chat/completions", body, {"x-app": "debug"})).status == 400
        await proxy.dial("killed", "app:debug")
        reply = await post(f"{proxy.url}/v1/chat/completions", CHAT, {"x-app": "debug"})
        assert reply.headers["x-guardrail-level"] == "killed"
        assert (await post(f"{proxy.url}/v1/chat/completions", CHAT)).headers[
            "x-guardrail-level"
        ] == "guarded"


@pytest.mark.parametrize(
    ("path", "code"), [("/v1/messages", "wrong_api"), ("/v1/chat/completions", "model_not_found")]
)
async def test_a_model_that_no_backend_serves_there_is_refused(path: str, code: str, tmp_path: Path) -> None:
    async with ScriptedBackend([]) as backend:
        only = MappingProxyType({"main": BackendSettings(backend.url, "openai")})
        unlisted = "deny" if code == "model_not_found" else "pass"
        async with proxy_for(tmp_path, backend.url, backends=only, unlisted_models=unlisted) as proxy:
            reply = await post(f"{proxy.url}{path}", {**CHAT, "max_tokens": 5})
            assert reply.status == (400 if code == "wrong_api" else 404)
            assert code in reply.body.decode()
            assert not backend.requests


@pytest.mark.parametrize("header", ["x-user-id", "x-app", "cf-ipcountry"])
async def test_a_name_that_stands_twice_names_nobody(tmp_path: Path, header: str) -> None:
    """A proxy that adds its header behind the caller's own must not lend the caller's its trust."""
    identify = Identify(
        user_header="x-user-id",
        app_header="x-app",
        region_header="cf-ipcountry",
        trusted_proxies=(ip_network("127.0.0.0/8"),),
    )
    async with (
        ScriptedBackend([Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, identify=identify) as proxy,
    ):
        url = f"{proxy.url}/v1/chat/completions"
        for second, status in (("fr", 400), ("de", 200)):
            headers = CIMultiDict([(header, "de"), (header, second)])
            async with (
                aiohttp.ClientSession() as session,
                session.post(url, json=CHAT, headers=headers) as reply,
            ):
                assert (reply.status, f"`{header}` stands twice" in await reply.text()) == (
                    status,
                    status == 400,
                )
        assert len(backend.requests) == 1
