"""The texts of a Responses request: instructions, input items of every kind, tools.

Source: the OpenAI API reference, and the official client's types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Path
from proxy.wire.gather import Gather, entry_of, kind_of, tools_text, type_of
from proxy.wire.openai_request import content_parts, part_text
from proxy.wire.shape import field_name, mapping, sequence, string
from proxy.wire.unread import is_unread

PREVIOUS: Final = "previous_response_id"
_CALLS = frozenset(("function_call", "mcp_call", "custom_tool_call", "mcp_approval_request"))


def request_texts(gather: Gather, request: Mapping[str, Json]) -> None:
    """Raises BadRequest for an entry of a list that is no item or part."""
    _items(gather, request.get("instructions"), ("instructions",), Kind.PROMPT)
    _items(gather, request.get("input"), ("input",))
    _prompt(gather, request.get("prompt"), ("prompt",))
    tools_text(gather, request.get("tools"), ("tools",))
    gather.others(request, ("input", "instructions", "tools", "prompt"), (), top=True)
    gather.members(request)


def _prompt(gather: Gather, prompt: Json, path: Path) -> None:
    """A stored prompt by its id, and the variables that are put into it."""
    if not isinstance(prompt, dict):
        gather.other(prompt, path)
        return
    gather.others(prompt, ("variables",), path)
    variables = prompt.get("variables")
    where = (*path, "variables")
    if not isinstance(variables, dict):
        gather.other(variables, where)
        return
    for name, value in variables.items():
        if isinstance(value, dict):
            part_text(gather, value, (*where, name))
        else:
            gather.other(value, (*where, name), Kind.TEXT)


def kept_elsewhere(request: Mapping[str, Json]) -> str | None:
    """What of the conversation the backend keeps and this request only names."""
    return previous_of(request) or kept_beside(request)


def previous_of(request: Json) -> str | None:
    """The response that a request goes on from."""
    return string(mapping(request).get(PREVIOUS)) or None


def goes_on_from(request: Mapping[str, Json]) -> str | None:
    """The same, where it names nothing else that is kept."""
    return None if kept_beside(request) else previous_of(request)


def kept_beside(request: Mapping[str, Json]) -> str | None:
    """What it names that is kept beside the response that it goes on from: a stored prompt, an item by its id."""
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
    if not isinstance(value, list):
        gather.other(value, path, said)
        return
    for index, entry in enumerate(value):
        where = (*path, index)
        if isinstance(entry, str):
            gather.text(Channel(field_name(where), kind=said), entry, where)
        else:
            item = entry_of(entry, where)
            _item(gather, item, where, said if said is Kind.PROMPT else kind_of(item.get("role")))


def _item(gather: Gather, item: Mapping[str, Json], path: Path, said: Kind) -> None:
    kind = type_of(item)
    for key, value in item.items():
        where = (*path, key)
        if is_unread(key, value):
            continue
        if key in ("content", "output"):
            if isinstance(value, list):
                content_parts(gather, value, where, Channel(field_name(where), kind=said))
            elif isinstance(value, str):
                gather.text(Channel(field_name(where), kind=said), value, where)
            elif isinstance(value, dict) and type_of(value):
                part_text(gather, value, where)
            else:
                gather.other(value, where)
        elif key == "summary" and isinstance(value, list):
            content_parts(gather, value, where, Channel(field_name(where), kind=Kind.REASONING))
        elif key == "arguments" and kind in _CALLS:
            gather.value(Channel(field_name(where), kind=Kind.TOOL, json=True), value, where)
        else:
            gather.other(value, where, Kind.TOOL if key == "input" else Kind.OTHER)
