"""Ways past the judging that were tried and must stay shut."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest

from proxy.settings import ModelSettings, Version
from tests.fakes import Json, ScriptedBackend, Sse, sse
from tests.scenario.harness import LEAK_RULES, post, proxy_for

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
DONE = b"data: [DONE]\n\n"


def frame(delta: Mapping[str, Any], finish: str | None = None, index: int = 0) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return sse(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    )


async def streamed(folder: Path, frames: list[bytes], **request: Any) -> bytes:
    async with ScriptedBackend([Sse(frames)]) as backend:
        async with proxy_for(folder, backend.url, rules=LEAK_RULES) as proxy:
            body = {**CHAT, "stream": True, **request}
            return (await post(f"{proxy.url}/v1/chat/completions", body)).body


def said(body: bytes, key: str, index: int = 0) -> str:
    text = ""
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:]).get("choices") or ():
                if choice["index"] == index:
                    text += choice["delta"].get(key) or ""
    return text


async def test_text_that_goes_on_after_its_finish_reason_is_one_text_all_the_same(tmp_path: Path) -> None:
    frames = [frame({"content": "john.doe@exam"}), frame({}, "stop"), frame({"content": "ple.com now"}), DONE]
    body = await streamed(tmp_path, frames)
    assert said(body, "content") == "<EMAIL_ADDRESS> now"


async def test_reasoning_that_is_reopened_does_not_complete_what_was_let_go(tmp_path: Path) -> None:
    frames = [
        frame({"reasoning_content": "ask john.doe@exam"}),
        frame({"content": "Well. "}),
        frame({"reasoning_content": "ple.com then"}),
        frame({"content": "Bye."}),
        frame({}, "stop"),
        DONE,
    ]
    body = await streamed(tmp_path, frames)
    assert "ple.com" not in said(body, "reasoning_content")
    assert b'"finish_reason":"content_filter"' in body.replace(b" ", b"")


async def test_two_names_for_the_same_reasoning_do_not_pause_one_another(tmp_path: Path) -> None:
    pieces = ["john", ".doe", "@exa", "mple.com", " said so. "]
    frames = [frame({"reasoning": piece, "reasoning_content": piece}) for piece in pieces]
    body = await streamed(tmp_path, [*frames, frame({"content": "Yes."}), frame({}, "stop"), DONE])
    assert said(body, "reasoning") == said(body, "reasoning_content") == "<EMAIL_ADDRESS> said so. "


PARTS = [{"type": "text", "text": "Ask john.doe@exam"}, {"type": "text", "text": "ple.com now"}]


async def test_a_value_over_two_parts_of_a_content_that_is_a_list_is_one(tmp_path: Path) -> None:
    body = await streamed(tmp_path, [frame({"content": PARTS}), frame({}, "stop"), DONE])
    assert b"<EMAIL_ADDRESS>" in body
    assert b"john" not in body
    assert b"ple.com" not in body
    choice = {"index": 0, "message": {"role": "assistant", "content": PARTS}, "finish_reason": "stop"}
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    async with ScriptedBackend([Json(whole)]) as backend:
        async with proxy_for(tmp_path, backend.url, rules=LEAK_RULES) as proxy:
            reply = await post(f"{proxy.url}/v1/chat/completions", CHAT)
    parts = reply.json["choices"][0]["message"]["content"]
    assert "".join(part["text"] for part in parts) == "Ask <EMAIL_ADDRESS> now"


async def test_calls_whose_indices_are_equal_to_a_client_are_one(tmp_path: Path) -> None:
    def call(index: Any, arguments: str) -> bytes:
        return frame({"tool_calls": [{"index": index, "function": {"name": "", "arguments": arguments}}]})

    frames = [
        call(1, '{"to": "john.doe@'),
        call(True, "exam"),
        call(1.0, 'ple.com"}'),
        frame({}, "stop"),
        DONE,
    ]
    body = await streamed(tmp_path, frames)
    assert b"<EMAIL_ADDRESS>" in body
    assert b"ple.com" not in body


async def test_a_choice_that_is_held_is_overtaken_not_let_go(tmp_path: Path) -> None:
    long = [frame({"content": "word " * 40}, index=1) for _ in range(400)]
    frames = [
        frame({"content": "john.doe@exam"}),
        *long,
        frame({"content": "ple.com"}),
        frame({}, "stop"),
        frame({}, "stop", index=1),
        DONE,
    ]
    body = await streamed(tmp_path, frames, n=2)
    assert said(body, "content") == "<EMAIL_ADDRESS>"
    assert said(body, "content", index=1) == "word " * 16_000


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_of_the_backends_does_not_lead_clients_past_the_proxy(
    status: int, tmp_path: Path
) -> None:
    script = [Json({}, status=status, headers={"location": "http://backend.internal/v1/chat/completions"})]
    async with ScriptedBackend(script) as backend, proxy_for(tmp_path, backend.url) as proxy:
        reply = await post(f"{proxy.url}/v1/chat/completions", CHAT)
        assert (reply.status, reply.json["error"]["code"]) == (502, "backend_error")
        assert "location" not in reply.headers


@pytest.mark.parametrize(
    "asked",
    [
        "Support-Bot", "GPT-TEST-1", "openai/gpt-test-1", "ｇｐｔ-test-1", " gpt-test-1", "gpt-test-1\n", "",
        "other\u0000",
    ],
)  # fmt: skip
async def test_a_killed_model_is_reached_by_no_other_spelling(asked: str, tmp_path: Path) -> None:
    models = MappingProxyType({"support-bot": ModelSettings({"v1": Version("main", "gpt-test-1")}, "v1")})
    async with (
        ScriptedBackend([Json({})]) as backend,
        proxy_for(tmp_path, backend.url, models=models) as proxy,
    ):
        await proxy.dial("killed", "model:support-bot")
        reply = await post(f"{proxy.url}/v1/chat/completions", {**CHAT, "model": asked})
        assert reply.status in (200, 400)
        assert not backend.requests


@pytest.mark.parametrize("key", ["Model", "STREAM", "Messages", "N"])
async def test_a_key_that_a_careless_backend_reads_as_another_is_refused(key: str, tmp_path: Path) -> None:
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        reply = await post(f"{proxy.url}/v1/chat/completions", {**CHAT, key: "x"})
        assert reply.status == 400
        assert not backend.requests


async def test_a_get_carries_no_body_and_resumes_nothing(tmp_path: Path) -> None:
    async with ScriptedBackend([]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{proxy.url}/v1/models", data=b'{"input": "x"}') as answer:
                assert answer.status == 400
            async with session.get(f"{proxy.url}/v1/responses/r?stream=true&starting_after=7") as answer:
                assert answer.status == 400
        assert not backend.requests


async def test_a_reply_with_a_key_twice_is_not_let_through(tmp_path: Path) -> None:
    raw = (
        b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
        b'"message":{"role":"assistant","content":"john.doe@example.com","content":"ok"}}]}'
    )
    async with (
        ScriptedBackend([Json(raw)]) as backend,
        proxy_for(tmp_path, backend.url, rules=LEAK_RULES) as proxy,
    ):
        reply = await post(f"{proxy.url}/v1/chat/completions", CHAT)
        assert (reply.status, reply.json["error"]["code"]) == (502, "backend_error")


async def test_a_backend_cannot_speak_in_the_proxys_name(tmp_path: Path) -> None:
    reply_body = {
        "id": "1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    }  # fmt: skip
    script = [Json(reply_body, headers={"x-guardrail-verdict": "clean", "x-guardrail-level": "open"})]
    async with ScriptedBackend(script) as backend, proxy_for(tmp_path, backend.url) as proxy:
        reply = await post(f"{proxy.url}/v1/chat/completions", CHAT)
        assert "x-guardrail-verdict" not in reply.headers
        assert reply.headers["x-guardrail-level"] == "guarded"


async def test_an_empty_finish_reason_on_every_frame_ends_nothing(tmp_path: Path) -> None:
    """Some gateways send `""` where others send null."""
    pieces = ["john", ".doe", "@exa", "mple.com", " it is. "]
    frames = [frame({"content": piece}, "") for piece in pieces]
    body = await streamed(tmp_path, [*frames, frame({}, "stop"), DONE])
    assert said(body, "content") == "<EMAIL_ADDRESS> it is. "


async def test_text_that_a_backend_repeats_beside_its_delta_is_judged_too(tmp_path: Path) -> None:
    pieces = ["john", ".doe", "@exa", "mple.com", " it is. "]
    frames = []
    for piece in pieces:
        choice = {"index": 0, "delta": {"content": piece}, "text": piece, "finish_reason": None}
        frames.append(sse({"id": "c", "object": "chat.completion.chunk", "created": 1, "choices": [choice]}))
    body = await streamed(tmp_path, [*frames, frame({}, "stop"), DONE])
    texts = [
        choice.get("text", "")
        for line in body.split(b"\n")
        if line.startswith(b"data: {")
        for choice in json.loads(line[6:])["choices"]
    ]
    assert "".join(texts) == "<EMAIL_ADDRESS> it is. "


async def test_two_choices_of_the_same_index_are_both_blocked(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": "project falcon, by john.doe@example.com"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    reply_body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice, choice],
    }
    async with (
        ScriptedBackend([Json(reply_body)]) as backend,
        proxy_for(tmp_path, backend.url, rules=LEAK_RULES) as proxy,
    ):
        reply = await post(f"{proxy.url}/v1/chat/completions", {**CHAT, "n": 2})
        assert b"falcon" not in reply.body
        assert b"john.doe" not in reply.body


async def test_a_whole_reply_under_a_streams_type_is_an_error(tmp_path: Path) -> None:
    body = await streamed(tmp_path, [b'{"choices":[{"message":{"content":"project falcon"}}]}'])
    assert b"falcon" not in body
    assert b"backend_error" in body


async def test_a_reply_without_words_that_speaks_is_stopped_with_an_error(tmp_path: Path) -> None:
    reply_body = {"object": "list", "data": [{"embedding": "project falcon", "index": 0}], "model": "m"}
    async with (
        ScriptedBackend([Json(reply_body)]) as backend,
        proxy_for(tmp_path, backend.url, rules=LEAK_RULES) as proxy,
    ):
        reply = await post(f"{proxy.url}/v1/embeddings", {"model": "m", "input": "hi"})
        assert (reply.status, reply.json["error"]["code"]) == (502, "content_filter")
        assert reply.headers["x-should-retry"] == "false"
        assert (await proxy.finished())["outcome"] == "blocked_output"


async def test_a_stream_with_a_key_twice_is_not_let_through(tmp_path: Path) -> None:
    twice = b'data: {"choices":[{"index":0,"delta":{"content":"john.doe@example.com","content":"ok"}}]}\n\n'
    body = await streamed(tmp_path, [twice, frame({}, "stop"), DONE])
    assert b"john.doe" not in body
    assert b"backend_error" in body


@pytest.mark.parametrize(
    "leak",
    [
        frame({"content": "x"}).replace(b'{"id"', b'{"obfuscation":"mail john.doe@example.com","id"', 1),
        b": mail john.doe@example.com\n" + DONE,
        b"id: john.doe@example.com\n" + DONE,
    ],
    ids=["obfuscation", "a comment at the end", "an id at the end"],
)
async def test_filling_and_the_ends_own_lines_are_judged(leak: bytes, tmp_path: Path) -> None:
    rest = [] if leak.endswith(DONE) else [frame({}, "stop"), DONE]
    frames = [frame({"content": "hello"}), leak, *rest] if rest else [frame({"content": "x"}, "stop"), leak]
    body = await streamed(tmp_path, frames)
    assert b"john.doe" not in body
    assert body.endswith(DONE)
