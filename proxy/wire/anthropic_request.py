"""The texts of a Messages request: system, messages, tool results and tool inputs in the history, tools.

Source: the Anthropic API reference, and the official client's types.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Path
from proxy.wire.gather import Gather, Part, kind_of, of_type, tools_text
from proxy.wire.shape import data_at, field_name, mapping, sequence, string

# Keys of a request that no model reads. All others are judged, known or not.
_SETTINGS = frozenset(
    (
        "model", "max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata",
        "service_tier", "thinking", "tool_choice", "container", "cache_control", "anthropic_version", "betas",
        "mcp_servers", "inference_geo", "speed",
    )
)  # fmt: skip
_READ = frozenset(("system", "messages", "tools"))
_TOOL_USES = frozenset(("tool_use", "server_tool_use", "mcp_tool_use"))


def request_texts(gather: Gather, request: Mapping[str, Json]) -> None:
    _content(gather, request.get("system"), ("system",), Kind.PROMPT)
    for index, entry in enumerate(sequence(request.get("messages"))):
        path: Path = ("messages", index)
        message = mapping(entry)
        _content(gather, message.get("content"), (*path, "content"), kind_of(message.get("role")))
        gather.rest(message, frozenset(("role", "content")), path)
    tools_text(gather, request.get("tools"), ("tools",))
    gather.rest(request, _SETTINGS | _READ, ())


def _content(gather: Gather, content: Json, path: Path, kind: Kind = Kind.TEXT) -> None:
    """A string, or blocks whose texts are one text."""
    channel = Channel(field_name(path), kind=kind)
    if isinstance(content, str):
        gather.string(channel, content, path)
        return
    parts: list[Part] = []
    for index, entry in enumerate(sequence(content)):
        where = (*path, index)
        if isinstance(entry, str):
            parts.append((where, entry))
            continue
        block, type = of_type(entry)
        text = block.get("text")
        if type in ("text", "") and isinstance(text, str):
            parts.append(((*where, "text"), text))
            gather.rest(block, frozenset(("type", "text", "cache_control")), where)
        else:
            _block(gather, block, type, where)
    gather.joined(channel, parts)
    if isinstance(content, dict):
        gather.leaves(Channel(field_name(path), kind=Kind.OTHER), content, path)


def _block(gather: Gather, block: Mapping[str, Json], kind: str, path: Path) -> None:
    other = Channel(field_name(path), kind=Kind.OTHER)
    if kind in _TOOL_USES:
        where = (*path, "input")
        channel = Channel(field_name(where), kind=Kind.TOOL, json=True)
        gather.value(channel, block.get("input"), where)
        gather.rest(block, frozenset(("type", "id", "input", "cache_control", "caller")), path)
    elif kind in ("tool_result", "mcp_tool_result"):
        _content(gather, block.get("content"), (*path, "content"))
        gather.rest(block, frozenset(("type", "tool_use_id", "content", "is_error", "cache_control")), path)
    elif kind == "thinking":
        where = (*path, "thinking")
        sealed = Channel(field_name(where), kind=Kind.REASONING, sealed=True)
        gather.string(sealed, string(block.get("thinking")) or "", where)
        gather.rest(block, frozenset(("type", "thinking", "signature")), path)
    elif kind == "redacted_thinking":
        gather.data(string(block.get("data")) or "", (*path, "data"), kind)
    elif kind in ("image", "document"):
        _source(gather, mapping(block.get("source")), kind, (*path, "source"))
        gather.rest(block, frozenset(("type", "source", "cache_control", "citations")), path)
    elif kind == "search_result":
        _content(gather, block.get("content"), (*path, "content"))
        gather.rest(block, frozenset(("type", "content", "cache_control", "citations")), path)
    elif kind.endswith("_tool_result"):
        gather.leaves(other, block.get("content"), (*path, "content"))
    else:
        gather.unknown(block, path, other)


def _source(gather: Gather, source: Mapping[str, Json], kind: str, path: Path) -> None:
    """Where an image's or a document's content comes from: bytes, an address, a file, or a text after all."""
    form = source.get("type")
    if form == "content":
        _content(gather, source.get("content"), (*path, "content"))
        return
    for key, value in source.items():
        where = (*path, key)
        if not isinstance(value, str):
            gather.leaves(Channel(field_name(where), kind=Kind.OTHER), value, where)
        elif key == "data" and form == "text":
            gather.string(Channel(field_name(where)), value, where)
        elif key in ("data", "url", "file_id") or data_at(where, value):
            gather.data(value, where, string(source.get("media_type")) or kind)
