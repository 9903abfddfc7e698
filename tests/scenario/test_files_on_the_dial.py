"""The dial as files: what rule files set holds within a second, beside what people set, and is on the trail."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import Proxy, Reply, post, proxy_for
from tests.scenario.test_identity import CHAT, REPLY

FILE = """
containment:
  set: [{scope: "model:old-bot", level: killed, reason: "retired", until: 2099-01-01}]
blocks: [{subject: "user:bob", reason: "INC-42"}]
limits: [{subject: "user:eve", rate: 1/day, reason: "INC-43"}]
"""


async def ask(proxy: Proxy, model: str = "m", user: str = "ann") -> Reply:
    return await post(f"{proxy.url}/v1/chat/completions", {**CHAT, "model": model, "user": user})


async def changes(proxy: Proxy) -> list[Any]:
    """The oldest first."""
    status, body = await proxy.admin_call("GET", "/changes")
    assert status == 200
    return list(reversed(body["changes"]))


async def in_force(proxy: Proxy, count: int) -> None:
    """Wait for so many lines on the trail; the watcher looks a few times a second."""
    for _ in range(1000):
        if len(await changes(proxy)) >= count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the files are not in force")


async def test_a_file_turns_the_dial_and_turns_it_back(tmp_path: Path) -> None:
    async with ScriptedBackend(lambda _: [Json(REPLY)]) as backend:
        async with proxy_for(tmp_path, backend.url) as proxy:
            rules = proxy.settings.rules_dir
            (rules / "90-dial.yaml").write_text(FILE)
            await in_force(proxy, 4)
            assert (await ask(proxy, "old-bot")).json["choices"][0]["finish_reason"] == "content_filter"
            assert (await ask(proxy, user="bob")).json["error"]["code"] == "subject_blocked"
            assert [(await ask(proxy, user="eve")).status for _ in range(2)] == [200, 429]
            assert (await ask(proxy)).status == 200
            assert sorted((one["action"], one["actor"], one["scope"]) for one in await changes(proxy)) == [
                ("block.add", "rules", "user:bob"),
                ("dial.set", "rules", "model:old-bot"),
                ("limit.add", "rules", "user:eve"),
                ("rules.reload", "rules", "rules"),
            ]
            block = (await proxy.admin_call("GET", "/blocks"))[1]["blocks"][0]
            status, body = await proxy.admin_call("DELETE", f"/blocks/{block['id']}?reason=x")
            assert (status, body["error"]["code"]) == (409, "stands_in_files")
            await proxy.dial("guarded", "model:old-bot")
            assert (await proxy.admin_call("GET", "/dial/effective?model=old-bot"))[1]["level"] == "killed"
        async with proxy_for(tmp_path, backend.url) as proxy:
            assert len(await changes(proxy)) == 5, "a restart changes nothing"
            assert (await ask(proxy, user="bob")).status == 403
            (rules / "90-dial.yaml").unlink()
            await in_force(proxy, 9)
            assert (await ask(proxy, "old-bot")).json["choices"][0]["finish_reason"] == "stop"
            assert (await ask(proxy, user="bob")).status == 200
            gone = (await changes(proxy))[-4:]
            assert {one["after"] for one in gone if one["action"] != "rules.reload"} == {None}
            assert {one["reason"] for one in gone} == {"the files changed", "not in the rule files any more"}
