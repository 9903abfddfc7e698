"""What the proxy reads is what its backend reads: no request target leads anywhere else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import Proxy, proxy_for
from tests.waits import within

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
REPLY = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
}  # fmt: skip


async def raw_request(proxy: Proxy, method: str, target: str, body: bytes = BODY) -> int:
    """One request with exactly this target; the reply's status."""
    where = urlsplit(proxy.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = f"{method} {target} HTTP/1.1\r\nhost: elsewhere.example\r\nconnection: close\r\n"
    writer.write(
        f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    )
    status = int((await reader.readline()).split()[1])
    await within(reader.read())
    writer.close()
    return status


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/v1/chat/completions",
        "x:@evil.example/v1/chat/completions",
        "//evil.example/v1/chat/completions",
        "/v1/chat/completions",
        "/v1/chat/completions?api-version=1",
    ],
)
async def test_a_request_reaches_the_configured_backend_or_nothing(target: str, tmp_path: Path) -> None:
    async with ScriptedBackend([Json(REPLY)]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        status = await raw_request(proxy, "POST", target)
        assert status in (200, 400, 404)
        for request in backend.requests:
            assert request.path.startswith("/v1/chat/completions")
            assert request.header("host") == urlsplit(backend.url).netloc
        assert (status == 200) == bool(backend.requests)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models/../responses/resp_1",
        "/v1/models/%2e%2e/responses/resp_1",
        "/v1/models/..%2fresponses%2fresp_1",
        "/v1/models/%252e%252e/responses/resp_1",
        "/v1/models/..\\responses\\resp_1",
        "/v1/./models",
    ],
)
async def test_a_path_that_a_backend_may_resolve_to_another_is_refused(target: str, tmp_path: Path) -> None:
    async with ScriptedBackend([Json({})]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        assert await raw_request(proxy, "GET", target, b"") in (400, 404)
        assert not backend.requests


async def test_a_model_id_with_a_slash_is_a_path_of_its_own(tmp_path: Path) -> None:
    async with ScriptedBackend([Json({"id": "a/b"})]) as backend, proxy_for(tmp_path, backend.url) as proxy:
        assert await raw_request(proxy, "GET", "/v1/models/meta%2Fllama", b"") == 200
        assert backend.requests[0].path == "/v1/models/meta%2Fllama"


INPUT_RULES = """\
rules:
  - {id: mails, on: input, detect: {pii: {entities: [EMAIL_ADDRESS, CREDIT_CARD], min_score: 0.4}}, action: ACTION}
"""


@pytest.mark.parametrize("action", ["block", "redact"])
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/chat/completions?note=jane.doe%40example.com"),
        ("POST", "/v1/chat/completions?a=1&n=4111-1111-1111-1111"),
        ("POST", "/v1/chat/completions?jane.doe%40example.com=1"),
        ("POST", "/v1/chat/completions?jane.doe@example.com"),
        ("GET", "/v1/models/jane.doe@example.com"),
        ("GET", "/v1/responses/4111111111111111"),
    ],
)
async def test_what_stands_in_the_target_is_judged(
    method: str, target: str, action: str, tmp_path: Path
) -> None:
    async with (
        ScriptedBackend([Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, rules=INPUT_RULES.replace("ACTION", action)) as proxy,
    ):
        assert await raw_request(proxy, method, target, BODY if method == "POST" else b"") == 400
        assert not backend.requests
        assert (await proxy.finished())["outcome"] == "blocked_input"


async def test_names_in_the_target_pass(tmp_path: Path) -> None:
    target = "/v1/chat/completions?api-version=2024-10-21&include[]=usage&beta=true&flag"
    async with (
        ScriptedBackend([Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, rules=INPUT_RULES.replace("ACTION", "block")) as proxy,
    ):
        assert await raw_request(proxy, "POST", target) == 200
        assert backend.requests[0].path == target
