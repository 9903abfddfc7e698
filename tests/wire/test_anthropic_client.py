"""What the official Anthropic client makes of everything that the proxy says on its wire."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import pytest
from anthropic.types import MessageParam

from proxy.wire.errors import error_body
from tests.wire.catalogue import STREAMS, WHOLES
from tests.wire.clients import anthropic_client
from tests.wire.drive import CREATED, ID, blocked_at, failed_after, interrupted_after, view_of, wire_of

NO = "I can't share that."
MESSAGES: list[MessageParam] = [{"role": "user", "content": "Hello?"}]
SAMPLE = next(sample for sample in STREAMS if sample.name == "messages")
SERVER_TOOL = next(sample for sample in STREAMS if sample.name == "messages_server_tool")
WHOLE = next(sample for sample in WHOLES if sample.name == "messages")


def read(body: bytes) -> Any:
    """The message as the client's accumulator has it, after both of its ways of reading."""
    client = anthropic_client(body)
    events = list(client.messages.create(model="m", max_tokens=9, messages=MESSAGES, stream=True))
    assert events[0].type == "message_start"
    assert events[-1].type == "message_stop"
    with client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as stream:
        return stream.get_final_message()


def starts_and_stops(body: bytes) -> list[tuple[str, int]]:
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    events = [json.loads(line) for line in lines]
    return [
        (event["type"].removeprefix("content_block_"), event["index"])
        for event in events
        if event["type"] in ("content_block_start", "content_block_stop")
    ]


def well_formed(body: bytes) -> bool:
    """Every block is opened once, closed once, and none inside another; indices count up."""
    marks = starts_and_stops(body)
    return marks == [mark for index in range(len(marks) // 2) for mark in (("start", index), ("stop", index))]


@pytest.mark.parametrize("at", range(17))
def test_a_block_in_text_says_what_stood_before_it_and_the_message(at: int) -> None:
    body = blocked_at(SAMPLE, "content[1].text", at, NO)
    message = read(body)
    assert message.content[0].thinking == "They greet me."
    assert message.content[1].text == "Bonjour — Paris."[:at] + NO
    assert len(message.content) == 2
    assert message.stop_reason == "refusal"
    assert message.usage.input_tokens == 25
    assert well_formed(body)


@pytest.mark.parametrize("at", [0, 5, 11])
def test_a_block_in_thinking_closes_it_and_speaks_in_a_block_of_its_own(at: int) -> None:
    body = blocked_at(SAMPLE, "content[0].thinking", at, NO)
    message = read(body)
    assert message.content[0].thinking == "They greet me."[:at]
    assert [block.text for block in message.content[1:]] == [NO]
    assert message.stop_reason == "refusal"
    assert well_formed(body)


@pytest.mark.parametrize("at", range(17))
def test_a_block_in_a_tool_input(at: int) -> None:
    body = blocked_at(SAMPLE, "content[2].input", at, NO)
    message = read(body)
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "text"]
    assert message.content[3].text == NO
    assert message.stop_reason == "refusal"
    assert well_formed(body)


def test_a_block_in_a_server_tools_result_keeps_the_result_back() -> None:
    body = blocked_at(SERVER_TOOL, "content[1].content[0].title", 0, NO)
    message = read(body)
    assert [block.type for block in message.content] == ["server_tool_use", "text"]
    assert message.content[1].text == NO
    assert b"Weather in Paris" not in body
    assert well_formed(body)


@pytest.mark.parametrize("frames", range(20))
def test_an_interrupt_anywhere_is_a_clean_refusal(frames: int) -> None:
    body = interrupted_after(SAMPLE, frames, "Back soon.")
    message = read(body)
    if frames < 18:
        assert message.content[-1].text.endswith("Back soon.")
        assert message.stop_reason == "refusal"
    else:
        assert message.stop_reason == "tool_use", "the message was complete but for its last event"
    assert well_formed(body)


@pytest.mark.parametrize("frames", [0, 1, 5])
def test_a_failure_is_raised_by_the_client(frames: int) -> None:
    client = anthropic_client(failed_after(SAMPLE, frames))
    with pytest.raises(anthropic.APIStatusError, match="the backend went away"):
        list(client.messages.create(model="m", max_tokens=9, messages=MESSAGES, stream=True))


def test_static() -> None:
    wire, view = wire_of(SAMPLE), view_of(SAMPLE)
    message = read(wire.static_stream(view, NO, id=ID, created=CREATED))
    assert ([block.text for block in message.content], message.stop_reason) == ([NO], "refusal")
    assert message.model == "claude-test"
    client = anthropic_client(wire.static_reply(view, NO, id=ID, created=CREATED))
    whole: Any = client.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    assert ([block.text for block in whole.content], whole.stop_reason) == ([NO], "refusal")


def test_a_blocked_whole_reply() -> None:
    raw = wire_of(WHOLE).block_reply(WHOLE.reply, json.loads(WHOLE.reply), {0: NO})
    whole: Any = anthropic_client(raw).messages.create(model="m", max_tokens=9, messages=MESSAGES)
    assert ([block.text for block in whole.content], whole.stop_reason) == ([NO], "refusal")
    assert whole.usage.output_tokens == 89


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (413, anthropic.APIStatusError, "request_too_large"),
        (415, anthropic.APIStatusError, "invalid_request_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (502, anthropic.InternalServerError, "api_error"),
        (503, anthropic.InternalServerError, "api_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_a_refusal_is_raised_with_its_type(
    status: int, error: type[anthropic.APIStatusError], kind: str
) -> None:
    client = anthropic_client(error_body("anthropic", status, "contained", "not now"), status)
    with pytest.raises(error, match="not now") as caught:
        client.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    body: Any = caught.value.body
    assert body["error"] == {"type": kind, "message": "not now", "code": "contained"}
