"""POST /v1/messages and /v1/messages/count_tokens. Source: the Anthropic API reference, and the official
client's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy import jsonio
from proxy.errors import UnreadableReply
from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Kind, Path, Text, ToolCall
from proxy.wire.anthropic_reduce import reduce_messages
from proxy.wire.anthropic_request import request_texts
from proxy.wire.anthropic_said import message_object
from proxy.wire.anthropic_stream import MessagesReader
from proxy.wire.base import ReplyFacts, ReplyView, RequestView
from proxy.wire.common import (
    JsonWire,
    SilentWire,
    anthropic_user,
    error_reply,
    odd_names,
    reply_object,
    request_flag,
    request_list,
    request_model,
    request_object,
)
from proxy.wire.data import is_sealed, said
from proxy.wire.edits import edit_texts
from proxy.wire.gather import Gather
from proxy.wire.reduce import Reduction
from proxy.wire.shape import field_name, is_plain, leaves, mapping, string
from proxy.wire.splice import splice

_REPLY_KEYS = frozenset(
    (
        "id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage", "stop_details",
        "container",
    )
)  # fmt: skip
_REPLY_NAMES = ("id", "type", "role", "model", "stop_reason", "stop_sequence", "usage", "container")
_PASSED_KEYS = frozenset(("type", "id", "tool_use_id", "caller"))


class AnthropicMessages(JsonWire):
    """Messages."""

    name = "anthropic.messages"
    api = "anthropic"

    def read_request(self, body: Json) -> RequestView:
        return _read_request(body)

    def reduced(self, request: Mapping[str, Json], reduction: Reduction) -> Mapping[str, Json]:
        return reduce_messages(request, reduction)

    def read_reply(self, body: Json, request: RequestView | None = None) -> ReplyView:
        reply = reply_object(body)
        content = reply.get("content")
        if not isinstance(content, list):
            error = error_reply(reply)
            if error is None:
                raise UnreadableReply("the reply has no content")
            return error
        gather = Gather()
        tools: dict[Channel, ToolCall] = {}
        for index, entry in enumerate(content):
            if isinstance(entry, dict):
                _reply_block(gather, entry, ("content", index), tools)
            else:
                gather.leaves(Channel(f"content[{index}]", 0, Kind.OTHER), entry, ("content", index))
        gather.names(reply, _REPLY_NAMES, ())
        gather.rest(reply, _REPLY_KEYS, ())
        gather.leaves(Channel("stop_details", 0, Kind.OTHER), reply.get("stop_details"), ("stop_details",))
        gather.members(body)
        facts = ReplyFacts(
            model=string(reply.get("model")),
            id=string(reply.get("id")),
            finish_reason=string(reply.get("stop_reason")),
            usage=reply.get("usage"),
            tools=tools,
        )
        return ReplyView(tuple(gather.texts), facts, tuple(gather.media))

    def edit_reply(self, raw: bytes, body: Json, edits: Sequence[tuple[Text, Edit]]) -> bytes:
        return edit_texts(raw, body, edits)

    def block_reply(self, raw: bytes, body: Json, messages: Mapping[int, str]) -> bytes:
        changes: dict[Path, bytes | None] = {
            (key,): None for key in mapping(body) if key not in _REPLY_KEYS or key == "stop_details"
        }
        changes.update(odd_names(mapping(body), _REPLY_NAMES))
        changes[("content",)] = jsonio.dumps([{"type": "text", "text": _joined(messages)}])
        changes[("stop_reason",)] = b'"refusal"'
        changes[("stop_sequence",)] = b"null"
        return splice(raw, changes)

    def static_reply(self, request: RequestView, message: str, *, id: str, created: int) -> bytes:
        reply = message_object(f"msg_{id}", request.model or "")
        reply["content"] = [{"type": "text", "text": message}]
        reply["stop_reason"] = "refusal"
        return jsonio.dumps(reply)

    def static_stream(self, request: RequestView, message: str, *, id: str, created: int) -> bytes:
        return self.reader(request, id=id, created=created).interrupt(message)

    def reader(self, request: RequestView, *, id: str, created: int) -> MessagesReader:
        return MessagesReader(request, id=id)


class AnthropicCountTokens(SilentWire):
    """Counting a request's tokens: the request is judged as a message's is; the reply is a number."""

    name = "anthropic.count_tokens"
    api = "anthropic"

    def read_request(self, body: Json) -> RequestView:
        return _read_request(body)

    def reduced(self, request: Mapping[str, Json], reduction: Reduction) -> Mapping[str, Json]:
        return reduce_messages(request, reduction, counts=True)


def _read_request(body: Json) -> RequestView:
    request = request_object(body)
    messages = request_list(request, "messages")
    gather = Gather()
    request_texts(gather, request)
    return RequestView(
        model=request_model(request),
        stream=request_flag(request, "stream"),
        texts=tuple(gather.texts),
        user=anthropic_user(request),
        media=tuple(gather.media),
        messages=len(messages),
    )


def _reply_block(
    gather: Gather, block: Mapping[str, Json], path: Path, tools: dict[Channel, ToolCall]
) -> None:
    for key, value in block.items():
        where = (*path, key)
        if (key in _PASSED_KEYS and is_plain(value)) or (key == "signature" and is_sealed(value)):
            continue
        if key == "text" and isinstance(value, str):
            gather.string(Channel(field_name(where), chain="text"), value, where)
        elif key == "thinking" and isinstance(value, str):
            gather.string(Channel(field_name(where), kind=Kind.REASONING, sealed=True), value, where)
        elif key == "input":
            channel = Channel(field_name(where), kind=Kind.TOOL, json=True)
            tools[channel] = ToolCall(string(block.get("id")), string(block.get("name")))
            gather.value(channel, value, where)
        else:
            for leaf_path, leaf in leaves(value, where):
                text = said(leaf_path, leaf)
                if text is None:
                    gather.data(leaf, leaf_path, string(block.get("type")) or "data")
                else:
                    gather.string(Channel(field_name(leaf_path), kind=Kind.OTHER), text, leaf_path)


def _joined(messages: Mapping[int, str]) -> str:
    return "\n".join(dict.fromkeys(messages.values()))
