"""The texts of a chat request: messages of every role, their parts, tool calls in the history, tools."""

from __future__ import annotations

from collections.abc import Mapping

from proxy import jsonio
from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Path
from proxy.wire.gather import Gather, Part, kind_of, of_type, tools_text
from proxy.wire.shape import data_at, field_name, mapping, sequence, string

# Keys of a request that no model reads. All others are judged, known or not.
_SETTINGS = frozenset(
    (
        "model", "stream", "stream_options", "n", "temperature", "top_p", "top_k", "min_p", "max_tokens",
        "max_completion_tokens", "presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias",
        "logprobs", "top_logprobs", "seed", "stop", "user", "metadata", "store", "service_tier", "modalities",
        "parallel_tool_calls", "reasoning_effort", "verbosity", "safety_identifier", "prompt_cache_key",
        "prompt_cache_retention", "audio", "best_of", "echo", "encoding_format", "dimensions",
    )
)  # fmt: skip
_MESSAGE_KEYS = frozenset(("role", "content", "tool_calls", "function_call", "tool_call_id"))
_REASONING_KEYS = frozenset(("reasoning_content", "reasoning", "thinking"))
_FLAT_MEDIA = ("input_image", "input_file", "computer_screenshot")
_DATA_KEYS = ("url", "data", "file_data", "file_id", "image_url", "file_url")
_MEDIA_KEYS = ("image_url", "input_audio", "audio_url", "video_url", "file")


def messages_text(gather: Gather, messages: Json) -> None:
    for index, entry in enumerate(sequence(messages)):
        path: Path = ("messages", index)
        if isinstance(entry, dict):
            _message(gather, entry, path)
        else:
            gather.leaves(Channel(field_name(path), kind=Kind.OTHER), entry, path)


def request_rest(gather: Gather, body: Mapping[str, Json], read: frozenset[str]) -> None:
    """Tools, and every other key of a request that a model may read."""
    tools_text(gather, body.get("tools"), ("tools",))
    tools_text(gather, body.get("functions"), ("functions",))
    gather.rest(body, _SETTINGS | read | {"tools", "functions"}, ())


def _message(gather: Gather, message: Mapping[str, Json], path: Path) -> None:
    content = message.get("content")
    where = (*path, "content")
    channel = Channel(field_name(where), kind=kind_of(message.get("role")))
    if isinstance(content, str):
        gather.string(channel, content, where)
    elif isinstance(content, list):
        content_parts(gather, content, where, channel)
    elif content is not None:
        gather.leaves(channel, content, where)
    for index, entry in enumerate(sequence(message.get("tool_calls"))):
        call_text(gather, mapping(entry), (*path, "tool_calls", index))
    if message.get("function_call") is not None:
        function_text(gather, message["function_call"], (*path, "function_call"))
    for key, value in message.items():
        if key in _MESSAGE_KEYS or value is None:
            continue
        where = (*path, key)
        kind = Kind.REASONING if key in _REASONING_KEYS else Kind.OTHER
        gather.leaves(Channel(field_name(where), kind=kind), value, where)


def content_parts(gather: Gather, content: Json, path: Path, channel: Channel) -> None:
    """The parts of one message: its text parts are one text."""
    parts: list[Part] = []
    for index, entry in enumerate(sequence(content)):
        where = (*path, index)
        if isinstance(entry, str):
            parts.append((where, entry))
            continue
        part, kind = of_type(entry)
        text = string(part.get("text"))
        if text is not None and kind in ("", "text", "input_text", "output_text"):
            parts.append(((*where, "text"), text))
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            parts.append(((*where, "refusal"), str(part["refusal"])))
        elif kind in _FLAT_MEDIA:
            _media(gather, {key: value for key, value in part.items() if key != "type"}, where, kind)
        elif kind in _MEDIA_KEYS:
            _media(gather, part.get(kind), (*where, kind), kind)
        else:
            gather.unknown(part, where, Channel(field_name(where), kind=Kind.OTHER))
    gather.joined(channel, parts)


def _media(gather: Gather, value: Json, path: Path, kind: str) -> None:
    """An image, a sound or a file: its bytes or its address as media, its other strings (a file's name) judged."""
    if isinstance(value, str):
        gather.data(value, path, kind)
        return
    for key, child in mapping(value).items():
        where = (*path, key)
        if isinstance(child, str) and (key in _DATA_KEYS or data_at(where, child)):
            gather.data(child, where, kind)
        elif key not in ("detail", "format"):
            gather.leaves(Channel(field_name(where), kind=Kind.OTHER), child, where)


def call_text(gather: Gather, call: Mapping[str, Json], path: Path) -> None:
    """A tool call in the history: function or custom."""
    for key in ("function", "custom"):
        if key in call:
            function_text(gather, call[key], (*path, key))
    for key, value in call.items():
        if key not in ("function", "custom", "id", "type", "index"):
            gather.leaves(Channel(field_name((*path, key)), kind=Kind.OTHER), value, (*path, key))


def function_text(gather: Gather, value: Json, path: Path) -> None:
    function = mapping(value)
    for key, child in function.items():
        where = (*path, key)
        if key == "arguments":
            gather.value(Channel(field_name(where), kind=Kind.TOOL, json=True), child, where)
        elif key == "input" and isinstance(child, str):
            gather.string(Channel(field_name(where), kind=Kind.TOOL), child, where)
        else:
            gather.leaves(Channel(field_name(where), kind=Kind.OTHER), child, where)


def input_texts(gather: Gather, value: Json, path: Path) -> None:
    """An input that is a text, a list of texts, or token ids (alone or in lists): ids are media, since no text
    rule can read them."""
    if isinstance(value, str):
        gather.string(Channel(field_name(path)), value, path)
        return
    entries = sequence(value)
    if entries and all(isinstance(entry, int) for entry in entries):
        gather.data(jsonio.dumps(value).decode(), path, "token_ids")
        return
    for index, entry in enumerate(entries):
        where = (*path, index)
        if isinstance(entry, str):
            gather.string(Channel(field_name(where)), entry, where)
        elif isinstance(entry, list) and all(isinstance(token, int) for token in entry):
            gather.data(jsonio.dumps(entry).decode(), where, "token_ids")
        else:
            gather.leaves(Channel(field_name(where), kind=Kind.OTHER), entry, where)
    if isinstance(value, dict):
        gather.leaves(Channel(field_name(path), kind=Kind.OTHER), value, path)
