"""The texts of a chat request: messages of every role, their parts, tool calls in the history, tools."""

from __future__ import annotations

from collections.abc import Mapping

from proxy import jsonio
from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Path
from proxy.wire.gather import Gather, Part, entry_of, kind_of, tools_text, type_of
from proxy.wire.shape import field_name, sequence, string
from proxy.wire.unread import is_seed, is_unread

_REASONING_KEYS = frozenset(("reasoning_content", "reasoning", "thinking"))
_TEXT_PARTS = ("", "text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text")
_FLAT_MEDIA = ("input_image", "input_file", "computer_screenshot")
_DATA_KEYS = ("url", "data", "file_data", "file_id", "image_url", "file_url")
_MEDIA_KEYS = ("image_url", "input_audio", "audio_url", "video_url", "file")


def messages_text(gather: Gather, messages: Json) -> None:
    for index, entry in enumerate(sequence(messages)):
        path: Path = ("messages", index)
        _message(gather, entry_of(entry, path), path)


def request_rest(gather: Gather, body: Mapping[str, Json], read: tuple[str, ...]) -> None:
    """Tools, and every other key of a request that a model may read."""
    tools_text(gather, body.get("tools"), ("tools",))
    tools_text(gather, body.get("functions"), ("functions",))
    gather.others(body, (*read, "tools", "functions"), (), top=True)
    gather.members(body, is_seed)


def _message(gather: Gather, message: Mapping[str, Json], path: Path) -> None:
    content = message.get("content")
    where = (*path, "content")
    kind = kind_of(message.get("role"))
    if isinstance(content, list):
        content_parts(gather, content, where, Channel(field_name(where), kind=kind))
    elif isinstance(content, str):
        gather.text(Channel(field_name(where), kind=kind), content, where)
    else:
        gather.other(content, where, kind)
    for key, value in message.items():
        if key == "content" or is_unread(key, value):
            continue
        where = (*path, key)
        if key == "tool_calls" and isinstance(value, list):
            for index, entry in enumerate(value):
                call_text(gather, entry_of(entry, (*where, index)), (*where, index))
        elif key == "function_call":
            function_text(gather, value, where)
        else:
            gather.other(value, where, Kind.REASONING if key in _REASONING_KEYS else Kind.OTHER)


def content_parts(gather: Gather, content: Json, path: Path, channel: Channel) -> None:
    """The parts of one message: its text parts are one text. Raises BadRequest for an entry that is no part."""
    parts: list[Part] = []
    for index, entry in enumerate(sequence(content)):
        where = (*path, index)
        if isinstance(entry, str):
            parts.append((where, entry))
            continue
        part = entry_of(entry, where)
        kind = type_of(part)
        key = "refusal" if kind == "refusal" else "text"
        text = string(part.get(key))
        if text is not None and kind in _TEXT_PARTS:
            parts.append(((*where, key), text))
            gather.others(part, (key,), where)
        else:
            part_text(gather, part, where)
    gather.joined(channel, parts)


def part_text(gather: Gather, part: Mapping[str, Json], path: Path) -> None:
    """A part that is read by itself: a picture, a sound, a file, or one of a type that the wire does not know."""
    kind = type_of(part)
    if kind in _FLAT_MEDIA:
        _media(gather, part, path, kind)
    elif kind in _MEDIA_KEYS:
        _media(gather, part.get(kind), (*path, kind), kind)
        gather.others(part, (kind,), path)
    elif kind in _TEXT_PARTS:
        gather.others(part, (), path)
    else:
        gather.unknown(part, path)


def _media(gather: Gather, value: Json, path: Path, kind: str) -> None:
    """An image, a sound or a file: its bytes or its address as media, its other strings (a file's name) judged."""
    if isinstance(value, str):
        gather.source(value, path, kind)
    elif isinstance(value, dict):
        for key, child in value.items():
            if isinstance(child, str) and key in _DATA_KEYS:
                gather.source(child, (*path, key), kind)
        gather.others(value, _DATA_KEYS, path)
    else:
        gather.other(value, path)


def call_text(gather: Gather, call: Mapping[str, Json], path: Path) -> None:
    """A tool call in the history: function or custom."""
    for key in ("function", "custom"):
        function_text(gather, call.get(key), (*path, key))
    gather.others(call, ("function", "custom"), path)


def function_text(gather: Gather, function: Json, path: Path) -> None:
    if not isinstance(function, dict):
        gather.other(function, path)
        return
    for key, child in function.items():
        where = (*path, key)
        if key == "arguments":
            gather.value(Channel(field_name(where), kind=Kind.TOOL, json=True), child, where)
        elif key == "input":
            gather.other(child, where, Kind.TOOL)
        else:
            gather.other(child, where)


def input_texts(gather: Gather, value: Json, path: Path) -> None:
    """An input that is a text, a list of texts, or token ids (alone or in lists): ids are media, since no text
    rule can read them."""
    if isinstance(value, str):
        gather.text(Channel(field_name(path)), value, path)
        return
    entries = sequence(value)
    if entries and all(isinstance(entry, int) for entry in entries):
        gather.data(jsonio.dumps(value).decode(), path, "token_ids")
        return
    for index, entry in enumerate(entries):
        where = (*path, index)
        if isinstance(entry, str):
            gather.text(Channel(field_name(where)), entry, where)
        elif isinstance(entry, list) and all(isinstance(token, int) for token in entry):
            gather.data(jsonio.dumps(entry).decode(), where, "token_ids")
        else:
            gather.other(entry, where)
    if isinstance(value, dict):
        gather.other(value, path)
