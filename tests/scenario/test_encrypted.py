"""A whole proxy whose log is encrypted: nobody notices, and nothing that was said is on its disk."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxy.commands.log import app_log
from tests.clients import openai_client
from tests.fakes import ScriptedBackend
from tests.fakes.strict import strict
from tests.scenario.keeping import Keeper, say
from tests.scenario.test_crash import Process
from tests.waits import within

SAID = ("narwhal", "ocelot", "pangolin", "wombat")
"""One word of each question, and one of all answers."""


class Encrypted(Process):
    def __init__(self, folder: Path, backend_url: str) -> None:
        super().__init__(folder, backend_url)
        self.config.write_text(self.config.read_text() + "log: {encryption: {key_env: LOG_KEY}}\n")
        self.data = folder / "data"

    def read(self, *words: str) -> str:
        """What a `log` command prints."""
        done = CliRunner().invoke(app_log, [*words, "--config", str(self.config)])
        assert done.exit_code == 0, done.output
        return done.stdout

    async def refused(self) -> str:
        """What is said of a start that fails."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "proxy.cli",
            "serve",
            "--config",
            str(self.config),
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await within(process.communicate())
        assert process.returncode == 1
        return err.decode()

    def on_disk(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.data.rglob("*") if file.is_file())


async def test_clients_and_commands_notice_nothing_and_nothing_that_was_said_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_KEY", "1" * 64)
    async with ScriptedBackend(strict(Keeper(lambda number: f"answer {number} of the wombat"))) as backend:
        process = Encrypted(tmp_path, backend.url)
        await process.start()
        async with openai_client(process.url, "key", max_retries=0) as client:
            first, said = await say(client, "where is the narwhal?")
            second, streamed = await say(client, "and the ocelot?", stream=True, previous_response_id=first)
        assert (said, streamed) == ("answer 1 of the wombat", "answer 2 of the wombat")
        running = process.on_disk()
        await process.kill()
        await process.start()
        async with openai_client(process.url, "key", max_retries=0) as client:
            await say(client, "the pangolin?", previous_response_id=second)
            await say(client, "the pangolin?", previous_response_id="resp_that_is_nowhere")
        assert await process.stop() == 0

        found = json.loads(process.read("search", "--json", "--q", "narwhal"))["exchanges"]
        assert len(found) == 1, "its own words, not those of the turns after it"
        record = json.loads(process.read("show", found[0]["id"], "--json"))
        assert record["request"]["body"]["input"] == "where is the narwhal?"
        assert record["response"]["received"] == "answer 1 of the wombat"
        exported = [json.loads(line) for line in process.read("export").splitlines()]
        assert [bool(one.get("unscanned")) for one in exported] == [True, False, False, False], (
            "what was kept was read back, also after kill -9"
        )
        assert process.read("verify").startswith("ok: 4 records fit")
        for disk in (running, process.on_disk()):
            assert found[0]["id"].encode() in disk, "the files that were read are the log's"
            assert not [word for word in SAID if word.encode() in disk]
        monkeypatch.setenv("LOG_KEY", "2" * 64)
        told = await process.refused()
        assert "log.encryption" in told
        assert "Traceback" not in told
