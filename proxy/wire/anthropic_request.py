"""The texts of a Messages request: system, messages, tool results and tool inputs in the history, tools.

Source: the Anthropic API reference, and the official client's types.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Path
from proxy.wire.gather import Gather, Part, entry_of, kind_of, tools_text, type_of
from proxy.wire.shape import field_name, sequence, string

_TOOL_USES = frozenset(("tool_use", "server_tool_use", "mcp_tool_use"))


def request_texts(gather: Gather, request: Mapping[str, Json]) -> None:
    """Raises BadRequest for an entry of a list that is no message or block."""
    _content(gather, request.get("system"), ("system",), Kind.PROMPT)
    for index, entry in enumerate(sequence(request.get("messages"))):
        path: Path = ("messages", index)
        message = entry_of(entry, path)
        _content(gather, message.get("content"), (*path, "content"), kind_of(message.get("role")))
        gather.others(message, ("content",), path)
    tools_text(gather, request.get("tools"), ("tools",))
    gather.others(request, ("system", "messages", "tools"), (), top=True)
    gather.members(request)


def _content(gather: Gather, content: Json, path: Path, kind: Kind = Kind.TEXT) -> None:
    """A string, or blocks whose texts are one text."""
    if not isinstance(content, list):
        gather.other(content, path, kind)
        return
    parts: list[Part] = []
    for index, entry in enumerate(content):
        where = (*path, index)
        if isinstance(entry, str):
            parts.append((where, entry))
            continue
        block = entry_of(entry, where)
        text = block.get("text")
        if type_of(block) in ("text", "") and isinstance(text, str):
            parts.append(((*where, "text"), text))
            gather.others(block, ("text",), where)
        else:
            _block(gather, block, where)
    gather.joined(Channel(field_name(path), kind=kind), parts)


def _block(gather: Gather, block: Mapping[str, Json], path: Path) -> None:
    kind = type_of(block)
    read: tuple[str, ...] = ("content",)
    if kind in _TOOL_USES:
        where = (*path, "input")
        gather.value(Channel(field_name(where), kind=Kind.TOOL, json=True), block.get("input"), where)
        read = ("input",)
    elif kind in ("tool_result", "mcp_tool_result", "search_result"):
        _content(gather, block.get("content"), (*path, "content"))
    elif kind == "thinking" and isinstance(block.get("thinking"), str):
        where = (*path, "thinking")
        sealed = Channel(field_name(where), kind=Kind.REASONING, sealed=True)
        gather.string(sealed, string(block.get("thinking")) or "", where)
        read = ("thinking",)
    elif kind == "redacted_thinking" and isinstance(block.get("data"), str):
        gather.source(string(block.get("data")) or "", (*path, "data"), kind)
        read = ("data",)
    elif kind in ("image", "document"):
        _source(gather, block.get("source"), kind, (*path, "source"))
        read = ("source",)
    elif kind.endswith("_tool_result"):
        gather.other(block.get("content"), (*path, "content"))
    else:
        gather.unknown(block, path)
        return
    gather.others(block, read, path)


def _source(gather: Gather, source: Json, kind: str, path: Path) -> None:
    """Where an image's or a document's content comes from: bytes, an address, a file, or a text after all."""
    if not isinstance(source, dict):
        gather.other(source, path)
        return
    form = type_of(source)
    read: list[str] = []
    for key in ("data", "url", "file_id"):
        value = source.get(key)
        if not isinstance(value, str):
            continue
        read.append(key)
        if key == "data" and form == "text":
            gather.string(Channel(field_name((*path, key))), value, (*path, key))
        else:
            gather.source(value, (*path, key), string(source.get("media_type")) or kind)
    if form == "content":
        _content(gather, source.get("content"), (*path, "content"))
        read.append("content")
    gather.others(source, tuple(read), path)
