"""kill -9: what a client saw complete is on the log; what was cut is marked at the next start."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes import Json, Pause, ScriptedBackend, Sse
from tests.scenario.harness import QUIET_RULES, post
from tests.scenario.test_no_leak import chat_frames
from tests.waits import within

CHAT = {"model": "m", "messages": [{"role": "user", "content": "remember me"}]}
REPLY = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "kept"}, "finish_reason": "stop"}],
}  # fmt: skip


class Process:
    """`guardrail-proxy serve` as a process of its own."""

    def __init__(self, folder: Path, backend_url: str) -> None:
        (folder / "rules").mkdir(exist_ok=True)
        (folder / "rules" / "rules.yaml").write_text(QUIET_RULES)
        self.config = folder / "proxy.yaml"
        self.config.write_text(
            f"listen: 127.0.0.1:0\ndata_dir: data\nrules_dir: rules\nadmin: {{listen: '127.0.0.1:0'}}\n"
            f"backends: {{main: {{url: '{backend_url}', api: openai}}}}\nlog_format: json\n"
        )
        self.url = ""
        self.admin = ""

    @property
    def pid(self) -> int:
        return self._process.pid

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy.cli", "serve", "--config", str(self.config),
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stderr is not None
        async with asyncio.timeout(30):
            while line := await self._process.stderr.readline():
                if line.startswith(b"{") and (event := json.loads(line)).get("event") == "serving":
                    self.url, self.admin = event["clients"], event["admin"]
                    return
        raise AssertionError("the proxy did not start")

    async def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode

    async def log(self) -> list[dict[str, Any]]:
        """Every record, newest first, read by the command."""
        lines = await self._command("log", "export")
        return [json.loads(line) for line in lines.splitlines()][::-1]

    async def _command(self, *words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy.cli", *words, "--config", str(self.config),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "COLUMNS": "200"},
        )  # fmt: skip
        out, err = await within(process.communicate())
        assert process.returncode == 0, err.decode()
        return out.decode()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_exchange_that_its_client_saw_complete_is_on_the_log_after_kill_9(
    stream: bool, tmp_path: Path
) -> None:
    script = [Sse(list(chat_frames(["kept"])))] if stream else [Json(REPLY)]
    async with ScriptedBackend(script) as backend:
        process = Process(tmp_path, backend.url)
        await process.start()
        reply = await post(f"{process.url}/v1/chat/completions", {**CHAT, "stream": stream})
        await process.kill()
        assert b"kept" in reply.body
        (record,) = await process.log()
        assert record["id"] == reply.headers["x-guardrail-exchange"]
        assert record["outcome"] == "released"
        assert record["request"]["body"]["messages"] == CHAT["messages"]
        assert record["response"]["received"] == "kept"


async def test_an_exchange_that_a_crash_cut_is_marked_at_the_next_start(tmp_path: Path) -> None:
    async with ScriptedBackend([Pause()]) as backend:
        process = Process(tmp_path, backend.url)
        await process.start()
        asked = asyncio.ensure_future(post(f"{process.url}/v1/chat/completions", CHAT))
        await backend.received(1)
        async with asyncio.timeout(10):
            while not await process.log():  # its begin is on its way to the disk beside the backend's call
                pass
        await process.kill()
        with pytest.raises((OSError, aiohttp.ClientError)):
            await asked
        await process.start()
        (record,) = await process.log()
        assert record["outcome"] == "interrupted"
        assert record["request"]["body"] == CHAT
        assert await process.stop() == 0
