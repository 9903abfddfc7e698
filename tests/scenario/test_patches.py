"""A hot patch holds from the answer of its call on, for new exchanges, and outlives a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import AheadClock, Proxy, post, proxy_for
from tests.scenario.test_identity import CHAT

REPLY = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop",
                 "message": {"role": "assistant", "content": "We call it Project Nightingale here."}}],
}  # fmt: skip
PATCH = {"phrases": ["project nightingale"], "on": "output", "action": "block", "reason": "INC-42"}


async def said(proxy: Proxy) -> Any:
    reply = await post(f"{proxy.url}/v1/chat/completions", CHAT)
    return reply.json["choices"][0]["message"]["content"]


async def test_the_next_exchange_is_judged_by_it_and_a_restart_keeps_it(tmp_path: Path) -> None:
    async with ScriptedBackend(lambda _: [Json(REPLY)]) as backend:
        async with proxy_for(tmp_path, backend.url) as proxy:
            assert "Nightingale" in await said(proxy)
            before = (await proxy.admin_call("GET", "/rules"))[1]["digest"]
            status, patch = await proxy.admin_call("POST", "/rules/patch", PATCH)
            assert (status, patch["durable"]) == (200, True)
            assert "Nightingale" not in await said(proxy)
            record = await proxy.finished()
            assert record["outcome"] == "blocked_output"
            assert [one["rule"] for one in record["findings"]] == [patch["rule"]]
            assert record["policy"] == patch["digest"] != before
            assert f'rule="{patch["rule"]}"' in await proxy.metrics()
        async with proxy_for(tmp_path, backend.url) as proxy:
            assert "Nightingale" not in await said(proxy)
            assert (await proxy.admin_call("POST", "/rules/reload"))[0] == 200
            assert "Nightingale" not in await said(proxy)
            status, gone = await proxy.admin_call("DELETE", f"/rules/patch/{patch['id']}?reason=over")
            assert (status, gone["digest"]) == (200, before)
            assert "Nightingale" in await said(proxy)


async def test_it_ends_with_its_ttl(tmp_path: Path) -> None:
    clock = AheadClock()
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, clock=clock) as proxy,
    ):
        assert (await proxy.admin_call("POST", "/rules/patch", {**PATCH, "ttl": "30m"}))[0] == 200
        assert "Nightingale" not in await said(proxy)
        clock.ahead_s = 1801

        async def over() -> bool:
            return "Nightingale" in await said(proxy)

        for _ in range(50):
            if await over():
                break
        assert await over()
        change = (await proxy.admin_call("GET", "/changes"))[1]["changes"][0]
        assert change["action"] == "patch.expire"
