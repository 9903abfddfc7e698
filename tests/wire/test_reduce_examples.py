"""What is left of requests at `degraded`: examples, key by key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proxy.wire.reduce import Reduction
from proxy.wire.registry import wire_for
from tests.wire.reducing import CHAT, COMPLETIONS, FULL, MESSAGES, PROMPT, RESPONSES, at_model, left_of


def call(id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


CHAT_HISTORY: list[dict[str, Any]] = [
    {"role": "system", "content": "You sell shoes."},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "1"},
    {"role": "user", "content": "two"},
    {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [call("a", "look", "{}"), call("b", "ask", "1")],
    },
    {"role": "tool", "tool_call_id": "b", "content": "yes"},
    {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "no"}]},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "three"},
]


def test_a_chat() -> None:
    body = {
        "model": "m", "stream": True, "temperature": 0.9, "top_p": 0.5, "user": "u", "messages": CHAT_HISTORY,
        "tools": [{"type": "function", "function": {"name": "look"}}], "tool_choice": "auto",
        "max_completion_tokens": 100, "reasoning_effort": "high",
    }  # fmt: skip
    assert left_of(CHAT, body, replace(FULL, keep_messages=6)) == {
        "model": "m",
        "stream": True,
        "temperature": 0.0,
        "user": "u",
        "max_completion_tokens": 100,
        "reasoning_effort": "low",
        "messages": [
            {"role": "system", "content": "Be careful.\n\nYou sell shoes."},
            {"role": "user", "content": "two"},
            {
                "role": "assistant",
                "content": "Let me see.\n[tool call look: {}]\n[tool call ask: 1]",
            },
            {"role": "user", "content": "[tool result ask: yes]\n[tool result look: no]"},
            {"role": "assistant", "content": "2"},
            {"role": "user", "content": "three"},
        ],
    }


def test_a_message() -> None:
    body = {
        "model": "m", "max_tokens": 5000, "top_p": 0.5, "stop_sequences": ["x"], "metadata": {"user_id": "u"},
        "thinking": {"type": "enabled", "budget_tokens": 3000}, "tools": [{"name": "look", "input_schema": {}}],
        "system": [{"type": "text", "text": "You sell shoes.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "1"},
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "tool_use", "id": "a", "name": "look", "input": {"q": 1}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "is_error": True, "content": "no"},
                {"type": "text", "text": "And?"},
            ]},
        ],
    }  # fmt: skip
    assert left_of(MESSAGES, body) == {
        "model": "m",
        "max_tokens": 300,
        "temperature": 0.0,
        "stop_sequences": ["x"],
        "metadata": {"user_id": "u"},
        "system": [
            {"type": "text", "text": "Be careful."},
            {"type": "text", "text": "You sell shoes.", "cache_control": {"type": "ephemeral"}},
        ],
        "messages": [
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": [{"type": "text", "text": '[tool call look: {"q":1}]'}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "[tool error look: no]"},
                    {"type": "text", "text": "And?"},
                ],
            },
        ],
    }
    longer = left_of(MESSAGES, body, replace(FULL, max_output_tokens=4000))
    assert (longer["thinking"], longer["max_tokens"]) == ({"type": "enabled", "budget_tokens": 2000}, 4000)
    assert "temperature" not in longer, "the API takes none but its own while a model thinks"


def test_a_response() -> None:
    body = {
        "model": "m", "instructions": "You sell shoes.", "tools": [{"type": "web_search"}], "store": False,
        "include": ["web_search_call.action.sources"], "reasoning": {"effort": "high"},
        "input": [
            {"role": "user", "content": "one"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "no"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "q"}},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": "1", "annotations": []}]},
            {"role": "user", "content": "two"},
        ],
    }  # fmt: skip
    assert left_of(RESPONSES, body, replace(FULL, keep_messages=10)) == {
        "model": "m",
        "instructions": "Be careful.\n\nYou sell shoes.",
        "store": False,
        "include": [],
        "reasoning": {"effort": "low"},
        "max_output_tokens": 300,
        "temperature": 0.0,
        "input": [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "[tool call look: {}]"},
            {"role": "user", "content": "[tool result look: no]"},
            {"role": "assistant", "content": '[tool call web_search_call: {"query":"q"}]'},
            {"role": "assistant", "content": "1"},
            {"role": "user", "content": "two"},
        ],
    }


def test_a_legacy_completion_is_never_longer_than_without() -> None:
    body = {"model": "m", "prompt": ["a", "b"], "echo": True}
    left = {"model": "m", "prompt": ["Be careful.\n\na", "Be careful.\n\nb"], "temperature": 0.0}
    assert left_of(COMPLETIONS, body) == left
    assert left_of(COMPLETIONS, {**body, "max_tokens": 900}) == {**left, "max_tokens": 300}
    tokens = {"model": "m", "prompt": [1, 2]}
    assert left_of(COMPLETIONS, tokens) == {**tokens, "temperature": 0.0}


def test_embeddings_have_nothing_to_bound() -> None:
    wire = wire_for("POST", "/v1/embeddings", is_anthropic=False)
    assert wire is not None
    raw = b'{"model": "m", "input": "x"}'
    assert wire.reduce_request(raw, FULL) == raw


def test_the_prompts_of_the_application_are_kept_wherever_they_stand_or_all_replaced() -> None:
    said = [*CHAT_HISTORY[:3], {"role": "system", "content": "Mind the sale."}, *CHAT_HISTORY[3:]]
    kept = left_of(CHAT, {"model": "m", "messages": said}, Reduction(1))["messages"]
    assert kept == [CHAT_HISTORY[0], said[3], CHAT_HISTORY[-1]]
    replaced = left_of(CHAT, {"model": "m", "messages": said}, Reduction(1, PROMPT, True))["messages"]
    assert replaced == [{"role": "system", "content": PROMPT}, CHAT_HISTORY[-1]]


def test_a_model_without_messages_of_the_system_is_told_by_the_user() -> None:
    left = left_of(CHAT, {"model": "m", "messages": CHAT_HISTORY[1:2]}, replace(FULL, takes_system=False))
    assert left["messages"] == [{"role": "user", "content": "Be careful.\n\none"}]


def test_a_prediction_goes_with_no_cap() -> None:
    body = {"model": "o3", "messages": CHAT_HISTORY[:2], "prediction": {"type": "content", "content": "x"}}
    left = left_of(CHAT, body, at_model(FULL, "o3"))
    assert "prediction" not in left
    assert (left["max_completion_tokens"], "temperature" in left) == (300, False)


def test_json_is_still_asked_for_in_words() -> None:
    said = [
        {"role": "user", "content": "JSON, please"},
        {"role": "assistant", "content": "{}"},
        CHAT_HISTORY[1],
    ]
    body = {"model": "m", "messages": said, "response_format": {"type": "json_object"}}
    left = left_of(CHAT, body, replace(FULL, keep_messages=1))
    assert left["messages"][0] == {"role": "system", "content": "Be careful. Answer in JSON."}


def test_what_is_not_edited_keeps_its_bytes() -> None:
    wire = wire_for("POST", CHAT, is_anthropic=False)
    assert wire is not None
    raw = (
        b'{ "seed":123456789012345678901, "x" : 1.0E+2, "model":"m",\n"messages":[{"role":"user","content":"a"},'
        b'{"role":"assistant","content":"b"} , {"role" : "user","content":"\\u00e9","n":1.50}]}'
    )
    assert wire.reduce_request(raw, Reduction(1)) == (
        b'{ "seed":123456789012345678901, "x" : 1.0E+2, "model":"m",\n"messages":['
        b'{"role" : "user","content":"\\u00e9","n":1.50}]}'
    )
    assert wire.reduce_request(raw, Reduction()) == raw
