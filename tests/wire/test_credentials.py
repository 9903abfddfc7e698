"""What of a request the log may show: everything but the credentials that stand in it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from proxy.model.record import Json
from proxy.wire.base import RequestView
from proxy.wire.credentials import MASK, masked
from tests.wire.requests import chat, claude, found, responses

SECRET = "s3cr3t-Value-0123456789"
SIGNED = f"https://files.example/a.png?X-Amz-Date=1&X-Amz-Signature={SECRET}&size=2"
SHOWN = f"https://files.example/a.png?X-Amz-Date=1&X-Amz-Signature={MASK}&size=2"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (
            {"tools": [{"type": "mcp", "authorization": SECRET}]},
            {"tools": [{"type": "mcp", "authorization": MASK}]},
        ),
        (
            {"tools": [{"type": "mcp", "headers": {"X-Key": SECRET, "Cookie": [SECRET]}}]},
            {"tools": [{"type": "mcp", "headers": {"X-Key": MASK, "Cookie": [MASK]}}]},
        ),
        ({"tools": [{"Authorization": SECRET}]}, {"tools": [{"Authorization": MASK}]}),
        (
            {"tools": [{"server_url": f"https://u:{SECRET}@mcp.example/sse?api_key={SECRET}"}]},
            {"tools": [{"server_url": f"https://{MASK}@mcp.example/sse?api_key={MASK}"}]},
        ),
        (
            {"tools": [{"server_url": f"https://mcp.example/s/{SECRET}/mcp"}]},
            {"tools": [{"server_url": f"https://mcp.example/s/{MASK}/mcp"}]},
        ),
        (
            {"mcp_servers": [{"url": "https://mcp.example/a-long-but-plain-word", "authorization_token": SECRET}]},
            {"mcp_servers": [{"url": "https://mcp.example/a-long-but-plain-word", "authorization_token": MASK}]},
        ),
        (
            {"tools": [{"container": {"domain_secrets": [{"domain": "d", "name": "n", "value": SECRET}]}}]},
            {"tools": [{"container": {"domain_secrets": [{"domain": "d", "name": "n", "value": MASK}]}}]},
        ),
        (
            {"data_sources": [{"parameters": {"authentication": {"type": "api_key", "key": SECRET}}}]},
            {"data_sources": [{"parameters": {"authentication": {"type": "api_key", "key": MASK}}}]},
        ),
        (
            {"input": [{"type": "tool_search_output", "tools": [{"type": "mcp", "authorization": SECRET}]}]},
            {"input": [{"type": "tool_search_output", "tools": [{"type": "mcp", "authorization": MASK}]}]},
        ),
        (
            {"messages": [{"content": [{"type": "image_url", "image_url": {"url": SIGNED}}]}]},
            {"messages": [{"content": [{"type": "image_url", "image_url": {"url": SHOWN}}]}]},
        ),
        (
            {"input": [{"content": [{"type": "input_file", "file_url": SIGNED}]}]},
            {"input": [{"content": [{"type": "input_file", "file_url": SHOWN}]}]},
        ),
    ],
)  # fmt: skip
def test_the_log_gets_a_body_without_its_credentials(body: Json, shown: Json) -> None:
    before = copy.deepcopy(body)
    assert masked(body) == shown
    assert body == before, "the request itself is left as it is"


@pytest.mark.parametrize(
    "body",
    [
        None,
        "text",
        {"messages": [{"role": "user", "content": f"my password is {SECRET}", "password": 3}]},
        {
            "messages": [
                {"content": [{"type": "tool_use", "input": {"authorization": SECRET, "url": SIGNED}}]}
            ]
        },
        {"tools": [{"function": {"parameters": {"properties": {"authorization": {"type": "string"}}}}}]},
        {"tools": [{"type": "mcp", "server_url": "https://mcp.example/sse", "server_label": "docs"}]},
        {"messages": [{"content": [{"image_url": {"url": f"https://files.example/{SECRET}.png"}}]}]},
    ],
)
def test_what_was_said_stays_on_the_log_as_it_was(body: Json) -> None:
    assert masked(body) is body


def test_nesting_beyond_every_api_is_no_way_to_break_it() -> None:
    deep: Json = {"authorization": SECRET}
    for _ in range(900):
        deep = {"a": [deep]}
    assert masked(deep) is deep


@pytest.mark.parametrize("read", [responses, chat, claude])
def test_no_rule_reads_a_credential(read: Callable[..., RequestView]) -> None:
    tool: Json = {
        "type": "mcp",
        "server_label": "docs",
        "authorization": SECRET,
        "headers": {"X-Key": SECRET},
    }
    server: Json = {
        "name": "docs",
        "url": f"https://mcp.example/?key={SECRET}",
        "authorization_token": SECRET,
    }
    texts = found(read(tools=[tool], mcp_servers=[server]))
    assert any("docs" in value for _, value in texts)
    assert not any(SECRET in value for _, value in texts)
