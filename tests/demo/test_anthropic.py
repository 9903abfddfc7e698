"""The official Anthropic client against the demo backend."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import pytest

from proxy.demo.script import LEAK, LEAK_ADDRESS
from tests.clients import anthropic_client


@pytest.fixture
async def client(demo_url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic_client(demo_url, "none", max_retries=0) as client:
        yield client


async def test_messages(client: anthropic.AsyncAnthropic) -> None:
    reply = await client.messages.create(
        model="demo-model",
        max_tokens=1000,
        system="Be kind.",
        messages=[{"role": "user", "content": [{"type": "text", "text": "leak"}]}],
    )
    assert reply.content[0].type == "text"
    assert (reply.content[0].text, reply.stop_reason) == (LEAK, "end_turn")
    assert reply.usage.output_tokens > 10


async def test_messages_stream(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(
        model="demo-model", max_tokens=1000, messages=[{"role": "user", "content": "leak"}]
    ) as stream:
        pieces = [piece async for piece in stream.text_stream]
        final = await stream.get_final_message()
    assert "".join(pieces) == LEAK
    assert not any(LEAK_ADDRESS in piece for piece in pieces)
    assert final.stop_reason == "end_turn"


async def test_a_tool_call_carries_an_address_streamed_and_not(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(
        model="demo-model", max_tokens=1000, messages=[{"role": "user", "content": "the tool"}]
    ) as stream:
        streamed = await stream.get_final_message()
    whole = await client.messages.create(
        model="demo-model", max_tokens=1000, messages=[{"role": "user", "content": "the tool"}]
    )
    for reply in (streamed, whole):
        assert reply.content[0].type == "tool_use"
        assert reply.stop_reason == "tool_use"
        assert reply.content[0].input["to"] == LEAK_ADDRESS


async def test_a_cap_is_kept(client: anthropic.AsyncAnthropic) -> None:
    reply = await client.messages.create(
        model="demo-model", max_tokens=2, messages=[{"role": "user", "content": "leak"}]
    )
    assert (reply.stop_reason, reply.usage.output_tokens) == ("max_tokens", 2)


async def test_count_tokens_and_models(client: anthropic.AsyncAnthropic) -> None:
    count = await client.messages.count_tokens(
        model="demo-model", messages=[{"role": "user", "content": "leak"}]
    )
    assert count.input_tokens > 0
    assert [model.id async for model in client.models.list()] == ["demo-model", "demo-embedding"]


async def test_an_error_has_the_apis_shape(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.InternalServerError) as raised:
        await client.messages.create(
            model="demo-model", max_tokens=9, messages=[{"role": "user", "content": "error"}]
        )
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["error"]["type"] == "api_error"
