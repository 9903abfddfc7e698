"""The same for requests made of blocks (Anthropic) and items (Responses)."""

from __future__ import annotations

import pytest

from proxy.errors import BadRequest
from proxy.model.record import Json
from tests.wire.requests import PNG, claude, found, responses, wire
from tests.wire.samples_anthropic import SIGNATURE


def test_anthropic_system_and_blocks() -> None:
    view = claude(
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "let me see", "signature": SIGNATURE},
                {"type": "text", "text": "Sure."},
                {"type": "tool_use", "id": "t", "name": "mail", "input": {"to": "a\u0007@b.c", "n": 41}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": "plain result"},
                {
                    "type": "tool_result",
                    "tool_use_id": "t",
                    "content": [{"type": "text", "text": "nested"}, {"type": "text", "text": " result"}],
                },
                {"type": "text", "text": "and"},
                {"type": "text", "text": " more"},
            ],
        },
        system=[
            {"type": "text", "text": "Be", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": " kind."},
        ],
        metadata={"user_id": "u7"},
    )
    assert found(view) == [
        ("system", "Be kind."),
        ("messages[0].content", "hi"),
        ("messages[1].content[0].thinking", "let me see"),
        ("messages[1].content[2].input", '{"to":"a\\u0007@b.c","n":41}'),
        ("messages[1].content[2].name", "mail"),
        ("messages[1].content", "Sure."),
        ("messages[2].content[0].content", "plain result"),
        ("messages[2].content[1].content", "nested result"),
        ("messages[2].content", "and more"),
        ("metadata", '{"user_id":"u7"}'),
    ]
    assert view.user == "u7"
    assert view.texts[2].channel.sealed
    assert view.texts[3].channel.json


def test_anthropic_images_documents_and_the_unknown() -> None:
    blocks: list[Json] = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://cats.example/1.png"}},
        {
            "type": "document",
            "title": "A title",
            "source": {"type": "text", "media_type": "text/plain", "data": "a text"},
        },
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]}},
        {"type": "redacted_thinking", "data": PNG},
        {
            "type": "search_result",
            "title": "found",
            "source": "s",
            "content": [{"type": "text", "text": "hit"}],
        },
        {"type": "hologram", "caption": "a caption"},
    ]
    view = claude({"role": "user", "content": blocks})
    types = [media.type for media in view.media]
    assert types == ["image/png", "image", "redacted_thinking", "unknown:hologram"]
    assert [value for _, value in found(view)] == [
        "a text",
        "A title",
        "inner",
        "hit",
        "found",
        "s",
        '{"type":"hologram","caption":"a caption"}',
    ]


@pytest.mark.parametrize("body", [None, {}, {"messages": {}}, {"messages": [], "stream": "yes"}])
def test_a_body_that_is_no_messages_request(body: Json) -> None:
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        with pytest.raises(BadRequest):
            wire(path).read_request(body)


def test_count_tokens_reads_what_messages_reads() -> None:
    body: Json = {"model": "m", "system": "Be kind.", "messages": [{"role": "user", "content": "hi"}]}
    assert found(wire("/v1/messages/count_tokens").read_request(body)) == found(
        wire("/v1/messages").read_request(body)
    )


def test_responses_input() -> None:
    assert found(responses(input="hello", instructions="Be kind.")) == [
        ("instructions", "Be kind."),
        ("input", "hello"),
    ]
    view = responses(
        input=[
            {"role": "user", "content": "hi"},
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "!"}],
            },
            {"type": "function_call", "call_id": "c", "name": "mail", "arguments": '{"to":"x"}'},
            {"type": "function_call_output", "call_id": "c", "output": "done"},
            {
                "type": "function_call_output",
                "call_id": "c",
                "output": [{"type": "input_text", "text": "parts"}],
            },
            {"type": "custom_tool_call", "call_id": "d", "name": "run", "input": "print()"},
            {
                "type": "reasoning",
                "id": "r",
                "summary": [{"type": "summary_text", "text": "thought"}],
                "encrypted_content": PNG,
            },
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_image", "image_url": "https://c.example/1", "detail": "low"}],
            },
        ]
    )
    assert found(view) == [
        ("input[0].content", "hi"),
        ("input[1].content", "a!"),
        ("input[2].name", "mail"),
        ("input[2].arguments", '{"to":"x"}'),
        ("input[3].output", "done"),
        ("input[4].output", "parts"),
        ("input[5].name", "run"),
        ("input[5].input", "print()"),
        ("input[6].summary", "thought"),
    ]
    assert [media.type for media in view.media] == ["input_image"]


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({}, None),
        ({"previous_response_id": "resp_1"}, "resp_1"),
        ({"conversation": "conv_1"}, "conv_1"),
        ({"conversation": {"id": "conv_2"}}, "conv_2"),
        ({"prompt": {"id": "pmpt_1", "variables": {"name": "Ann"}}}, "pmpt_1"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "msg_1"),
        ({"input": [{"id": "msg_2"}]}, "msg_2"),
    ],
)
def test_what_the_backend_keeps(more: dict[str, Json], kept: str | None) -> None:
    assert responses(**more).conversation == kept


def test_a_stored_prompts_variables_are_read() -> None:
    view = responses(
        prompt={"id": "p", "variables": {"a": "Ann", "b": {"type": "input_text", "text": "Bob"}}}
    )
    assert [value for _, value in found(view)] == ["Ann", "Bob"]
