"""Everything that breaks around the proxy gets the contract's answer, a record and a metric, and leaks nothing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anthropic
import openai
import pytest

from proxy.policy.lane import FINDINGS_MAX
from proxy.request.body import BODY_S
from proxy.settings import Limits
from tests.clients import anthropic_client, openai_client
from tests.fakes import Action, Chunk, Close, Json, Pause, Reset, ScriptedBackend, Send, Sse, refused_url
from tests.scenario.harness import LEAK_RULES, Proxy, post, proxy_for
from tests.scenario.test_no_leak import anthropic_frames, chat, chat_frames, messages

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@asynccontextmanager
async def around(
    folder: Path, script: Sequence[Action], **changes: Any
) -> AsyncIterator[tuple[Proxy, ScriptedBackend]]:
    """A proxy before a scripted backend; afterwards no task and no backend connection in use may be left."""
    before = asyncio.all_tasks()
    async with ScriptedBackend(script) as backend:
        async with proxy_for(folder, backend.url, **changes) as proxy:
            yield proxy, backend
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert not left, f"tasks left behind: {left}"


async def counted(proxy: Proxy, outcome: str) -> bool:
    text = await proxy.metrics()
    return any(
        line.startswith("guardrail_exchanges_total") and f'outcome="{outcome}"' in line
        for line in text.splitlines()
    )


async def test_a_backend_that_is_down_is_502_and_not_retried(tmp_path: Path) -> None:
    with refused_url() as url:
        async with proxy_for(tmp_path, url) as proxy:
            async with openai_client(proxy.url) as client:
                with pytest.raises(openai.InternalServerError) as raised:
                    await client.chat.completions.create(**CHAT)  # type: ignore[call-overload]
            assert (raised.value.status_code, raised.value.code) == (502, "backend_error")
            async with anthropic_client(proxy.url) as claude:
                with pytest.raises(anthropic.InternalServerError) as refused:
                    await claude.messages.create(
                        model="m", max_tokens=5, messages=[{"role": "user", "content": "x"}]
                    )
            assert refused.value.status_code == 502
            records = await proxy.records()
            assert [record["outcome"] for record in records] == ["backend_error", "backend_error"]
            assert "unreachable" in records[0]["error"]
            assert await counted(proxy, "backend_error")


async def test_a_backend_that_does_not_answer_in_time_is_504(tmp_path: Path) -> None:
    async with around(tmp_path, [Pause()], timeout_s=0.2) as (proxy, backend):
        reply = await post(f"{proxy.url}/v1/chat/completions", CHAT)
        assert (reply.status, reply.json["error"]["code"]) == (504, "backend_error")
        assert reply.headers["x-should-retry"] == "false"
        await backend.closed(0)
        assert (await proxy.finished())["outcome"] == "backend_error"


@pytest.mark.parametrize("wire", ["chat", "anthropic"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param([Reset()], id="reset"),
        pytest.param([Close()], id="closed in mid-body"),
        pytest.param([Pause], id="silence"),
        pytest.param([Chunk(b"data: {not json}\n\n")], id="garbage"),
        pytest.param([Send(b"zzzz\r\n")], id="broken chunking"),
    ],
)
async def test_a_stream_that_breaks_ends_in_an_error_never_in_a_made_up_end(
    wire: str, fault: list[Action | type[Pause]], tmp_path: Path
) -> None:
    make, ask = (chat_frames, chat) if wire == "chat" else (anthropic_frames, messages)
    frames = list(make(["It begins well. ", "And then "]))
    started = Sse(frames[: 3 if wire == "chat" else 4], end=False)
    broken = [action if isinstance(action, Action) else action() for action in fault]
    async with around(tmp_path, [started, *broken], timeout_s=0.3) as (proxy, backend):
        with pytest.raises((openai.APIError, anthropic.APIError)):
            await ask(proxy)
        record = await proxy.finished()
        assert record["outcome"] == "backend_error"
        assert record["error"]
        # Bytes that break the framing take with them what came in the same breath.
        assert record["response"]["received"] in ("It begins well. And then ", None)
        assert await counted(proxy, "backend_error")
        await backend.closed(0)


@pytest.mark.parametrize("bad", [b"data: {bad\n\n", b'data: {"a":1,"a":2}\n\n', b"no field \xff: x\n\n"])
@pytest.mark.parametrize("together", [True, False])
async def test_nothing_follows_the_end_of_a_blocked_stream(
    together: bool, bad: bytes, tmp_path: Path
) -> None:
    """What cannot be read behind a block is no part of the reply, whether it came with it or later."""
    said = b"".join(islice(chat_frames(["ok project falcon "]), 2))
    script = [Sse([said + bad] if together else [said, bad])]
    async with around(tmp_path, script, rules=LEAK_RULES) as (proxy, _):
        reply = await post(f"{proxy.url}/v1/chat/completions", {**CHAT, "stream": True})
        record = await proxy.finished()
    assert (record["outcome"], record["error"]) == ("blocked_output", None)
    assert reply.body.endswith(b"data: [DONE]\n\n")
    assert (reply.body.count(b"content_filter"), reply.body.count(b'"error"')) == (1, 0)


async def test_a_stream_without_done_but_with_a_finish_reason_is_passed_on_as_it_is(tmp_path: Path) -> None:
    frames = list(chat_frames(["fine"]))[:-1]
    async with around(tmp_path, [Sse(frames)]) as (proxy, _):
        reply = await post(f"{proxy.url}/v1/chat/completions", {**CHAT, "stream": True})
        assert reply.body == b"".join(frames)
        assert (await proxy.finished())["outcome"] == "released"


async def test_the_backends_own_error_is_passed_on_unchanged(tmp_path: Path) -> None:
    error = {"error": {"message": "no quota", "type": "insufficient_quota", "code": "insufficient_quota"}}
    script = [Json(error, status=429, headers={"retry-after": "7", "x-request-id": "r-1"})]
    async with around(tmp_path, script) as (proxy, backend):
        reply = await post(f"{proxy.url}/v1/chat/completions", CHAT)
        assert (reply.status, reply.json) == (429, error)
        assert reply.headers["retry-after"] == "7"
        assert reply.headers["x-request-id"] == "r-1"
        record = await proxy.finished()
        assert (record["outcome"], record["error"]) == ("backend_error", "the backend answered 429")
        assert len(backend.requests) == 1


async def test_a_reply_that_is_no_json_is_an_error_and_not_let_through(tmp_path: Path) -> None:
    async with around(tmp_path, [Json(b"<html>jane.doe@example.com</html>")], rules=LEAK_RULES) as (proxy, _):
        reply = await post(f"{proxy.url}/v1/chat/completions", CHAT)
        assert (reply.status, reply.json["error"]["code"]) == (502, "backend_error")
        assert b"jane" not in reply.body


async def test_a_client_that_leaves_before_the_reply_ends_the_backends_call(tmp_path: Path) -> None:
    async with around(tmp_path, [Pause()]) as (proxy, backend):
        async with aiohttp.ClientSession() as session:
            asked = asyncio.ensure_future(session.post(f"{proxy.url}/v1/chat/completions", json=CHAT))
            await backend.received(1)
            asked.cancel()
        loop = asyncio.get_running_loop()
        left_at = loop.time()
        assert await backend.closed(0) - left_at < 1.0
        record = await proxy.finished()
        assert record["outcome"] == "client_closed"
        assert record["request"]["body"] == CHAT
        assert await counted(proxy, "client_closed")


async def test_a_client_that_leaves_during_the_reply_has_it_judged_and_logged_all_the_same(
    tmp_path: Path,
) -> None:
    frames = list(chat_frames(["Well now. ", "Write to jane.doe@example.com"]))
    async with around(tmp_path, [Sse(frames[:3], end=False), Pause()], rules=LEAK_RULES) as (proxy, backend):
        async with aiohttp.ClientSession() as session:
            async with session.post(
                f"{proxy.url}/v1/chat/completions", json={**CHAT, "stream": True}
            ) as answer:
                await answer.content.readany()
        await backend.closed(0)
        record = await proxy.finished()
        assert record["outcome"] == "client_closed"
        assert record["response"]["received"] == "Well now. Write to jane.doe@example.com"
        assert [finding["label"] for finding in record["findings"]] == ["EMAIL_ADDRESS"]


async def test_an_oversized_body_is_refused_before_it_is_read(tmp_path: Path) -> None:
    limits = Limits(max_body_bytes=1000)
    async with around(tmp_path, [], limits=limits) as (proxy, backend):
        big = {**CHAT, "user": "x" * 2000}
        reply = await post(f"{proxy.url}/v1/chat/completions", big)
        assert (reply.status, reply.json["error"]["code"]) == (413, "body_too_large")
        packed = await post(f"{proxy.url}/v1/messages", big)
        assert (packed.status, packed.json["error"]["type"]) == (413, "request_too_large")
        assert not backend.requests
        assert [record["outcome"] for record in await proxy.records()] == ["refused", "refused"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"model": "m", ', "invalid_json"),
        (b"[]", "invalid_json"),
        (b"", "invalid_json"),
        (b'{"model": "m", "messages": [], "model": "other"}', "duplicate_key"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "a", "content": "b"}]}', "duplicate_key"),
        (b'{"model": "m", "x": NaN}', "invalid_json"),
    ],
)
async def test_a_body_that_two_parsers_would_read_differently_is_refused(
    body: bytes, code: str, tmp_path: Path
) -> None:
    async with around(tmp_path, []) as (proxy, backend):
        reply = await post(f"{proxy.url}/v1/chat/completions", body)
        assert (reply.status, reply.json["error"]["code"]) == (400, code)
        assert not backend.requests
        (record,) = await proxy.records()
        assert record["outcome"] == "refused"
        assert await counted(proxy, "refused")


async def test_an_unknown_path_is_refused_or_passed_and_counted(tmp_path: Path) -> None:
    async with around(tmp_path, []) as (proxy, backend):
        reply = await post(f"{proxy.url}/v1/audio/speech", {"input": "x"})
        assert (reply.status, reply.json["error"]["code"]) == (404, "unknown_path")
        assert not backend.requests
    async with around(tmp_path, [Json({"ok": 1})], unknown_paths="pass") as (proxy, backend):
        reply = await post(f"{proxy.url}/v1/audio/speech?x=1", {"input": "x"})
        assert (reply.status, reply.json) == (200, {"ok": 1})
        assert backend.requests[0].path == "/v1/audio/speech?x=1"
        assert 'guardrail_unscanned_characters_total{reason="unknown_path"}' in await proxy.metrics()


async def test_an_unknown_path_is_refused_before_its_body_has_come(tmp_path: Path) -> None:
    async with around(tmp_path, []) as (proxy, _):
        where = urlsplit(proxy.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(
            b'POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n{"input": "so far", "voice": '
        )
        async with asyncio.timeout(BODY_S / 2):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404 ")
        record = await proxy.finished()
        assert (record["outcome"], record["body_bytes"]) == ("refused", 1_000_000)
        assert record["request"]["body"] == {"input": "so far"}
        writer.close()


async def test_a_refusal_of_head_is_its_head_alone(tmp_path: Path) -> None:
    async with around(tmp_path, []) as (proxy, _):
        where = urlsplit(proxy.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(b"HEAD /nowhere HTTP/1.1\r\nhost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n")
        first = await reader.readuntil(b"\r\n\r\n")
        second = await reader.readuntil(b"\r\n\r\n")
        assert first.startswith(b"HTTP/1.1 404 ")
        assert second.startswith(b"HTTP/1.1 404 "), "nothing stands between the two answers"
        length = re.search(rb"content-length: (\d+)", first, re.IGNORECASE)
        assert length is not None
        assert int(length[1]) > 0, "what a GET would get"
        writer.close()


async def test_whole_numbers_of_any_size_are_on_the_log_as_they_were_sent(tmp_path: Path) -> None:
    numbers = [2**63, -(2**63) - 1, 2**64 - 1, 2**64, 10**40, -(10**25), 1.5, 1e30]
    body = {**CHAT, "metadata": {"numbers": numbers}}
    rules = "rules: [{id: no, on: input, detect: {phrases: [forbidden]}, action: redact}]"
    async with around(tmp_path, [Json({"choices": []})], rules=rules) as (proxy, backend):
        await post(f"{proxy.url}/v1/chat/completions", body)
        said = [{"role": "user", "content": "a forbidden word"}]
        await post(f"{proxy.url}/v1/chat/completions", {**body, "messages": said})
        edited, plain = await proxy.records()
        assert repr(plain["request"]["body"]["metadata"]["numbers"]) == repr(numbers)
        assert repr(edited["request"]["sent"]["metadata"]["numbers"]) == repr(numbers)
        assert b"forbidden" not in backend.requests[1].body


async def test_a_compressed_body_that_will_not_open_is_415(tmp_path: Path) -> None:
    async with around(tmp_path, []) as (proxy, _):
        for encoding in ("gzip", "br", "zstd", "deflate", "lzma"):
            reply = await post(
                f"{proxy.url}/v1/chat/completions", json.dumps(CHAT).encode(), {"content-encoding": encoding}
            )
            assert (reply.status, reply.json["error"]["code"]) == (415, "unsupported_encoding"), encoding


async def test_refusals_are_not_retried_by_the_official_clients(tmp_path: Path) -> None:
    rules = "rules: [{id: no, on: input, detect: {phrases: [forbidden]}, action: block, message: Not here.}]"
    async with around(tmp_path, [], rules=rules) as (proxy, _):
        async with openai_client(proxy.url) as client:
            with pytest.raises(openai.BadRequestError) as raised:
                await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "say the forbidden word"}]
                )
        assert raised.value.code == "content_filter"
        assert "Not here." in str(raised.value)
        async with anthropic_client(proxy.url) as claude:
            with pytest.raises(anthropic.BadRequestError) as refused:
                await claude.messages.create(
                    model="m", max_tokens=5, messages=[{"role": "user", "content": "forbidden"}]
                )
        assert refused.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index]
        records = await proxy.records()
        assert [record["outcome"] for record in records] == ["blocked_input", "blocked_input"]
        assert records[1]["findings"][0]["field"] == "messages[0].content"


async def test_a_text_without_a_verdict_is_counted_by_its_detector_not_by_the_rule(tmp_path: Path) -> None:
    rules = "rules:\n  - {id: every-letter, on: input, detect: {regex: [a]}, action: flag}\n"
    async with around(tmp_path, [Json({})], rules=rules) as (proxy, _):
        await post(
            f"{proxy.url}/v1/chat/completions",
            {"model": "m", "messages": [{"role": "user", "content": "a" * (FINDINGS_MAX + 1)}]},
        )
        await proxy.finished()
        metrics = await proxy.metrics()
    assert 'guardrail_scorer_errors_total{reason="too_many",scorer="regex"} 1.0' in metrics
    assert 'scorer="every-letter"' not in metrics
