"""What Anthropic's API refuses; see `strict`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Body: TypeAlias = Mapping[str, Any]

THINKING_TOKENS_MIN = 1024
TEMPERATURE_MAX = 1.0
NO_SAMPLING_MODELS = ("claude-opus-4-7", "claude-opus-5", "claude-sonnet-5-5")
BINDING_MODELS = ("claude-sonnet-5-5",)


def messages(body: Body, *, counts: bool = False) -> str | None:
    """POST /v1/messages, and with `counts` its count_tokens."""
    model = str(body.get("model"))
    if counts:
        extra = {
            "max_tokens",
            "temperature",
            "top_p",
            "top_k",
            "stop_sequences",
            "stream",
            "metadata",
        } & body.keys()
        if extra:
            return f"{min(extra)}: Extra inputs are not permitted"
    elif not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        return "max_tokens: Field required"
    if body.get("temperature") is not None and body.get("top_p") is not None:
        return "`temperature` and `top_p` cannot both be specified for this model."
    if model in NO_SAMPLING_MODELS and body.get("temperature") not in (None, 1):
        return "`temperature` is deprecated for this model."
    if body.get("tool_choice") and not body.get("tools"):
        return "tool_choice: may only be specified while providing tools"
    if not 0 <= (body.get("temperature") or 0) <= TEMPERATURE_MAX:
        return "temperature: range: 0..1"
    reason = _thinking(body, counts) or _system(body.get("system"))
    return reason or _turns(body)


def _thinking(body: Body, counts: bool) -> str | None:
    thinking = body.get("thinking") or {}
    if thinking.get("type") not in ("enabled", "adaptive", "between_tools"):
        edits = (body.get("context_management") or {}).get("edits", [])
        if any(edit["type"].startswith("clear_thinking") for edit in edits):
            return "clear_thinking requires thinking to be enabled"
        return None
    if body.get("temperature") not in (None, 1):
        return "`temperature` may only be set to 1 when thinking is enabled."
    if thinking["type"] == "enabled":
        if body["model"] in NO_SAMPLING_MODELS:
            return '"thinking.type.enabled" is not supported for this model.'
        budget = thinking.get("budget_tokens", 0)
        if budget < THINKING_TOKENS_MIN:
            return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        if not counts and budget >= body["max_tokens"]:
            return "`max_tokens` must be greater than `thinking.budget_tokens`."
    return None


def _system(system: Any) -> str | None:
    if system is None or isinstance(system, str):
        return None
    wrong = [block for block in system if block.get("type") != "text" or not block.get("text", "").strip()]
    return "system: text content blocks must be non-empty" if wrong else None


def _turns(body: Body) -> str | None:
    turns = body.get("messages")
    if not isinstance(turns, list) or not turns:
        return "messages: at least one message is required"
    if turns[0].get("role") != "user":
        return 'messages: first message must use the "user" role'
    thinks = (body.get("thinking") or {}).get("type") == "enabled"
    names = {tool.get("name") for tool in body.get("tools") or ()}
    calls: list[str] = []
    for index, turn in enumerate(turns):
        at = f"messages.{index}"
        if turn.get("role") == "system":
            if turns[index - 1].get("role") != "user":
                return f"{at}: system messages must immediately follow a user turn"
            continue
        if turn.get("role") not in ("user", "assistant"):
            return f"{at}: unexpected role"
        said = [one["role"] for one in turns[:index] if one["role"] != "system"]
        if said and turn["role"] == said[-1]:
            return f'{at}: roles must alternate between "user" and "assistant"'
        bound = prefix(body, index) if body["model"] in BINDING_MODELS else None
        reason = _blocks(turn, at, calls, last=index == len(turns) - 1, tools=bool(names), bound=bound)
        if reason is not None:
            return reason
    if calls:
        return "`tool_use` ids were found without `tool_result` blocks immediately after"
    return _last_loop(turns) if thinks else None


def prefix(body: Body, count: int) -> str:
    """What a signature of thinking is bound to: all that stands before it."""
    before = [body.get("system"), body.get("tools"), body["messages"][:count]]
    return hashlib.sha256(json.dumps(before).encode()).hexdigest()


def _blocks(
    turn: Body, at: str, calls: list[str], *, last: bool, tools: bool, bound: str | None
) -> str | None:
    content = turn.get("content")
    if isinstance(content, str):
        if not content.strip():
            return f"{at}: all messages must have non-empty content"
        content = [{"type": "text", "text": content}]
    if not content:
        return f"{at}: all messages must have non-empty content"
    answered = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
    if any(id not in calls for id in answered):
        return f"{at}: unexpected `tool_use_id` found in `tool_result` blocks"
    if set(calls) - set(answered):
        return f"{at}: `tool_use` ids were found without `tool_result` blocks immediately after"
    calls.clear()
    for block in content:
        kind = block["type"]
        if kind == "text" and not block["text"].strip():
            return f"{at}: text content blocks must be non-empty"
        if kind in ("tool_use", "tool_result") and not tools:
            return "Requests which include `tool_use` or `tool_result` blocks must define tools"
        if kind == "tool_use":
            calls.append(block["id"])
        if kind in ("thinking", "redacted_thinking") and turn["role"] != "assistant":
            return f"{at}: thinking blocks may only stand in `assistant` messages"
        if kind == "thinking" and bound is not None and block["signature"] != bound:
            return f"{at}: Invalid `signature`. The block is bound to a different conversation."
    if last and turn["role"] == "assistant":
        if content[-1]["type"] in ("thinking", "redacted_thinking"):
            return f"{at}: the final block in an assistant message cannot be `thinking`"
        if content[-1]["type"] == "text" and content[-1]["text"] != content[-1]["text"].rstrip():
            return f"{at}: final assistant content cannot end with trailing whitespace"
    return None


def _last_loop(turns: Sequence[Body]) -> str | None:
    """With thinking, a turn of tools under way begins with thinking."""
    last = turns[-1]
    if last["role"] == "assistant":
        return "the final assistant message must start with a thinking block"
    if any(block["type"] == "tool_result" for block in last["content"] if isinstance(block, dict)):
        first = turns[-2]["content"][0]
        if first["type"] not in ("thinking", "redacted_thinking"):
            return "Expected `thinking` or `redacted_thinking`, but found `tool_use`."
    return None
