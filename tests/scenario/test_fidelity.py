"""Where no rule acts, the client gets the backend's bytes and the backend the client's, on every wire."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import aiohttp
import brotli
import pytest
import zstandard

from proxy.detect.patterns import PatternBank
from proxy.shipped import shipped_rules
from tests.fakes import Action, Chunk, Close, Drip, End, Json, ScriptedBackend, Send, Sse
from tests.scenario.harness import Proxy, post, proxy_for, running, settings_for
from tests.wire.catalogue import STREAMS, WHOLES
from tests.wire.samples import Sample

RAW = (
    b'{"model" : "gpt-test",\n "messages":[{"role":"user","content":"h\\u00e9llo \\ud83d\\ude00"}],'
    b' "seed": 12345678901234567890123, "x": 1.10}'
)


async def call(proxy: Proxy, sample: Sample) -> tuple[int, dict[str, str], bytes]:
    headers = {"anthropic-version": "2023-06-01"} if sample.is_anthropic else {}
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        async with session.request(
            sample.method,
            proxy.url + sample.path,
            data=json.dumps(dict(sample.request)).encode() if sample.method == "POST" else None,
            headers={**headers, "content-type": "application/json"},
        ) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read()


@pytest.mark.parametrize("sample", WHOLES, ids=lambda sample: sample.name)
async def test_a_whole_reply_is_byte_equal(sample: Sample, tmp_path: Path) -> None:
    own = {
        "x-request-id": "r-1",
        "openai-processing-ms": "7",
        "content-type": "application/json; charset=utf-8",
    }
    async with ScriptedBackend([Json(sample.reply, headers=own)]) as backend:
        settings = replace(settings_for(tmp_path, backend.url), rules_dir=shipped_rules())
        async with running(settings) as proxy:
            status, headers, body = await call(proxy, sample)
            assert (status, body) == (200, sample.reply)
            assert own.items() <= headers.items()
            assert "server" not in headers, "the proxy says nothing of its own but its two headers"
            if sample.method == "POST":
                assert backend.requests[0].body == json.dumps(dict(sample.request)).encode()
            record = await proxy.finished()
            assert record["outcome"] == "released"
            assert "delivered" not in record["response"]


@pytest.mark.parametrize("cut", ["frames", "bytes", "whole"])
@pytest.mark.parametrize("sample", STREAMS, ids=lambda sample: sample.name)
async def test_a_stream_is_byte_equal_however_it_is_cut(sample: Sample, cut: str, tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    scripts: dict[str, list[Action]] = {
        "frames": [Sse(re.findall(rb"(?s).*?(?:\n\n|\r\n\r\n)|.+\Z", sample.reply))],
        "bytes": [Send(head), Drip(sample.reply), Close()],
        "whole": [Sse([], end=False), Chunk(sample.reply), End()],
    }
    async with ScriptedBackend(scripts[cut]) as backend:
        settings = replace(settings_for(tmp_path, backend.url), rules_dir=shipped_rules())
        async with running(settings) as proxy:
            status, headers, body = await call(proxy, sample)
            assert (status, body) == (200, sample.reply)
            assert headers["content-type"] == "text/event-stream"
            record = await proxy.finished()
            assert record["outcome"] == "released"


async def test_the_requests_bytes_reach_the_backend_unchanged(tmp_path: Path) -> None:
    async with ScriptedBackend([Json(WHOLES[0].reply)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        async with aiohttp.ClientSession() as session:
            async with session.post(
                f"{proxy.url}/v1/chat/completions?beta=1&x=a%20b",
                data=RAW,
                headers={"content-type": "application/json", "openai-organization": "org", "x-custom": "1"},
            ) as answer:
                assert answer.status == 200
        (sent,) = backend.requests
        assert sent.body == RAW
        assert sent.path == "/v1/chat/completions?beta=1&x=a%20b"
        assert sent.header("openai-organization") == "org"
        assert sent.header("x-custom") == "1"


@pytest.mark.parametrize(
    ("name", "pack"),
    [("gzip", gzip.compress), ("br", brotli.compress), ("zstd", zstandard.ZstdCompressor().compress)],
)
async def test_compressed_requests_and_replies_are_opened_and_judged(
    name: str, pack: object, tmp_path: Path
) -> None:
    assert callable(pack)
    reply = json.loads(WHOLES[0].reply)
    reply["choices"][0]["message"]["content"] = "write to jane.doe@example.com"
    packed = pack(json.dumps(reply).encode())
    rules = "rules: [{id: p, on: output, detect: {pii: {entities: [EMAIL_ADDRESS]}}, action: redact}]"
    script = [Json(packed, headers={"content-encoding": name})]
    async with ScriptedBackend(script) as backend, proxy_for(tmp_path, backend.url, rules=rules) as proxy:
        async with aiohttp.ClientSession() as session:
            async with session.post(
                f"{proxy.url}/v1/chat/completions",
                data=pack(RAW),
                headers={"content-type": "application/json", "content-encoding": name},
            ) as answer:
                body = await answer.json()
        assert body["choices"][0]["message"]["content"] == "write to <EMAIL_ADDRESS>"
        (sent,) = backend.requests
        assert sent.body == RAW
        assert sent.header("content-encoding") is None


@pytest.mark.parametrize("words", [1, 20, 2000])
async def test_half_a_surrogate_pair_passes_both_ways(words: int, tmp_path: Path) -> None:
    content = "hello \\ud83d" + " hello" * words
    message = b'"messages":[{"role":"user","content":"%s"}]' % content.encode()
    sent = b'{"model":"gpt-test",%s}' % message
    reply = WHOLES[0].reply.replace(b'"content": "', b'"content": "%s ' % content.encode(), 1)
    assert b"\\ud83d" in reply
    async with ScriptedBackend([Json(reply)]) as backend:
        settings = replace(settings_for(tmp_path, backend.url), rules_dir=shipped_rules())
        async with running(settings) as proxy:
            answer = await post(f"{proxy.url}/v1/chat/completions", sent)
            assert (answer.status, answer.body) == (200, reply)
            assert backend.requests[0].body == sent


async def test_a_glance_that_fails_leaves_its_text_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(bank: PatternBank, text: str) -> Iterable[bool]:
        raise RuntimeError("no glance")

    monkeypatch.setattr(PatternBank, "glance", failing)
    async with ScriptedBackend([Json(WHOLES[0].reply)]) as backend:
        settings = replace(settings_for(tmp_path, backend.url), rules_dir=shipped_rules())
        async with running(settings) as proxy:
            status, _, body = await call(proxy, WHOLES[0])
            assert (status, body) == (200, WHOLES[0].reply)
