"""What the official OpenAI client makes of everything that the proxy says on its wires."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from proxy.wire.errors import error_body
from tests.wire.catalogue import STREAMS, WHOLES
from tests.wire.clients import openai_client
from tests.wire.drive import CREATED, ID, blocked_at, failed_after, interrupted_after, view_of, wire_of
from tests.wire.samples import Sample

NO = "I can't share that."
CONTENT = "choices[0].message.content"
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello?"}]
BY_NAME = {sample.name: sample for sample in STREAMS}
WHOLE = {sample.name: sample for sample in WHOLES}


def chat(body: bytes) -> list[Any]:
    """The chunks as the client reads them."""
    return list(openai_client(body).chat.completions.create(model="m", messages=MESSAGES, stream=True))


def said(chunks: list[Any], index: int = 0) -> str:
    choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(choice.delta.content or "" for choice in choices)


def finishes(chunks: list[Any], index: int = 0) -> list[str]:
    choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
    return [choice.finish_reason for choice in choices if choice.finish_reason]


@pytest.mark.parametrize("at", range(32))
def test_a_block_in_mid_stream_says_what_stood_before_it_and_the_message(at: int) -> None:
    text = BY_NAME["chat"].texts[CONTENT]
    body = blocked_at(BY_NAME["chat"], CONTENT, at, NO)
    chunks = chat(body)
    assert said(chunks) == text[:at] + NO
    assert finishes(chunks) == ["content_filter"]
    assert body.endswith(b"data: [DONE]\n\n")
    assert chunks[0].choices[0].delta.role == "assistant"
    assert {chunk.id for chunk in chunks} == {"chatcmpl-B1"}
    assert {chunk.usage for chunk in chunks} == {None}


@pytest.mark.parametrize("at", range(17))
def test_other_choices_run_on(at: int) -> None:
    chunks = chat(blocked_at(BY_NAME["chat_n2"], CONTENT, at, NO))
    assert said(chunks, 0) == "Red roses bloom."[:at] + NO
    assert finishes(chunks, 0) == ["content_filter"]
    assert said(chunks, 1) == "Blue skies"
    assert finishes(chunks, 1) == ["stop"]


@pytest.mark.parametrize("at", range(11))
def test_a_blocked_second_choice_leaves_the_first(at: int) -> None:
    chunks = chat(blocked_at(BY_NAME["chat_n2"], "choices[1].message.content", at, NO))
    assert said(chunks, 1) == "Blue skies"[:at] + NO
    assert finishes(chunks, 1) == ["content_filter"]
    assert said(chunks, 0) == "Red roses bloom."
    assert finishes(chunks, 0) == ["stop"]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("at", [0, 1, 9])
def test_a_block_in_a_tool_call(number: int, at: int) -> None:
    field = f"choices[0].message.tool_calls[{number}].function.arguments"
    chunks = chat(blocked_at(BY_NAME["chat_tools"], field, at, NO))
    calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
    arguments = "".join(call.function.arguments or "" for call in calls if call.index == number)
    assert arguments == BY_NAME["chat_tools"].texts[field][:at]
    assert not [call for call in calls if call.index > number]
    assert said(chunks) == NO
    assert finishes(chunks) == ["content_filter"]


def test_a_tool_call_that_lost_its_name_is_dropped() -> None:
    field = "choices[0].message.tool_calls[0].function.arguments"
    chunks = chat(blocked_at(BY_NAME["chat_one_frame_tool"], field, 5, NO))
    assert not [choice for chunk in chunks for choice in chunk.choices if choice.delta.tool_calls]
    assert said(chunks) == NO


def test_a_block_in_reasoning() -> None:
    field = "choices[0].message.reasoning_content"
    chunks = chat(blocked_at(BY_NAME["chat_reasoning"], field, 4, NO))
    reasoned = "".join(
        getattr(choice.delta, "reasoning_content", None) or "" for chunk in chunks for choice in chunk.choices
    )
    assert reasoned == "The "
    assert said(chunks) == NO
    assert finishes(chunks) == ["content_filter"]


@pytest.mark.parametrize("name", [sample.name for sample in STREAMS if "/chat/" in sample.path])
@pytest.mark.parametrize("frames", [0, 1, 2])
def test_an_interrupted_stream_ends_every_choice(name: str, frames: int) -> None:
    sample = BY_NAME[name]
    body = interrupted_after(sample, frames, "Back soon.")
    chunks = chat(body)
    for index in range(view_of(sample).choices):
        assert said(chunks, index).endswith("Back soon.")
        assert finishes(chunks, index) == ["content_filter"]
    assert body.endswith(b"data: [DONE]\n\n")


def test_an_interrupt_after_the_end_says_nothing_more() -> None:
    sample = BY_NAME["chat"]
    assert interrupted_after(sample, 1000, "Back soon.") == sample.reply


def test_an_interrupt_leaves_a_finished_choice_alone() -> None:
    chunks = chat(interrupted_after(BY_NAME["chat_n2"], 4, "Back soon."))
    assert said(chunks, 1) == "Blue skies"
    assert finishes(chunks, 1) == ["stop"]
    assert said(chunks, 0) == "Red rosesBack soon."


@pytest.mark.parametrize("name", ["chat", "completions"])
@pytest.mark.parametrize("frames", [0, 2])
def test_a_failure_is_raised_by_the_client(name: str, frames: int) -> None:
    with pytest.raises(openai.APIError, match="the backend went away") as caught:
        chat(failed_after(BY_NAME[name], frames))
    assert caught.value.code == "backend_error"
    assert b"[DONE]" not in failed_after(BY_NAME[name], frames)


@pytest.mark.parametrize("n", [1, 3])
def test_static_chat(n: int) -> None:
    sample = Sample("s", "/v1/chat/completions", {**BY_NAME["chat"].request, "n": n}, b"")
    wire, view = wire_of(sample), view_of(sample)
    client = openai_client(wire.static_reply(view, "Back soon.", id=ID, created=CREATED))
    whole = client.chat.completions.create(model="m", messages=MESSAGES)
    assert [choice.message.content for choice in whole.choices] == ["Back soon."] * n
    assert {choice.finish_reason for choice in whole.choices} == {"content_filter"}
    chunks = chat(wire.static_stream(view, "Back soon.", id=ID, created=CREATED))
    assert [said(chunks, index) for index in range(n)] == ["Back soon."] * n
    assert [finishes(chunks, index) for index in range(n)] == [["content_filter"]] * n
    assert chunks[-1].usage is not None, "the request asked for a usage chunk"
    assert chunks[-1].choices == []


def test_completions_block_interrupt_and_static() -> None:
    sample = BY_NAME["completions"]
    wire, view = wire_of(sample), view_of(sample)

    def read(body: bytes) -> list[Any]:
        return list(openai_client(body).completions.create(model="m", prompt="Tell", stream=True))

    for at, before in [(0, ""), (3, "Onc"), (6, "Once u"), (9, "Once upon")]:
        chunks = read(blocked_at(sample, "choices[0].text", at, NO))
        assert "".join(chunk.choices[0].text for chunk in chunks) == before + NO
        assert chunks[-1].choices[0].finish_reason == "content_filter"
    chunks = read(interrupted_after(sample, 1, NO))
    assert "".join(chunk.choices[0].text for chunk in chunks) == f"Once{NO}"
    chunks = read(wire.static_stream(view, NO, id=ID, created=CREATED))
    assert "".join(chunk.choices[0].text for chunk in chunks) == NO
    body = wire.static_reply(view, NO, id=ID, created=CREATED)
    whole = openai_client(body).completions.create(model="m", prompt="Tell")
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == (NO, "content_filter")


def test_a_blocked_choice_of_a_whole_reply() -> None:
    sample = WHOLE["chat"]
    raw = wire_of(sample).block_reply(sample.reply, _parsed(sample), {0: NO})
    whole = openai_client(raw).chat.completions.create(model="m", messages=MESSAGES)
    first, second = whole.choices
    assert (first.message.content, first.finish_reason, first.logprobs) == (NO, "content_filter", None)
    assert first.message.tool_calls is None
    assert (second.message.content, second.finish_reason) == ("Lyon?", "stop")
    assert b"x_timing" not in raw, "what the wire does not know may hold the finding"
    sample = WHOLE["completions"]
    raw = wire_of(sample).block_reply(sample.reply, _parsed(sample), {1: NO})
    read = openai_client(raw).completions.create(model="m", prompt="Tell")
    assert [choice.text for choice in read.choices] == ["Once upon", NO]


def _parsed(sample: Sample) -> Any:
    return json.loads(sample.reply)


# The Responses API.

TEXT = "output[0].content[0].text"


def responses(body: bytes) -> tuple[list[Any], Any]:
    """The events, and the response as the client's own accumulator has it at the end."""
    client = openai_client(body)
    events: list[Any] = list(client.responses.create(model="m", input="Hello?", stream=True))
    with client.responses.stream(model="m", input="Hello?") as stream:
        for _ in stream:
            pass
    return events, events[-1].response


def in_order(events: list[Any]) -> bool:
    numbers = [event.sequence_number for event in events]
    return numbers == list(range(len(numbers)))


@pytest.mark.parametrize("at", range(26))
@pytest.mark.parametrize("name", ["responses", "responses_logprobs"])
def test_a_block_ends_a_response_as_incomplete(name: str, at: int) -> None:
    sample = BY_NAME[name]
    events, final = responses(blocked_at(sample, TEXT, at, NO))
    text = sample.texts[TEXT][:at] + NO
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == text
    assert [event.text for event in events if event.type == "response.output_text.done"] == [text]
    assert events[-1].type == "response.incomplete"
    assert (final.status, final.incomplete_details.reason) == ("incomplete", "content_filter")
    assert final.output_text == text
    assert final.id == "resp_67c9fdcecf488190"
    assert in_order(events)


@pytest.mark.parametrize("at", [0, 4, 12])
def test_a_block_in_a_function_call_says_the_message_in_an_item_of_its_own(at: int) -> None:
    sample = BY_NAME["responses_tools"]
    events, final = responses(blocked_at(sample, "output[1].arguments", at, NO))
    assert final.output_text == NO
    reasoning, call, message = final.output
    assert (reasoning.type, call.type, message.type) == ("reasoning", "function_call", "message")
    assert (call.arguments, call.status) == ('{"city":"Paris"}'[:at], "incomplete")
    assert in_order(events)


def test_a_block_in_a_summary() -> None:
    events, final = responses(blocked_at(BY_NAME["responses_tools"], "output[0].summary[0].text", 8, NO))
    assert final.output_text == NO
    assert [part.text for part in final.output[0].summary] == ["Looking "]
    assert in_order(events)


@pytest.mark.parametrize("name", [sample.name for sample in STREAMS if "/responses" in sample.path])
@pytest.mark.parametrize("frames", [0, 1, 3, 4, 5, 7])
def test_an_interrupted_response(name: str, frames: int) -> None:
    events, final = responses(interrupted_after(BY_NAME[name], frames, "Back soon."))
    assert events[0].type == "response.created"
    assert final.output_text.endswith("Back soon.")
    assert final.status == "incomplete"
    assert in_order(events)


@pytest.mark.parametrize("frames", [0, 1, 5])
def test_a_failed_response(frames: int) -> None:
    events, final = responses(failed_after(BY_NAME["responses"], frames))
    assert events[-1].type == "response.failed"
    assert (final.status, final.error.code) == ("failed", "backend_error")
    assert in_order(events)


def test_static_and_blocked_responses() -> None:
    sample = WHOLE["responses"]
    wire, view = wire_of(sample), view_of(sample)
    for body in (
        wire.static_reply(view, NO, id=ID, created=CREATED),
        wire.block_reply(sample.reply, _parsed(sample), {0: NO}),
    ):
        whole = openai_client(body).responses.create(model="m", input="Hello?")
        assert whole.output_text == NO
        assert whole.status == "incomplete"
        assert whole.incomplete_details is not None
        assert whole.incomplete_details.reason == "content_filter"
    events, final = responses(wire.static_stream(view, NO, id=ID, created=CREATED))
    assert final.output_text == NO
    assert in_order(events)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (503, openai.InternalServerError),
    ],
)
def test_a_refusal_is_raised_with_its_code(status: int, error: type[openai.APIStatusError]) -> None:
    client = openai_client(error_body("openai", status, "contained", "not now"), status)
    with pytest.raises(error, match="not now") as caught:
        client.chat.completions.create(model="m", messages=MESSAGES)
    assert caught.value.code == "contained"
