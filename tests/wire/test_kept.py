"""A conversation as the log has it, as the items that would say it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from proxy import jsonio
from proxy.model.record import Json
from proxy.wire.openai_responses_kept import explicit, kept_conversation
from tests.fakes.strict_openai import responses

USER = {"role": "user", "content": "one"}
CALL = {"id": "call_1", "name": "find", "arguments": "{}"}
FOUND = {"type": "function_call_output", "call_id": "call_1", "output": "it"}
DONE = {"type": "custom_tool_call_output", "call_id": "call_1", "output": "it"}
SCREEN = {"type": "computer_call_output", "call_id": "call_9", "output": {"type": "computer_screenshot"}}
PICTURE = "media:image/png;bytes=700;sha256=" + "0" * 64


def entry(text: str = "", **more: Json) -> Json:
    return [{"index": 0, "text": text, **more}]


@pytest.mark.parametrize(
    ("reply", "next_input", "items"),
    [
        (None, "two", []),
        ("", "two", []),
        ("Hi.", "two", [{"role": "assistant", "content": "Hi."}]),
        (entry("Hi.", reasoning="Hm."), "two", [{"role": "assistant", "content": "Hi."}]),
        (entry(refusal="I won't."), "two", [{"role": "assistant", "content": "I won't."}]),
        (
            entry("Wait.", tool_calls=[CALL]),
            [FOUND],
            [
                {"role": "assistant", "content": "Wait."},
                {"type": "function_call", "call_id": "call_1", "name": "find", "arguments": "{}"},
            ],
        ),
        (
            entry(tool_calls=[CALL]),
            [DONE],
            [{"type": "custom_tool_call", "call_id": "call_1", "name": "find", "input": "{}"}],
        ),
        (entry(tool_calls=[CALL]), "two", [{"role": "assistant", "content": "[tool call find: {}]"}]),
    ],
    ids=[
        "nothing",
        "no words",
        "words",
        "thoughts",
        "a refusal",
        "a call",
        "a call in words",
        "one left open",
    ],
)
def test_a_reply_is_said_again(reply: Json, next_input: Json, items: list[Json]) -> None:
    kept = kept_conversation([({"input": "one"}, reply)], {"input": next_input}, whole=True)
    assert list(kept.items) == [USER, *items]
    assert (kept.whole, kept.sendable) == (True, True)
    raw = jsonio.dumps({"model": "m", "input": next_input, "previous_response_id": "resp_1", "tools": [{}]})
    assert responses(json.loads(explicit(raw, kept.items))) is None, "the real API takes it"


@pytest.mark.parametrize(
    ("request_", "next_input", "whole"),
    [
        ({"input": "one", "prompt": {"id": "pmpt_1"}}, "two", False),
        ({"input": "one", "conversation": "conv_1"}, "two", False),
        ({"input": [USER, {"type": "item_reference", "id": "msg_1"}]}, "two", False),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": PICTURE}]}]},
            "two",
            True,
        ),
        ({"input": [{"type": "mcp_call", "headers": "[credential]"}]}, "two", True),
        ({"input": "one"}, [SCREEN], True),
    ],
    ids=["a stored prompt", "a conversation", "an item by its id", "a picture", "a credential", "a screen"],
)
def test_what_cannot_be_said_again(request_: Mapping[str, Any], next_input: Json, whole: bool) -> None:
    kept = kept_conversation([(request_, "Hi.")], {"input": next_input}, whole=True)
    assert (kept.whole, kept.sendable) == (whole, False)


def test_the_requests_own_bytes_stay() -> None:
    own = b'[ {"role":  "user", "content": "2"} ]'
    raw = b'{"model": "m", "previous_response_id": "resp_1", "input": ' + own + b', "n": 1.50}'
    item: Json = {"role": "user", "content": "1"}
    said = b'[{"role":"user","content":"1"},{"role":  "user", "content": "2"}]'
    assert explicit(raw, [item]) == b'{"model": "m", "input": ' + said + b', "n": 1.50}'
