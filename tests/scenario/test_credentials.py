"""Credentials of a request: the backend gets them, the log never does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.request.score_output import PASSED_BYTES_KEPT_MAX
from tests.fakes import Json, ScriptedBackend, Sse
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


KEY = "sk-own-Key/0123456789abcdefXYZ"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
HEADERS = [{"Authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}, {"Cookie": f"a=1; session={KEY}"}]
REFUSED = Json({"error": {"message": f"Incorrect API key provided: {KEY}"}}, 401)


def chat_of(text: str) -> Json:
    message = {"role": "assistant", "content": text}
    return Json({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


@pytest.mark.parametrize("headers", HEADERS, ids=["bearer", "x-api-key", "cookie"])
@pytest.mark.parametrize(
    ("reply", "path", "body"),
    [
        (REFUSED, "/v1/chat/completions", CHAT),
        (chat_of(f"Your key is {KEY}."), "/v1/chat/completions", CHAT),
        (
            chat_of("Hi"),
            "/v1/chat/completions",
            {**CHAT, "messages": [{"role": "user", "content": f"use {KEY}"}]},
        ),
        (chat_of("Hi"), "/v1/chat/completions", {**CHAT, KEY: 1, "user": KEY}),
        (chat_of("Hi"), "/v1/chat/completions", f'{{"{KEY}": 1, "{KEY}": 2}}'.encode()),
        (chat_of("Hi"), f"/v1/{KEY}", CHAT),
        (Sse([b"data: " + json.dumps({"error": KEY}).encode() + b"\n\n"]), "/v1/chat/completions", CHAT),
    ],
    ids=["refused", "said", "asked", "a key of the body", "doubled", "path", "error in a stream"],
)
async def test_a_key_of_the_callers_own_is_not_on_the_log(
    tmp_path: Path, headers: dict[str, str], reply: Json, path: str, body: dict[str, Any] | bytes
) -> None:
    async with ScriptedBackend([reply]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        got = await post(f"{proxy.url}{path}", body, headers)
        if reply is REFUSED:
            assert KEY.encode() in got.body, "the client gets what the backend says"
        record = await proxy.finished()
        assert KEY not in json.dumps(record)
        assert "[credential]" in json.dumps(record)


async def test_a_key_that_is_cut_where_the_log_keeps_no_more_is_not_on_it(tmp_path: Path) -> None:
    message = "x" * (PASSED_BYTES_KEPT_MAX - len('{"error": "') - len(KEY) + 3) + KEY
    async with (
        ScriptedBackend([Json({"error": message}, status=401)]) as backend,
        proxy_for(tmp_path, backend.url) as proxy,
    ):
        got = await post(f"{proxy.url}/v1/chat/completions", CHAT, {"Authorization": f"Bearer {KEY}"})
        assert KEY.encode() in got.body
        record = json.dumps(await proxy.finished())
        assert KEY[:12] not in record
        assert "[credential]" in record


async def test_a_short_stand_in_for_a_key_masks_no_words(tmp_path: Path) -> None:
    async with ScriptedBackend([chat_of("none of it")]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        await post(f"{proxy.url}/v1/chat/completions", CHAT, {"Authorization": "Bearer none"})
        assert (await proxy.finished())["response"]["received"] == "none of it"
