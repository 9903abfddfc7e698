"""What is left of a Messages request at `degraded`. Pure.

Source: the Anthropic API reference, and its guides to tool use, extended thinking and prompt caching.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from proxy.model.record import Json
from proxy.wire.alternatives import ALTERNATIVES
from proxy.wire.reduce import (
    Reduction,
    call_text,
    cap,
    cool,
    drop,
    eased,
    in_front,
    kept_from,
    lowered,
    result_text,
    same,
)
from proxy.wire.shape import compact, integer, mapping, sequence, string

TEMPERATURE_MAX: Final = 1.0
THINKING_TOKENS_MIN: Final = 1024
"""The least budget of thinking that the API takes. It must lie under the cap, and the answer wants room too."""

GO_ON: Final = "Continue."
LEFT_OUT: Final = "[reasoning left out]"
"""Stands for a message of which nothing else is left: the API takes none that is empty."""

TOOL_KEYS: Final = ("tools", "tool_choice", "mcp_servers", "container", "context_management")
_THINKS: Final = frozenset(("enabled", "adaptive", "between_tools"))
_THINKING: Final = frozenset(("thinking", "redacted_thinking"))
_CALLS: Final = frozenset(("tool_use", "server_tool_use", "mcp_tool_use"))
_SHOWN: Final = frozenset(("text", "image", "document", "search_result"))
"""What of a tool's result may stand in a message of its own."""


def reduce_messages(
    request: Mapping[str, Json], reduction: Reduction, *, counts: bool = False
) -> dict[str, Json]:
    """The request as it is to be sent. One that `counts` tokens only takes neither a cap nor a temperature."""
    out = dict(request)
    drop(out, ALTERNATIVES)  # what is cut for one model may not fit another
    prompts, messages = _recent(sequence(request.get("messages")), reduction.keep_messages)
    budgeted = _bounded_thinking(out, reduction)
    if not reduction.tools:
        drop(out, TOOL_KEYS)
    if not (reduction.tools and budgeted):
        # Thinking is bound to all that stood before it; only where a budget is given, which models take that know
        # no such bond, a turn of tools under way must begin with it.
        messages = _flat(messages, tools=reduction.tools)
    prompt = reduction.system_prompt
    if prompt is not None and reduction.replaces_prompt:
        drop(out, ("system",))
        prompts, messages = [], [one for one in messages if not _is_prompt(one)]
    if prompt is not None and not reduction.takes_system:
        messages = _told(messages, prompt)
    elif prompt is not None:
        out["system"] = in_front(prompt, out.get("system"))
    for one in prompts:
        out["system"] = _behind(out.get("system"), mapping(one).get("content"))
    if not same(request.get("messages"), messages):
        out["messages"] = messages
    if counts:
        return out
    cap(out, "max_tokens", reduction.max_output_tokens)
    _ease(out, reduction)
    thinks = mapping(out.get("thinking")).get("type") in _THINKS
    if reduction.takes_temperature and not thinks and reduction.temperature is not None:
        cool(out, min(reduction.temperature, TEMPERATURE_MAX))
    return out


def _bounded_thinking(out: dict[str, Json], reduction: Reduction) -> bool:
    """Thinking within half of the cap, or none where that is too little. Whether it has a budget."""
    thinking = mapping(out.get("thinking"))
    budgeted = thinking.get("type") == "enabled"
    if reduction.max_output_tokens is None or not (budgeted or thinking.get("type") == "adaptive"):
        return budgeted
    most = lowered(out.get("max_tokens"), reduction.max_output_tokens)
    budget = integer(most) // 2
    if budget < THINKING_TOKENS_MIN:
        drop(out, ("thinking", "context_management"))
        return False
    if integer(thinking.get("budget_tokens")) > budget:
        out["thinking"] = {**thinking, "budget_tokens": budget}
    return budgeted


def _ease(out: dict[str, Json], reduction: Reduction) -> None:
    """Where thinking cannot be bounded by a budget, its effort is."""
    config = mapping(out.get("output_config"))
    effort = eased(config.get("effort"), "high" if reduction.always_thinks else None)
    if reduction.max_output_tokens is not None and effort != config.get("effort"):
        out["output_config"] = {**config, "effort": effort}


def _recent(messages: Sequence[Json], keep: int | None) -> tuple[list[Json], list[Json]]:
    """The last turns; and those messages of the system that stand before them, which may not come first."""
    counted = [place for place, one in enumerate(messages) if not _is_prompt(one)]
    if not counted:
        return [], list(messages)
    starts = [0]
    for n in range(1, len(counted)):
        message, before = mapping(messages[counted[n]]), mapping(messages[counted[n - 1]])
        if message.get("role") == "user" and before.get("role") != "user" and not _answers(message):
            starts.append(n)
    first = kept_from(starts, len(counted), keep)
    if not first:
        return [], list(messages)
    prompts = [one for one in messages[: counted[first]] if _is_prompt(one)]
    return prompts, list(messages[counted[first] :])


def _is_prompt(message: Json) -> bool:
    return mapping(message).get("role") == "system"


def _behind(system: Json, content: Json) -> Json:
    """The system's prompt with another behind it."""
    front, back = (
        said if isinstance(said, list) else [{"type": "text", "text": said}] if said else []
        for said in (system, content)
    )
    return [*front, *back]


def _answers(message: Mapping[str, Json]) -> bool:
    """Whether it holds the result of a call in the message before."""
    return any(mapping(block).get("type") == "tool_result" for block in sequence(message.get("content")))


def _told(messages: list[Json], prompt: str) -> list[Json]:
    """For a model without a system prompt: the first message of the user's says it."""
    for place, one in enumerate(messages):
        message = mapping(one)
        if message.get("role") == "user":
            said = {**message, "content": in_front(prompt, message.get("content"))}
            return [*messages[:place], said, *messages[place + 1 :]]
    return [{"role": "user", "content": prompt}, *messages]


def _flat(messages: Sequence[Json], *, tools: bool) -> list[Json]:
    """The history without thinking, and (where no `tools` stay) with calls and results as text."""
    out: list[Json] = []
    names: dict[str, Json] = {}
    for one in messages:
        message = mapping(one)
        content = message.get("content")
        blocks: list[Json] = []
        for block in sequence(content):
            blocks.extend(_block(block, names) if not tools else _thoughtless(block))
        if not isinstance(content, list) or same(content, blocks):
            out.append(one)
        else:
            out.append({**message, "content": blocks or [{"type": "text", "text": LEFT_OUT}]})
    last, given = (out[-1], messages[-1]) if out else (None, None)
    if last is not given and mapping(last).get("role") == "assistant":
        # What is now text was a call that the backend was to go on with; some models take no such beginning.
        out.append({"role": "user", "content": GO_ON})
    return out


def _thoughtless(block: Json) -> list[Json]:
    return [] if mapping(block).get("type") in _THINKING else [block]


def _block(entry: Json, names: dict[str, Json]) -> list[Json]:
    """What becomes of one block where there are no tools."""
    block = mapping(entry)
    kind = string(block.get("type")) or ""
    if kind in _THINKING:
        return []
    if kind in _CALLS:
        names[str(block.get("id"))] = block.get("name")
        return _texts(block, [call_text(block.get("name"), block.get("input"))])
    if kind == "tool_result":
        return _result(block, names.get(str(block.get("tool_use_id"))))
    if kind.endswith("_tool_result"):
        said = compact(_readable(block.get("content"))) or ""
        return _texts(block, [result_text(names.get(str(block.get("tool_use_id"))), said)])
    if kind == "container_upload":
        return _texts(block, ["[a file for a tool]"])
    if kind == "text" and sequence(block.get("citations")):
        # They may point into results that are text now.
        return [{key: child for key, child in block.items() if key != "citations"}]
    return [entry]


def _result(block: Mapping[str, Json], name: Json) -> list[Json]:
    content = block.get("content")
    failed = block.get("is_error") is True
    shown = [part for part in sequence(content) if _is_shown(part)]
    texts = [string(mapping(part).get("text")) for part in shown]
    if isinstance(content, str):
        return _texts(block, [result_text(name, content, failed=failed)])
    if all(text is not None for text in texts):
        said = "\n".join(text or "" for text in texts)
        return _texts(block, [result_text(name, said, failed=failed)])
    return [*_texts({}, [result_text(name, "", failed=failed)]), *shown]


def _is_shown(part: Json) -> bool:
    kind = mapping(part).get("type")
    return kind in _SHOWN and (kind != "text" or bool((string(mapping(part).get("text")) or "").strip()))


def _texts(block: Mapping[str, Json], texts: Sequence[str]) -> list[Json]:
    """Blocks of text; the last one marks what the API is to keep where the block did that they come from."""
    out: list[dict[str, Json]] = [{"type": "text", "text": text} for text in texts]
    if "cache_control" in block:
        out[-1]["cache_control"] = block["cache_control"]
    return [*out]


def _readable(content: Json) -> Json:
    """A server's tool result without what is written for the API alone."""
    entries = content if isinstance(content, list) else [content]
    return [
        {key: child for key, child in entry.items() if not key.startswith("encrypted_")}
        if isinstance(entry, dict)
        else entry
        for entry in entries
    ]
