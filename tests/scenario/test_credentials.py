"""Credentials in a request's body: the backend gets them, the log never does."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import post, proxy_for
from tests.wire.samples_responses import responses_whole

SECRET = "s3cr3t-Value-0123456789"
INPUT_RULES = """\
rules:
  - id: mails
    on: input
    detect: {pii: {entities: [EMAIL_ADDRESS], min_score: 0.4}}
    action: redact
"""


async def test_the_backend_gets_a_tools_credentials_and_the_log_a_body_without(tmp_path: Path) -> None:
    tool = {
        "type": "mcp",
        "server_label": "crm",
        "server_url": f"https://u:{SECRET}@mcp.example/sse",
        "authorization": SECRET,
        "headers": {"X-Key": SECRET},
    }
    asked = json.dumps({"model": "m", "input": "ask jane@example.com", "tools": [tool]}).encode()
    async with (
        ScriptedBackend([Json(responses_whole())]) as backend,
        proxy_for(tmp_path, backend.url, rules=INPUT_RULES) as proxy,
    ):
        reply = await post(f"{proxy.url}/v1/responses", asked)
        assert reply.status == 200
        assert backend.requests[0].body == asked.replace(b"jane@example.com", b"<EMAIL_ADDRESS>")
        record = await proxy.finished()
        assert record["request"]["body"]["tools"][0]["authorization"] == "[credential]"
        assert record["request"]["sent"]["tools"][0]["headers"] == {"X-Key": "[credential]"}
        assert "ask jane@example.com" in json.dumps(record["request"]["body"])
    for file in (tmp_path / "data").rglob("*"):
        assert file.is_dir() or SECRET.encode() not in file.read_bytes()
