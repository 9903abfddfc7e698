"""What OpenAI's API refuses; see `strict`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Body: TypeAlias = Mapping[str, Any]

REASONING_MODELS = ("o1", "o3", "o4-mini", "gpt-5", "gpt-5-mini")
NO_SYSTEM_MODELS = ("o1-mini", "o1-preview")
CHAT_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
TEMPERATURE_MAX = 2.0


def _reasons(model: str) -> bool:
    return model in REASONING_MODELS or model in NO_SYSTEM_MODELS


def _openai(body: Body, caps: Sequence[str]) -> str | None:
    for cap in caps:
        if body.get(cap) is not None and (not isinstance(body[cap], int) or body[cap] < 1):
            return f"Invalid '{cap}': integer below minimum value"
    if _reasons(str(body.get("model"))):
        if body.get("temperature") not in (None, 1):
            return "Unsupported value: 'temperature' does not support it with this model."
        if body.get("top_p") not in (None, 1):
            return "Unsupported parameter: 'top_p' is not supported with this model."
    return None if 0 <= (body.get("temperature") or 0) <= TEMPERATURE_MAX else "temperature: out of range"


def chat(body: Body) -> str | None:
    """POST /v1/chat/completions."""
    model, said = str(body.get("model")), body.get("messages")
    if not isinstance(said, list) or not said:
        return "[] is too short - 'messages'"
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        return "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
    if _reasons(model) and body.get("max_tokens") is not None:
        return "Unsupported parameter: 'max_tokens' is not supported with this model."
    if not _reasons(model) and body.get("reasoning_effort") is not None:
        return "Unrecognized request argument supplied: reasoning_effort"
    if body.get("prediction") and (body.get("max_completion_tokens") or body.get("tools")):
        return "Prediction is not supported with max_completion_tokens or tools."
    for key in ("tools", "functions"):
        if key in body and not body[key]:
            return f"[] is too short - '{key}'"
    for key, needed in (
        ("tool_choice", "tools"),
        ("parallel_tool_calls", "tools"),
        ("function_call", "functions"),
    ):
        if body.get(key) is not None and not body.get(needed):
            return f"Invalid value for '{key}': only allowed when '{needed}' are specified."
    asked = body.get("response_format") or {}
    if asked.get("type") == "json_object" and "json" not in json.dumps(said).lower():
        return "'messages' must contain the word 'json' in some form."
    return _chat_messages(said, model) or _openai(body, ("max_tokens", "max_completion_tokens"))


def _chat_messages(said: Sequence[Body], model: str) -> str | None:
    roles = {one.get("role") for one in said}
    if {"system", "developer"} <= roles:
        return "Developer and system messages cannot be used together."
    if model in NO_SYSTEM_MODELS and roles & {"system", "developer"}:
        return "Unsupported value: 'messages[0].role' does not support 'system' with this model."
    open_calls: list[str] = []
    for index, one in enumerate(said):
        at = f"messages[{index}]"
        role, content = one.get("role"), one.get("content")
        if role not in CHAT_ROLES:
            return f"Invalid value: '{role}' at {at}.role"
        if role == "tool":
            if one.get("tool_call_id") not in open_calls:
                return (
                    "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                )
            open_calls.remove(one["tool_call_id"])
        elif open_calls:
            return "An assistant message with 'tool_calls' must be followed by tool messages for each id."
        if role == "function" and not one.get("name"):
            return f"Missing parameter '{at}.name'"
        calls = one.get("tool_calls")
        if calls is not None:
            if role != "assistant" or not calls:
                return f"[] is too short - '{at}.tool_calls'"
            open_calls = [call["id"] for call in calls]
        if content is None and not (
            calls or one.get("function_call") or one.get("audio") or one.get("refusal")
        ):
            return f"Invalid value for 'content': expected a string, got null. ({at})"
        reason = _chat_content(role, content, at)
        if reason is not None:
            return reason
    return "An assistant message with 'tool_calls' must be followed by tool messages." if open_calls else None


def _chat_content(role: str, content: Any, at: str) -> str | None:
    if content is None or isinstance(content, str):
        return None
    if not isinstance(content, list) or not content:
        return f"Invalid type for '{at}.content'"
    allowed = {"user": ("text", "image_url", "input_audio", "file"), "assistant": ("text", "refusal")}
    for part in content:
        if part.get("type") not in allowed.get(role, ("text",)):
            return f"Invalid '{at}.content': {part.get('type')} is not allowed for role {role}"
        if part.get("type") == "text" and not isinstance(part.get("text"), str):
            return f"Missing required parameter: '{at}.content[].text'"
    return None


def completion(body: Body) -> str | None:
    """POST /v1/completions."""
    for key in ("messages", "tools", "max_completion_tokens"):
        if key in body:
            return f"Unrecognized request argument supplied: {key}"
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len({type(one) for one in prompt}) > 1:
        return "Invalid type for 'prompt'"
    return _openai(body, ("max_tokens",))


_CALL_OUTPUTS = {
    "function_call_output": "function_call",
    "custom_tool_call_output": "custom_tool_call",
    "computer_call_output": "computer_call",
    "mcp_approval_response": "mcp_approval_request",
}


def responses(body: Body) -> str | None:
    """POST /v1/responses."""
    most = body.get("max_output_tokens")
    if most is not None and most < 16:
        return "Invalid 'max_output_tokens': integer below minimum value. Expected >= 16."
    if body.get("instructions") is not None and not isinstance(body["instructions"], str):
        return "Invalid type for 'instructions'"
    if body.get("tool_choice") not in (None, "auto", "none") and not body.get("tools"):
        return "Tool choice must be 'auto' or 'none' when no tools are given."
    if body.get("reasoning") and not _reasons(str(body.get("model"))):
        return "Unsupported parameter: 'reasoning.effort' is not supported with this model."
    items = body.get("input")
    asked = (body.get("text") or {}).get("format") or {}
    spoken = json.dumps([items, body.get("instructions")]).lower()
    if asked.get("type") == "json_object" and "json" not in spoken:
        return "Response input messages must contain the word 'json' in some form."
    if not isinstance(items, str):
        if not isinstance(items, list) or not items:
            return "Invalid 'input'"
        reason = _items(items, bool(body.get("tools")))
        if reason is not None:
            return reason
    return _openai(body, ())


def _items(items: Sequence[Body], tools: bool) -> str | None:
    calls: dict[str, str] = {}
    pending: str | None = None  # a reasoning item that waits for what it led to
    reasoned = False
    for index, item in enumerate(items):
        kind = item.get("type", "message")
        said = item.get("role") == "assistant" and "id" in item
        follows = kind in ("reasoning", *_CALL_OUTPUTS.values()) or said
        if pending is not None and not follows:
            return f"Item '{pending}' of type 'reasoning' was provided without its required following item."
        if kind == "reasoning":
            pending, reasoned = item["id"], True
            continue
        if str(item.get("id", "")).endswith("_reasoned") and not reasoned:
            return f"Item '{item['id']}' was provided without its required 'reasoning' item."
        if item.get("role") == "user":
            reasoned = False
        pending = None
        if kind == "message":
            reason = _item_content(item, index)
            if reason is not None:
                return reason
        elif kind in _CALL_OUTPUTS:
            called = item.get("call_id", item.get("approval_request_id"))
            if calls.pop(str(called), None) != _CALL_OUTPUTS[kind]:
                return f"No tool call found for {kind} with call_id {called}."
        elif kind in _CALL_OUTPUTS.values():
            if not tools:
                return f"Tools are needed for an input of type {kind}."
            calls[str(item.get("call_id", item.get("id")))] = kind
    if pending is not None:
        return f"Item '{pending}' of type 'reasoning' was provided without its required following item."
    return f"No tool output found for call {next(iter(calls))}." if calls else None


def _item_content(item: Body, index: int) -> str | None:
    role, content = item.get("role"), item.get("content")
    if role not in ("user", "assistant", "system", "developer"):
        return f"Invalid value: '{role}' at input[{index}].role"
    if isinstance(content, str):
        return None
    if not isinstance(content, list):
        return f"Invalid type for 'input[{index}].content'"
    allowed = (
        ("output_text", "refusal") if role == "assistant" else ("input_text", "input_image", "input_file")
    )
    wrong = [part.get("type") for part in content if part.get("type") not in allowed]
    return f"Invalid value: '{wrong[0]}'. Supported values are: {allowed}" if wrong else None
