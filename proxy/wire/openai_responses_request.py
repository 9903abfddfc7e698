"""The texts of a Responses request: instructions, input items of every kind, tools.

Source: the OpenAI API reference, and the official client's types.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Path
from proxy.wire.gather import Gather, kind_of, tools_text
from proxy.wire.openai_request import content_parts
from proxy.wire.shape import field_name, mapping, sequence, string

# Keys of a request that no model reads. All others are judged, known or not.
_SETTINGS = frozenset(
    (
        "model", "stream", "stream_options", "temperature", "top_p", "top_logprobs", "max_output_tokens",
        "max_tool_calls", "metadata", "store", "service_tier", "parallel_tool_calls", "reasoning", "truncation",
        "include", "background", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
        "prompt_cache_options", "tool_choice", "previous_response_id", "conversation", "context_management",
        "moderation",
    )
)  # fmt: skip
_READ = frozenset(("input", "instructions", "tools", "prompt"))
_CALLS = frozenset(("function_call", "mcp_call", "custom_tool_call", "mcp_approval_request"))


def request_texts(gather: Gather, request: Mapping[str, Json]) -> None:
    _items(gather, request.get("instructions"), ("instructions",), Kind.PROMPT)
    _items(gather, request.get("input"), ("input",))
    prompt: Path = ("prompt", "variables")
    for name, value in mapping(mapping(request.get("prompt")).get("variables")).items():
        path = (*prompt, name)
        if isinstance(value, str):
            gather.string(Channel(field_name(path)), value, path)
        else:
            content_parts(gather, [value], path[:-1], Channel(field_name(path)))
    tools_text(gather, request.get("tools"), ("tools",))
    gather.rest(request, _SETTINGS | _READ, ())


def kept_elsewhere(request: Mapping[str, Json]) -> str | None:
    """What of the conversation the backend keeps and this request only names."""
    previous = string(request.get("previous_response_id"))
    if previous:
        return previous
    conversation = request.get("conversation")
    kept = string(conversation) or string(mapping(conversation).get("id"))
    if kept:
        return kept
    stored = string(mapping(request.get("prompt")).get("id"))
    if stored:
        return stored
    for item in sequence(request.get("input")):
        entry = mapping(item)
        if entry.get("type") == "item_reference" or (entry.keys() == {"id"}):
            return string(entry.get("id"))
    return None


def _items(gather: Gather, value: Json, path: Path, said: Kind = Kind.TEXT) -> None:
    if isinstance(value, str):
        gather.string(Channel(field_name(path), kind=said), value, path)
        return
    for index, entry in enumerate(sequence(value)):
        where = (*path, index)
        if isinstance(entry, dict):
            _item(gather, entry, where, said if said is Kind.PROMPT else kind_of(entry.get("role")))
        else:
            gather.leaves(Channel(field_name(where), kind=Kind.OTHER), entry, where)
    if isinstance(value, dict):
        gather.leaves(Channel(field_name(path), kind=Kind.OTHER), value, path)


def _item(gather: Gather, item: Mapping[str, Json], path: Path, said: Kind) -> None:
    kind = item.get("type")
    for key, value in item.items():
        where = (*path, key)
        channel = Channel(field_name(where), kind=said)
        if key in ("type", "id", "call_id", "role", "status", "encrypted_content", "phase"):
            continue
        if key in ("content", "output") and isinstance(value, list):
            content_parts(gather, _reasoned(value), where, channel)
        elif key in ("content", "output") and isinstance(value, str):
            gather.string(channel, value, where)
        elif key == "output" and mapping(value).get("type") == "computer_screenshot":
            for part, child in mapping(value).items():
                if part != "type" and isinstance(child, str):
                    gather.data(child, (*where, part), "computer_screenshot")
        elif key == "arguments" and kind in _CALLS:
            gather.value(Channel(field_name(where), kind=Kind.TOOL, json=True), value, where)
        elif key == "input" and isinstance(value, str):
            gather.string(Channel(field_name(where), kind=Kind.TOOL), value, where)
        else:
            shape = Kind.REASONING if key == "summary" else Kind.OTHER
            gather.leaves(Channel(field_name(where), kind=shape), value, where)


def _reasoned(parts: Json) -> Json:
    """Parts of a reasoning item read as the text parts that they are."""
    return [
        {**part, "type": "text"} if isinstance(part, dict) and part.get("type") == "reasoning_text" else part
        for part in sequence(parts)
    ]
