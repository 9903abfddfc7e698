"""Blocked callers are refused at once, in their wire's own words, and the log says who and why."""

from __future__ import annotations

import asyncio
import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from proxy.settings import Identify
from tests.clients import anthropic_client, openai_client
from tests.dial.helpers import until
from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import Proxy, post, proxy_for
from tests.scenario.test_identity import CHAT, CLIENTS, REPLY

IDENTIFY = Identify(
    user_header="x-user-id",
    app_header="x-app",
    region_header="cf-ipcountry",
    trusted_proxies=(ip_network("127.0.0.1/32"),),
)


async def block(proxy: Proxy, subject: str) -> str:
    status, body = await proxy.admin_call("POST", "/blocks", {"subject": subject, "reason": "INC-42: abuse"})
    assert status == 200, body
    return str(body["id"])


@pytest.mark.parametrize("stream", [False, True])
async def test_the_official_clients_make_one_request_each_and_read_the_refusal(
    stream: bool, tmp_path: Path
) -> None:
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        await block(proxy, "ip:127.0.0.0/8")
        said: Any = [{"role": "user", "content": "hi"}]
        async with openai_client(proxy.url) as chatgpt:
            with pytest.raises(openai.PermissionDeniedError) as refused:
                await chatgpt.chat.completions.create(model="m", messages=said, stream=stream)
            assert refused.value.code == "subject_blocked"
            assert refused.value.type == "permission_error"
            assert refused.value.response.headers["x-should-retry"] == "false"
            with pytest.raises(openai.PermissionDeniedError):
                await chatgpt.responses.create(model="m", input="hi", stream=stream)
            with pytest.raises(openai.PermissionDeniedError):
                await chatgpt.models.list()
        async with anthropic_client(proxy.url) as claude:
            with pytest.raises(anthropic.PermissionDeniedError) as denied:
                await claude.messages.create(model="m", max_tokens=5, messages=said, stream=stream)
            assert denied.value.body["error"]["type"] == "permission_error"  # type: ignore[index]
        assert not backend.requests
        records = await proxy.records()
        assert {record["outcome"] for record in records} == {"subject_blocked"}
        assert len(records) == 4, "one request for each call: none was sent again"
        assert records[0]["error"] == "blocked: ip:127.0.0.0/8 by tester: INC-42: abuse"
        assert records[0]["request"]["body"]["messages"] == said
        assert 'outcome="subject_blocked"' in await proxy.metrics()
        assert 'guardrail_restraints{kind="block"} 1.0' in await proxy.metrics()


@pytest.mark.parametrize(
    ("subject", "headers"),
    [
        ("user:u-1", {"x-user-id": " u-1 "}),
        ("user:body-user", {}),
        ("user:body-user", {"x-user-id": "whoever it says"}),
        ("app:blog", {"x-app": "blog"}),
        ("region:DE", {"cf-ipcountry": "de"}),
        ("ip:9.9.9.0/24", {"x-forwarded-for": "6.6.6.6, 9.9.9.9"}),
        ("ip:9.9.9.9", {"x-forwarded-for": "::ffff:9.9.9.9"}),
        ("ip:9.9.9.9", {"x-forwarded-for": "6.6.6.6, 9.9.9.9:4711"}),  # as some proxies write it
        ("ip:2001:db8::/32", {"x-forwarded-for": "[2001:db8::7]:4711"}),
        ("ip:2001:db8::/32", {"x-forwarded-for": "2001:db8::7"}),
    ],
)
async def test_each_kind_of_subject_is_refused_and_others_are_served(
    subject: str, headers: dict[str, str], tmp_path: Path
) -> None:
    async with (
        ScriptedBackend([Json(REPLY), Json(REPLY), Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, identify=IDENTIFY) as proxy,
    ):
        url = f"{proxy.url}/v1/chat/completions"
        assert (await post(url, CHAT, headers)).status == 200
        id = await block(proxy, subject)
        reply = await post(url, CHAT, headers)
        assert (reply.status, reply.json["error"]["code"]) == (403, "subject_blocked")
        assert "INC-42" not in reply.body.decode(), "the reason is the operators' own"
        assert (await post(url, {**CHAT, "user": "another"}, {"x-forwarded-for": "8.8.8.8"})).status == 200
        (found,) = (await proxy.admin_call("GET", "/exchanges?outcome=subject_blocked"))[1]["exchanges"]
        assert found["error"].startswith(f"blocked: {subject}")
        assert (await proxy.admin_call("DELETE", f"/blocks/{id}?reason=over"))[0] == 200
        assert (await post(url, CHAT, headers)).status == 200


async def test_a_forwarded_address_from_anybody_else_is_no_way_in_or_out(tmp_path: Path) -> None:
    async with ScriptedBackend([Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        url = f"{proxy.url}/v1/chat/completions"
        await block(proxy, "ip:9.9.9.9")
        assert (await post(url, CHAT, {"x-forwarded-for": "9.9.9.9"})).status == 200
        await block(proxy, "ip:127.0.0.1")
        assert (await post(url, CHAT, {"x-forwarded-for": "8.8.8.8"})).status == 403


async def test_a_key_is_authenticated_first_and_blocked_whatever_it_claims(tmp_path: Path) -> None:
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url, clients=CLIENTS) as proxy:
        url = f"{proxy.url}/v1/chat/completions"
        await block(proxy, "key:shop")
        assert (await post(url, CHAT, {"authorization": "Bearer wrong"})).status == 401
        reply = await post(url, CHAT, {"authorization": "Bearer shop-key", "x-user-id": "somebody"})
        assert (reply.status, reply.json["error"]["code"]) == (403, "subject_blocked")


async def test_a_block_holds_at_open_and_before_a_kill(tmp_path: Path) -> None:
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        await block(proxy, "user:body-user")
        for level in ("open", "killed"):
            await proxy.dial(level)
            reply = await post(f"{proxy.url}/v1/chat/completions", CHAT)
            assert (reply.status, reply.json["error"]["code"]) == (403, "subject_blocked")
        await block(proxy, "ip:127.0.0.1")
        reply = await post(f"{proxy.url}/v1/chat/completions", CHAT)
        assert (reply.status, reply.headers["x-guardrail-level"]) == (403, "killed")


async def test_a_large_body_is_not_read_and_the_log_keeps_its_size_and_its_beginning(tmp_path: Path) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "word " * 200_000}], "user": "u"}
    async with (
        ScriptedBackend([]) as backend,
        proxy_for(tmp_path, backend.url) as proxy,
        openai_client(proxy.url) as client,
    ):
        await block(proxy, "ip:127.0.0.1")
        with pytest.raises(openai.PermissionDeniedError):
            await client.chat.completions.create(**body)  # type: ignore[call-overload]
        (record,) = await proxy.records()
        assert record["body_bytes"] > 1_000_000
        kept = record["request"]["body"]["messages"][0]["content"]
        assert kept.startswith("word word ")
        assert 60_000 < len(kept) <= 65_536


async def test_a_body_that_never_comes_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        await block(proxy, "ip:127.0.0.1")
        host, port = proxy.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        part = b'{"model": "m", "messages": [{"role": "user", "content": "hal'
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n" + part)
        async with asyncio.timeout(8):
            assert b" 403 " in await reader.readline()
        writer.transport.abort()
        record = await proxy.finished()
        assert record["body_bytes"] == 5000
        assert record["request"]["body"]["messages"] == [{"role": "user", "content": "hal"}]


async def test_a_size_beyond_all_numbers_is_refused_and_recorded_like_any_other(tmp_path: Path) -> None:
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        await block(proxy, "ip:127.0.0.1")
        host, port = proxy.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n{" % (2**64 - 1))
        async with asyncio.timeout(8):
            assert b" 403 " in await reader.readline()
        writer.transport.abort()
        record = await proxy.finished()
        assert (record["outcome"], record["body_bytes"]) == ("subject_blocked", 2**53)


async def test_a_body_that_asks_first_is_not_asked_for(tmp_path: Path) -> None:
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        await block(proxy, "ip:127.0.0.1")
        host, port = proxy.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n"
        writer.write(head + b"expect: 100-continue\r\n\r\n")
        async with asyncio.timeout(8):
            assert b" 403 " in await reader.readline()
        writer.transport.abort()


async def test_a_block_that_comes_while_the_body_does_holds_for_it(tmp_path: Path) -> None:
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        host, port = proxy.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        body = json.dumps(CHAT).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
        )
        writer.write(body[:10])
        await writer.drain()
        await until(lambda: proxy.app.front.in_flight == 1)
        await block(proxy, "ip:127.0.0.1")
        writer.write(body[10:])
        async with asyncio.timeout(8):
            assert b" 403 " in await reader.readline()
        writer.transport.abort()
        assert not backend.requests


async def test_a_restart_keeps_a_block(tmp_path: Path) -> None:
    async with ScriptedBackend([]) as backend:
        async with proxy_for(tmp_path, backend.url) as proxy:
            await block(proxy, "user:body-user")
        async with proxy_for(tmp_path, backend.url) as proxy:
            assert (await post(f"{proxy.url}/v1/chat/completions", CHAT)).status == 403
