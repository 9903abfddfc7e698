"""A reply's texts in the shape that the log keeps (INTERFACE section 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from proxy.model.record import Json
from proxy.model.text import Channel, Kind, ToolCall
from proxy.request.judged import JudgedText


def reply_text(
    texts: Iterable[JudgedText], tools: Mapping[Channel, ToolCall], read: Callable[[JudgedText], str]
) -> Json:
    """A string for one choice of plain text; else a list with an entry per choice: index, text, tool_calls, and
    reasoning and refusal where there are any. None where there is no text at all."""
    choices: dict[int, dict[Kind, list[str]]] = {}
    calls: dict[int, list[Json]] = {}
    for text in texts:
        channel = text.channel
        if channel.kind is Kind.OTHER and (
            channel.field.endswith(".name") or channel.field.startswith(("stream.", "echo."))
        ):
            # A tool's name stands with its call; a stream's comments and what claims to repeat the request are no
            # part of the reply.
            continue
        value = read(text)
        if channel.kind is Kind.TOOL:
            call = tools.get(channel, ToolCall(None, None))
            calls.setdefault(channel.choice, []).append(
                {"id": call.id, "name": call.name, "arguments": value}
            )
            choices.setdefault(channel.choice, {})
        elif value:
            choices.setdefault(channel.choice, {}).setdefault(channel.kind, []).append(value)
    if not choices:
        return None
    only = choices.get(0)
    if len(choices) == 1 and only is not None and not calls and only.keys() <= {Kind.TEXT}:
        return "\n".join(only.get(Kind.TEXT, ()))
    return [_entry(index, kinds, calls.get(index)) for index, kinds in sorted(choices.items())]


def with_media(reply: Json, media: Sequence[Json]) -> Json:
    """The same with the bytes of its pictures and sounds, `media` of its first choice: a list of {field, data}."""
    entries = reply if isinstance(reply, list) else ()
    first, *rest = entries or ({"index": 0, "text": reply or ""},)
    assert isinstance(first, dict)
    return [{**first, "media": list(media)}, *rest]


def _entry(index: int, kinds: Mapping[Kind, list[str]], calls: list[Json] | None) -> Json:
    entry: dict[str, Json] = {"index": index, "text": "\n".join(kinds.get(Kind.TEXT, ()))}
    for kind in (Kind.REASONING, Kind.REFUSAL, Kind.OTHER):
        if kind in kinds:
            entry[kind.value] = "\n".join(kinds[kind])
    if calls:
        entry["tool_calls"] = calls
    return entry
