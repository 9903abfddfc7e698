"""The official clients through the proxy, against the demo backend, under the rules that ship."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest

from proxy.demo.script import INSULT, LEAK_ADDRESS, LONG
from tests.scenario.harness import Proxy

SECRETS = ("jane.doe", "example.com", "555 0132", "4111 1111", "AKIAIOSFODNN7EXAMPLE")


def said(words: str) -> list[Any]:
    return [{"role": "user", "content": words}]


def clean(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text


async def test_a_plain_chat_passes_and_is_on_the_log(chatgpt: openai.AsyncOpenAI, demo: Proxy) -> None:
    raw = await chatgpt.chat.completions.with_raw_response.create(model="demo-model", messages=said("hello"))
    text = raw.parse().choices[0].message.content
    assert text is not None
    assert text.startswith("You asked: “hello”.")
    record = await demo.record(raw.headers["x-guardrail-exchange"])
    assert raw.headers["x-guardrail-level"] == "guarded"
    assert record["outcome"] == "released"
    assert record["response"]["received"] == text
    assert record["request"]["body"]["messages"] == said("hello")
    assert record["model"]["served"] == "demo-model"
    assert record["response"]["finish_reason"] == "stop"
    assert record["response"]["usage"]["total_tokens"] > 0
    assert record["latency_ms"]["total"] >= record["latency_ms"]["backend_first_byte"] > 0


async def test_a_leaking_chat_is_stopped(chatgpt: openai.AsyncOpenAI, demo: Proxy) -> None:
    reply = await chatgpt.chat.completions.create(
        model="demo-model", messages=said("leak"), n=2, logprobs=True
    )
    clean(reply.model_dump_json())
    record = await demo.finished()
    assert record["outcome"] in ("redacted", "blocked_output")
    assert any(LEAK_ADDRESS in choice["text"] for choice in record["response"]["received"])
    clean(json.dumps(record["response"]["delivered"]))


async def test_a_leaking_stream_with_two_choices_and_usage_is_stopped(chatgpt: openai.AsyncOpenAI) -> None:
    stream = await chatgpt.chat.completions.create(
        model="demo-model",
        messages=said("leak"),
        n=2,
        stream=True,
        logprobs=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    clean("".join(chunk.model_dump_json() for chunk in chunks))
    texts = ["", ""]
    finishes: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            if choice.finish_reason:
                finishes[choice.index] = choice.finish_reason
    for text in texts:
        clean(text)
    assert texts[0] == texts[1]
    assert set(finishes) == {0, 1}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_insult_does_not_reach_the_reader(
    stream: bool, chatgpt: openai.AsyncOpenAI, demo: Proxy
) -> None:
    if stream:
        chunks = await chatgpt.chat.completions.create(
            model="demo-model", messages=said("insult"), stream=True
        )
        finish, text = None, ""
        async for chunk in chunks:
            text += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
    else:
        reply = await chatgpt.chat.completions.create(model="demo-model", messages=said("insult"))
        text, finish = reply.choices[0].message.content or "", reply.choices[0].finish_reason
    assert finish == "content_filter"
    assert "idiot" not in text
    record = await demo.finished()
    assert record["outcome"] == "blocked_output"
    assert record["scores"]["toxicity"] > 0.9
    assert record["response"]["received"].startswith(INSULT[:20])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_calls_arguments_are_judged_and_stay_json(
    stream: bool, chatgpt: openai.AsyncOpenAI
) -> None:
    if stream:
        arguments = ""
        async for chunk in await chatgpt.chat.completions.create(
            model="demo-model", messages=said("tool"), stream=True
        ):
            for choice in chunk.choices:
                for call in choice.delta.tool_calls or ():
                    if call.function is not None:
                        arguments += call.function.arguments or ""
    else:
        reply = await chatgpt.chat.completions.create(model="demo-model", messages=said("tool"))
        calls = reply.choices[0].message.tool_calls
        assert calls is not None
        assert calls[0].type == "function"
        arguments = calls[0].function.arguments
    assert json.loads(arguments)["to"] == "<EMAIL_ADDRESS>"


@pytest.mark.parametrize("words", ["leak", "insult", "hello", "long"])
async def test_legacy_completions(words: str, chatgpt: openai.AsyncOpenAI) -> None:
    whole = await chatgpt.completions.create(model="demo-model", prompt=words)
    clean(whole.model_dump_json())
    text = "".join(
        [
            chunk.choices[0].text
            async for chunk in await chatgpt.completions.create(model="demo-model", prompt=words, stream=True)
            if chunk.choices
        ]
    )
    clean(text)
    if words in ("hello", "long", "leak"):
        assert text == whole.choices[0].text
    if words == "insult":
        assert whole.choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize("words", ["leak", "insult", "hello", "tool"])
async def test_responses(words: str, chatgpt: openai.AsyncOpenAI, demo: Proxy) -> None:
    whole = await chatgpt.responses.create(model="demo-model", input=words)
    clean(whole.model_dump_json())
    events = [
        event async for event in await chatgpt.responses.create(model="demo-model", input=words, stream=True)
    ]
    clean("".join(event.model_dump_json() for event in events))
    last = events[-1]
    if words == "insult":
        assert whole.status == "incomplete"
        assert whole.incomplete_details is not None
        assert whole.incomplete_details.reason == "content_filter"
        assert last.type == "response.incomplete"
    else:
        assert last.type == "response.completed"
        assert last.response.output_text == whole.output_text
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))
    records = await demo.records()
    assert {record["path"] for record in records} == {"/v1/responses"}


async def test_embeddings_and_models(chatgpt: openai.AsyncOpenAI, demo: Proxy) -> None:
    vectors = await chatgpt.embeddings.create(model="demo-embedding", input=["a", "b"])
    assert len(vectors.data) == 2
    models = await chatgpt.models.list()
    assert "demo-model" in [model.id for model in models.data]
    assert (await chatgpt.models.retrieve("demo-model")).id == "demo-model"
    records = await demo.records()
    assert [record["outcome"] for record in records] == ["released"] * 3


@pytest.mark.parametrize("words", ["leak", "insult", "hello", "tool", "long"])
async def test_anthropic_messages(words: str, claude: anthropic.AsyncAnthropic) -> None:
    whole = await claude.messages.create(model="demo-model", max_tokens=5000, messages=said(words))
    clean(whole.model_dump_json())
    async with claude.messages.stream(model="demo-model", max_tokens=5000, messages=said(words)) as stream:
        streamed = await stream.get_final_message()
    clean(streamed.model_dump_json())
    if words == "insult":
        assert whole.stop_reason == streamed.stop_reason == "refusal"
        return
    assert streamed.stop_reason == whole.stop_reason
    unnamed = {"id"}  # the backend numbers its calls
    assert [block.model_dump(exclude=unnamed) for block in streamed.content] == [
        block.model_dump(exclude=unnamed) for block in whole.content
    ]
    if words == "tool":
        (block,) = (block for block in whole.content if block.type == "tool_use")
        assert block.input["to"] == "<EMAIL_ADDRESS>"
    if words == "long":
        assert "".join(block.text for block in whole.content if block.type == "text") == LONG


async def test_anthropic_count_tokens_and_models(claude: anthropic.AsyncAnthropic, demo: Proxy) -> None:
    count = await claude.messages.count_tokens(model="demo-model", messages=said("hello there"))
    assert count.input_tokens > 0
    assert [model.id async for model in claude.models.list()]
    records = await demo.records()
    assert {record["api"] for record in records} == {"anthropic"}


async def test_a_backends_own_error_reaches_both_clients_as_it_is(
    chatgpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
) -> None:
    with pytest.raises(openai.InternalServerError):
        await chatgpt.with_options(max_retries=0).chat.completions.create(model="m", messages=said("error"))
    with pytest.raises(anthropic.InternalServerError):
        await claude.with_options(max_retries=0).messages.create(
            model="m", max_tokens=10, messages=said("error")
        )


async def test_a_client_that_gives_up_waiting_is_told_by_its_own_time_out(
    chatgpt: openai.AsyncOpenAI,
) -> None:
    with pytest.raises(openai.APITimeoutError):
        async for _ in await chatgpt.with_options(timeout=0.3, max_retries=0).chat.completions.create(
            model="m", messages=said("stall"), stream=True
        ):
            pass
