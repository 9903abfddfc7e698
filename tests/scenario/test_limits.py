"""Callers over a limit are told when to come again, and others are served."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anthropic
import openai
import pytest

from tests.clients import anthropic_client, openai_client
from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import Proxy, post, proxy_for
from tests.scenario.test_blocks import IDENTIFY
from tests.scenario.test_identity import CHAT, CLIENTS, REPLY


async def limit(proxy: Proxy, subject: str, rate: str) -> str:
    body = {"subject": subject, "rate": rate, "reason": "INC-42: loop"}
    status, answer = await proxy.admin_call("POST", "/limits", body)
    assert status == 200, answer
    return str(answer["id"])


async def test_the_official_clients_make_one_request_where_waiting_would_be_long(tmp_path: Path) -> None:
    """Over 60 s both clients would come back on a schedule of their own, so they are told not to."""
    async with ScriptedBackend(lambda _: [Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        await limit(proxy, "ip:127.0.0.1", "1/hour")
        async with openai_client(proxy.url) as chatgpt:
            await chatgpt.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            with pytest.raises(openai.RateLimitError) as limited:
                await chatgpt.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert (limited.value.code, limited.value.type) == ("rate_limited", "rate_limit_error")
        headers = limited.value.response.headers
        assert 3590 <= int(headers["retry-after"]) <= 3600
        assert headers["x-should-retry"] == "false"
        async with anthropic_client(proxy.url) as claude:
            with pytest.raises(anthropic.RateLimitError) as too_much:
                await claude.messages.create(
                    model="m", max_tokens=5, messages=[{"role": "user", "content": "hi"}]
                )
        assert too_much.value.body["error"]["type"] == "rate_limit_error"  # type: ignore[index]
        records = await proxy.records()
        assert [one["outcome"] for one in records] == ["rate_limited", "rate_limited", "released"]
        assert records[0]["error"] == "limited: ip:127.0.0.1/32 to 1/hour by tester: INC-42: loop"
        assert records[0]["request"]["body"]["messages"] == [{"role": "user", "content": "hi"}]
        assert 'outcome="rate_limited"' in await proxy.metrics()
        assert 'guardrail_restraints{kind="limit"} 1.0' in await proxy.metrics()


async def test_an_official_client_that_is_told_a_short_wait_waits_it_and_is_served(tmp_path: Path) -> None:
    async with ScriptedBackend(lambda _: [Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        await limit(proxy, "ip:127.0.0.1", "1/second")
        async with openai_client(proxy.url, max_retries=1) as client:
            for _ in range(2):
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert [one["outcome"] for one in await proxy.records()] == ["released", "rate_limited", "released"]


@pytest.mark.parametrize(
    ("subject", "headers", "other"),
    [
        ("user:u-1", {"x-user-id": "u-1"}, {"x-user-id": "u-2"}),
        ("user:body-user", {}, None),
        ("user:body-user", {"x-user-id": "whoever"}, None),
        ("app:blog", {"x-app": "blog"}, {"x-app": "shop"}),
        ("region:DE", {"cf-ipcountry": "de"}, {"cf-ipcountry": "fr"}),
        ("ip:9.9.9.0/24", {"x-forwarded-for": "9.9.9.9"}, {"x-forwarded-for": "9.9.8.9"}),
        ("ip:2001:db8::/32", {"x-forwarded-for": "2001:db8::7"}, {"x-forwarded-for": "2001:db9::7"}),
    ],
)
async def test_a_subject_has_its_own_count(
    subject: str, headers: dict[str, str], other: dict[str, str] | None, tmp_path: Path
) -> None:
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, identify=IDENTIFY) as proxy,
    ):
        url = f"{proxy.url}/v1/chat/completions"
        id = await limit(proxy, subject, "2/minute")
        assert [(await post(url, CHAT, headers)).status for _ in range(3)] == [200, 200, 429]
        body = {**CHAT, "user": "another"} if other is None else CHAT
        assert (await post(url, body, other)).status == 200
        assert (await proxy.admin_call("DELETE", f"/limits/{id}?reason=over"))[0] == 200
        assert (await post(url, CHAT, headers)).status == 200
        assert len(backend.requests) == 4


async def test_a_range_and_a_whole_region_share_one_count(tmp_path: Path) -> None:
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, identify=IDENTIFY) as proxy,
    ):
        await limit(proxy, "ip:9.9.9.0/24", "2/minute")
        url = f"{proxy.url}/v1/chat/completions"
        found = [(await post(url, CHAT, {"x-forwarded-for": f"9.9.9.{at}"})).status for at in range(3)]
        assert found == [200, 200, 429]


async def test_of_many_at_once_just_as_many_as_allowed_get_through_at_open_too(tmp_path: Path) -> None:
    async with ScriptedBackend(lambda _: [Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        await proxy.dial("open")
        await limit(proxy, "user:body-user", "7/minute")
        replies = await asyncio.gather(*(post(f"{proxy.url}/v1/chat/completions", CHAT) for _ in range(30)))
        assert sorted(reply.status for reply in replies) == [200] * 7 + [429] * 23
        assert {reply.headers.get("retry-after") for reply in replies if reply.status == 429} <= {
            "60",
            "59",
            "58",
        }
        assert all("x-should-retry" not in reply.headers for reply in replies)
        assert len(backend.requests) == 7


async def test_a_key_is_limited_whatever_it_claims_and_a_wrong_one_counts_for_nobody(tmp_path: Path) -> None:
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, clients=CLIENTS) as proxy,
    ):
        url = f"{proxy.url}/v1/chat/completions"
        await limit(proxy, "key:shop", "1/minute")
        assert (await post(url, CHAT, {"authorization": "Bearer wrong"})).status == 401
        found = [
            (await post(url, CHAT, {"authorization": "Bearer shop-key", "x-user-id": str(at)})).status
            for at in range(2)
        ]
        assert found == [200, 429]


async def test_a_blocked_call_counts_under_no_limit_and_a_bad_one_does(tmp_path: Path) -> None:
    async with ScriptedBackend(lambda _: [Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        url = f"{proxy.url}/v1/chat/completions"
        await limit(proxy, "ip:127.0.0.1", "2/minute")
        _, block = await proxy.admin_call("POST", "/blocks", {"subject": "ip:127.0.0.1", "reason": "x"})
        assert [(await post(url, CHAT)).status for _ in range(3)] == [403] * 3
        await proxy.admin_call("DELETE", f"/blocks/{block['id']}?reason=x")
        assert (await post(url, b"no json")).status == 400
        assert [(await post(url, CHAT)).status for _ in range(2)] == [200, 429]


async def test_a_restart_keeps_the_limit_and_forgets_the_calls(tmp_path: Path) -> None:
    async with ScriptedBackend(lambda _: [Json(REPLY)]) as backend:
        for _ in range(2):
            async with proxy_for(tmp_path, backend.url) as proxy:
                if not (await proxy.admin_call("GET", "/limits"))[1]["limits"]:
                    await limit(proxy, "user:body-user", "1/hour")
                url = f"{proxy.url}/v1/chat/completions"
                assert [(await post(url, CHAT)).status for _ in range(2)] == [200, 429]
