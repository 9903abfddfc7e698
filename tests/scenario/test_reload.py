"""Rule files are edited while the proxy runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import QUIET_RULES, Proxy, post, proxy_for

SECRET = "the launch code is tulip"
REPLY = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": SECRET}, "finish_reason": "stop"}],
}  # fmt: skip
BLOCKING = QUIET_RULES.replace("a phrase that no test says", "tulip")


async def ask(proxy: Proxy) -> str:
    reply = await post(
        f"{proxy.url}/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    )
    assert reply.status == 200, reply.body
    text = reply.json["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


async def test_an_edit_under_load_takes_effect_within_a_second_and_fails_no_exchange(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with ScriptedBackend([Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        stop = asyncio.Event()
        last_clear = 0.0

        async def load() -> None:
            nonlocal last_clear
            while not stop.is_set():
                began = loop.time()
                if await ask(proxy) == SECRET:
                    last_clear = began

        workers = [asyncio.ensure_future(load()) for _ in range(4)]
        assert await ask(proxy) == SECRET
        edited_at = loop.time()
        (tmp_path / "rules" / "rules.yaml").write_text(BLOCKING)
        async with asyncio.timeout(10):
            while await ask(proxy) == SECRET:
                pass
        stop.set()
        await asyncio.gather(*workers)
        assert last_clear - edited_at < 1.0
        outcomes = {record["outcome"] for record in (await proxy.records())[:50]}
        assert outcomes <= {"released", "blocked_output"}


async def test_a_broken_edit_is_refused_with_its_position_and_the_old_policy_stays(tmp_path: Path) -> None:
    async with (
        ScriptedBackend([Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, rules=BLOCKING) as proxy,
    ):
        before = (await proxy.admin_call("GET", "/rules"))[1]["digest"]
        (tmp_path / "rules" / "rules.yaml").write_text(BLOCKING.replace("detect:", "detecct:"))
        status, body = await proxy.admin_call("POST", "/rules/reload")
        assert status == 422
        (problem,) = (problem for problem in body["problems"] if "detecct" in problem["message"])
        assert problem["file"].endswith("rules.yaml")
        assert (problem["line"], problem["column"]) == (4, 5)
        state = (await proxy.admin_call("GET", "/rules"))[1]
        assert state["digest"] == before
        assert state["last_error"]["problems"]
        assert await ask(proxy) != SECRET, "the old rule still blocks"
        assert "guardrail_policy_reload_success 0.0" in await proxy.metrics()

        (tmp_path / "rules" / "rules.yaml").write_text(BLOCKING)
        assert (await proxy.admin_call("POST", "/rules/reload"))[0] == 200
        assert (await proxy.admin_call("GET", "/rules"))[1]["last_error"] is None
        assert "guardrail_policy_reload_success 1.0" in await proxy.metrics()
