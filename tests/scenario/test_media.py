"""Images and files: on the log by hash, type and size; their bytes only where the settings say so."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.settings import LogSettings
from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import post, proxy_for
from tests.wire.catalogue import WHOLES

BYTES = b"\x89PNG\r\n" + bytes(range(256)) * 3
IMAGE = f"data:image/png;base64,{base64.b64encode(BYTES).decode()}"
SHA256 = hashlib.sha256(BYTES).hexdigest()
STANDS = f"media:image/png;bytes={len(BYTES)};sha256={SHA256}"
CHAT = next(whole for whole in WHOLES if whole.name == "chat")


def body(image: str) -> dict[str, Any]:
    parts = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": image}},
        {"type": "image_url", "image_url": {"url": "https://example.com/" + "cat" * 100 + ".png"}},
    ]
    return {"model": "m", "messages": [{"role": "user", "content": parts}]}


@pytest.mark.parametrize("keep", [False, True])
async def test_the_bytes_of_an_image_are_kept_only_where_the_settings_say_so(
    tmp_path: Path, keep: bool
) -> None:
    async with (
        ScriptedBackend([Json(CHAT.reply)]) as backend,
        proxy_for(tmp_path, backend.url, log=LogSettings(keep_media=keep)) as proxy,
    ):
        asked = body(IMAGE)
        assert (await post(f"{proxy.url}/v1/chat/completions", asked)).status == 200
        assert json.loads(backend.requests[0].body) == asked  # the backend gets all of it
        record = await proxy.record((await proxy.finished())["id"])
    assert record["request"]["body"] == body(IMAGE if keep else STANDS)
    assert record["media"][0] == {
        "direction": "input",
        "field": "messages[0].content[1].image_url.url",
        "type": "image/png",
        "bytes": len(BYTES),
        "sha256": SHA256,
    }


async def test_what_is_sent_otherwise_is_kept_without_bytes_too_and_images_of_a_reply_are_named(
    tmp_path: Path,
) -> None:
    rules = "rules: [{id: p, on: input, detect: {phrases: [secret]}, action: redact}]"
    reply = json.loads(CHAT.reply)
    reply["choices"][0]["message"]["audio"] = {
        "id": "a1",
        "data": base64.b64encode(BYTES).decode(),
        "transcript": "x",
    }
    async with (
        ScriptedBackend([Json(json.dumps(reply).encode())]) as backend,
        proxy_for(tmp_path, backend.url, rules=rules) as proxy,
    ):
        asked = body(IMAGE)
        asked["messages"][0]["content"][0]["text"] = "what is this secret?"
        assert (await post(f"{proxy.url}/v1/chat/completions", asked)).status == 200
        record = await proxy.record((await proxy.finished())["id"])
    assert record["request"]["sent"]["messages"][0]["content"][1]["image_url"]["url"] == STANDS
    assert "secret" not in record["request"]["sent"]["messages"][0]["content"][0]["text"]
    heard = [
        (media["direction"], media["type"], media["bytes"], media["sha256"]) for media in record["media"]
    ]
    assert ("output", "audio", len(BYTES), SHA256) in heard
