"""The official OpenAI client against the demo backend: every reply parses, each fault is as asked for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import openai
import pytest

from proxy.demo.script import INSULT, LEAK, LEAK_ADDRESS, LONG
from tests.clients import openai_client


@pytest.fixture
async def client(demo_url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai_client(demo_url, "none", max_retries=0) as client:
        yield client


async def test_chat(client: openai.AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(
        model="demo-model", messages=[{"role": "user", "content": "leak"}], n=2, logprobs=True
    )
    assert [choice.message.content for choice in reply.choices] == [LEAK, LEAK]
    assert reply.choices[0].finish_reason == "stop"
    logprobs = reply.choices[1].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert b"".join(bytes(token.bytes or []) for token in logprobs.content).decode() == LEAK
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


async def test_chat_stream_with_two_choices_and_usage(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="demo-model",
        messages=[{"role": "user", "content": "insult"}],
        n=2,
        stream=True,
        stream_options={"include_usage": True},
    )
    texts, finishes, usages = ["", ""], [], []
    async for chunk in stream:
        usages.append(chunk.usage)
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            finishes += [choice.finish_reason] if choice.finish_reason else []
    assert texts == [INSULT, INSULT]
    assert finishes == ["stop", "stop"]
    assert [usage is not None for usage in usages[-2:]] == [False, True]


async def test_a_tool_call_carries_an_address(client: openai.AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(
        model="demo-model", messages=[{"role": "user", "content": "call the tool"}]
    )
    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].type == "function"
    assert LEAK_ADDRESS in choice.message.tool_calls[0].function.arguments


async def test_a_streamed_tool_call_is_the_first_declared_one(client: openai.AsyncOpenAI) -> None:
    async with client.chat.completions.stream(
        model="demo-model",
        messages=[{"role": "user", "content": "call the tool"}],
        tools=[{"type": "function", "function": {"name": "mail", "parameters": {"type": "object"}}}],
    ) as events:
        choice = (await events.get_final_completion()).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].function.name == "mail"
    assert LEAK_ADDRESS in choice.message.tool_calls[0].function.arguments


async def test_a_cap_is_kept(client: openai.AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(
        model="demo-model", messages=[{"role": "user", "content": "long"}], max_tokens=5
    )
    assert reply.choices[0].finish_reason == "length"
    assert reply.choices[0].message.content is not None
    assert LONG.startswith(reply.choices[0].message.content)


async def test_legacy_completions(client: openai.AsyncOpenAI) -> None:
    reply = await client.completions.create(model="demo-model", prompt="leak", logprobs=1)
    assert reply.choices[0].text == LEAK
    assert reply.choices[0].logprobs is not None
    assert reply.choices[0].logprobs.text_offset is not None
    offsets, tokens = reply.choices[0].logprobs.text_offset, reply.choices[0].logprobs.tokens or []
    assert all(LEAK.startswith(token, offset) for token, offset in zip(tokens, offsets, strict=True))
    stream = await client.completions.create(model="demo-model", prompt=["leak"], stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == LEAK


@pytest.mark.parametrize(("question", "text"), [("leak", LEAK), ("long", LONG)])
async def test_responses(client: openai.AsyncOpenAI, question: str, text: str) -> None:
    reply = await client.responses.create(model="demo-model", input=question)
    assert (reply.status, reply.output_text) == ("completed", text)
    async with client.responses.stream(
        model="demo-model", input=[{"role": "user", "content": [{"type": "input_text", "text": question}]}]
    ) as events:
        deltas = "".join(
            [event.delta async for event in events if event.type == "response.output_text.delta"]
        )
        final = await events.get_final_response()
    assert deltas == final.output_text == text


async def test_responses_tool_call(client: openai.AsyncOpenAI) -> None:
    async with client.responses.stream(model="demo-model", input="the tool, please") as events:
        final = await events.get_final_response()
    assert final.output[0].type == "function_call"
    assert LEAK_ADDRESS in final.output[0].arguments


async def test_embeddings_tell_equal_texts_by_equal_vectors(client: openai.AsyncOpenAI) -> None:
    packed = await client.embeddings.create(model="demo-embedding", input=["one", "two", "one"])
    plain = await client.embeddings.create(model="demo-embedding", input="one", encoding_format="float")
    one, two, again = (entry.embedding for entry in packed.data)
    assert one == again != two
    assert plain.data[0].embedding == pytest.approx(one, abs=1e-6)


async def test_models(client: openai.AsyncOpenAI) -> None:
    names = [model.id async for model in client.models.list()]
    assert names == ["demo-model", "demo-embedding"]
    assert (await client.models.retrieve("demo-model")).owned_by == "demo"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("other")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_has_the_apis_shape(client: openai.AsyncOpenAI, stream: bool) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        await client.chat.completions.create(
            model="demo-model", messages=[{"role": "user", "content": "error"}], stream=stream
        )
    assert raised.value.type == "server_error"


@pytest.mark.parametrize(
    ("word", "error"),
    [("reset", openai.APIConnectionError), ("garbage", json.JSONDecodeError)],
    ids=["reset", "garbage"],
)
async def test_a_fault_strikes_in_the_middle(
    client: openai.AsyncOpenAI, word: str, error: type[Exception]
) -> None:
    stream = await client.chat.completions.create(
        model="demo-model", messages=[{"role": "user", "content": f"leak, then {word}"}], stream=True
    )
    text = ""

    async def read() -> None:
        nonlocal text
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""

    with pytest.raises(error):
        await read()
    assert LEAK.startswith(text)
    assert 0 < len(text) < len(LEAK)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stall_starts_and_falls_silent(client: openai.AsyncOpenAI, stream: bool) -> None:
    hasty = client.with_options(timeout=0.3)

    async def ask() -> None:
        reply = await hasty.chat.completions.create(
            model="demo-model", messages=[{"role": "user", "content": "stall"}], stream=stream
        )
        if isinstance(reply, openai.AsyncStream):
            first = await anext(reply)
            assert first.choices[0].delta.role == "assistant"
            async for _ in reply:
                pass

    with pytest.raises(openai.APITimeoutError):
        await ask()


async def test_a_request_without_messages_is_refused(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="non-empty"):
        await client.chat.completions.create(model="demo-model", messages=[])
