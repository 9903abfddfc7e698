"""Images and files: on the log by hash, type and size; their bytes only where the settings say so."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.model.text import Media
from proxy.request import media_out
from proxy.settings import LogSettings
from proxy.wire.stream_media import Shown
from tests.fakes import Json, ScriptedBackend, Sse, sse
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


@pytest.mark.parametrize("keep", [False, True])
async def test_what_is_sent_otherwise_is_kept_without_bytes_too_and_images_of_a_reply_are_named(
    tmp_path: Path, keep: bool
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
        proxy_for(tmp_path, backend.url, rules=rules, log=LogSettings(keep_media=keep)) as proxy,
    ):
        asked = body(IMAGE)
        asked["messages"][0]["content"][0]["text"] = "what is this secret?"
        assert (await post(f"{proxy.url}/v1/chat/completions", asked)).status == 200
        record = await proxy.record((await proxy.finished())["id"])
    assert record["request"]["sent"]["messages"][0]["content"][1]["image_url"]["url"] == (
        IMAGE if keep else STANDS
    )
    assert "secret" not in record["request"]["sent"]["messages"][0]["content"][0]["text"]
    heard = [
        (media["direction"], media["type"], media["bytes"], media["sha256"]) for media in record["media"]
    ]
    assert ("output", "audio", len(BYTES), SHA256) in heard
    received = record["response"]["received"]
    kept = received[0].get("media", []) if isinstance(received, list) else []
    assert [base64.b64decode(one["data"]) for one in kept] == ([BYTES] if keep else [])


PARTIAL, PICTURE = b"\x89PNG\r\n\x00" + bytes(range(255)) * 2, BYTES
SOUNDS = [bytes(range(at, at + 64)) * 4 for at in (128, 130, 132)]


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def named(field: str, type: str, data: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(data).hexdigest()
    return {"direction": "output", "field": field, "type": type, "bytes": len(data), "sha256": sha256}


def picture_stream() -> bytes:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": coded(PICTURE)}
    said = {"type": "message", "id": "m1", "role": "assistant", "content": []}
    response = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [item]}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "result": None}},
        *(
            {
                "type": "response.image_generation_call.partial_image", "output_index": 0, "item_id": "ig_1",
                "partial_image_index": number, "partial_image_b64": coded(PARTIAL[number:]), "output_format": "png",
            }
            for number in range(2)
        ),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.output_item.added", "output_index": 1, "item": said},
        {
            "type": "response.output_text.delta", "output_index": 1, "content_index": 0, "item_id": "m1",
            "delta": "a secret cat",
        },
        {"type": "response.completed", "response": response},
    ]  # fmt: skip
    return b"".join(
        sse({**event, "sequence_number": number}, event=event["type"]) for number, event in enumerate(events)
    )


def sound_stream() -> bytes:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return sse({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]})

    sounds = [chunk({"audio": {"data": coded(sound)}}) for sound in SOUNDS]
    words = [
        chunk({"audio": {"id": "audio_1", "transcript": "good "}}),
        chunk({"audio": {"transcript": "day"}}),
    ]
    return b"".join([*words, *sounds, chunk({}, "stop"), b"data: [DONE]\n\n"])


STREAMS = {
    "pictures": (
        "/v1/responses", {"model": "m", "input": "draw", "stream": True}, picture_stream(),
        [
            named("output[0].partial_images[0]", "image_generation_call", PARTIAL),
            named("output[0].partial_images[1]", "image_generation_call", PARTIAL[1:]),
            named("output[0].result", "image_generation_call", PICTURE),
        ],
    ),
    "sounds": (
        "/v1/chat/completions", {"model": "m", "messages": [], "stream": True}, sound_stream(),
        [named("choices[0].message.audio.data", "audio", b"".join(SOUNDS))],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("cut", "keep"), [(None, False), (50, False), (50, True)])
@pytest.mark.parametrize("name", STREAMS)
async def test_pictures_and_sounds_of_a_stream_are_on_the_log_by_hash(
    tmp_path: Path, name: str, cut: int | None, keep: bool
) -> None:
    path, asked, stream, media = STREAMS[name]
    pieces = [stream] if cut is None else [stream[at : at + cut] for at in range(0, len(stream), cut)]
    async with (
        ScriptedBackend([Sse(pieces)]) as backend,
        proxy_for(tmp_path, backend.url, log=LogSettings(keep_media=keep)) as proxy,
    ):
        reply = await post(f"{proxy.url}{path}", asked)
        assert reply.body == stream
        record = await proxy.record((await proxy.finished())["id"])
    assert record["media"] == media
    assert record["unscanned"] == {"media": sum(one["bytes"] for one in media)}
    if not keep:
        assert coded(PICTURE)[:64] not in json.dumps(record)
        assert coded(SOUNDS[0])[:64] not in json.dumps(record)
        return
    (entry,) = record["response"]["received"]
    assert {
        one["field"]: named(one["field"], "", base64.b64decode(one["data"])) for one in entry["media"]
    } == {one["field"]: one | {"type": ""} for one in media}
    assert "delivered" not in record["response"]


async def test_what_a_block_held_back_is_not_named(tmp_path: Path) -> None:
    """Pictures went out before the words; what stands behind the block never did, the picture's copy included."""
    rules = "rules: [{id: p, on: output, detect: {phrases: [secret]}, action: block, message: no}]"
    path, asked, stream, media = STREAMS["pictures"]
    later = sse({
        "type": "response.image_generation_call.partial_image", "output_index": 2, "item_id": "ig_2",
        "partial_image_index": 0, "partial_image_b64": coded(BYTES), "sequence_number": 99,
    }, event="response.image_generation_call.partial_image")  # fmt: skip
    at = stream.index(b"event: response.completed")
    async with (
        ScriptedBackend([Sse([stream[:at] + later + stream[at:]])]) as backend,
        proxy_for(tmp_path, backend.url, rules=rules) as proxy,
    ):
        await post(f"{proxy.url}{path}", asked)
        record = await proxy.record((await proxy.finished())["id"])
    assert record["outcome"] == "blocked_output"
    assert record["media"] == media


def test_what_is_listed_and_kept_of_a_stream_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_out, "MEDIA_MAX", 2)
    monkeypatch.setattr(media_out, "KEPT_BYTES_MAX", 10)
    out = media_out.MediaOut()
    out.keeps = True
    out.went_out([Shown(Media("sound", "audio", 4, ""), "", b"abcd")])
    out.went_out([Shown(Media("a", "image", 3, "h1"), "YWJj"), Shown(Media("a", "image", 3, "h1"), "YWJj")])
    out.went_out([Shown(Media("b", "image", 5, "h2"), "YWJjZGU=")])  # no room in the list
    out.went_out([Shown(Media("sound", "audio", 4, ""), "", b"efgh")])  # nor for these bytes
    whole = hashlib.sha256(b"abcdefgh").hexdigest()
    assert out.all() == (Media("sound", "audio", 8, whole), Media("a", "image", 3, "h1"))
    assert out.bytes == 16
    assert out.kept() == [{"field": "a", "data": "YWJj"}]
