"""POST /v1/chat/completions. Source: the OpenAI API reference, and the official client's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.errors import UnreadableReply
from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Kind, Path, Text, ToolCall
from proxy.wire.base import ReplyFacts, ReplyView, RequestView
from proxy.wire.common import (
    choice_index,
    choice_object,
    error_reply,
    openai_user,
    reply_object,
    request_choices,
    request_flag,
    request_list,
    request_model,
    request_object,
)
from proxy.wire.data import said
from proxy.wire.edits import value_changes
from proxy.wire.gather import Gather
from proxy.wire.logprobs import with_token_copies
from proxy.wire.openai_chat_reduce import reduce_chat
from proxy.wire.openai_chat_stream import PARTS_CHAIN, TEXT_KINDS, ChatReader, is_part_text, logprob_copies
from proxy.wire.openai_choices import CHOICE_KEYS, FRAME_KEYS, FRAME_NAMES
from proxy.wire.openai_choices_wire import ChoicesWire
from proxy.wire.openai_request import messages_text, request_rest
from proxy.wire.reduce import Reduction
from proxy.wire.shape import field_name, is_plain, leaves, mapping, string
from proxy.wire.splice import splice


class OpenAIChat(ChoicesWire):
    """Chat completions."""

    name = "openai.chat"
    object_name = "chat.completion"
    reader_type = ChatReader

    def read_request(self, body: Json) -> RequestView:
        request = request_object(body)
        messages = request_list(request, "messages")
        gather = Gather()
        messages_text(gather, messages)
        request_rest(gather, request, ("messages",))
        options = mapping(request.get("stream_options"))
        return RequestView(
            model=request_model(request),
            stream=request_flag(request, "stream"),
            texts=tuple(gather.texts),
            user=openai_user(request),
            media=tuple(gather.media),
            messages=len(messages),
            choices=request_choices(request),
            usage_chunk=options.get("include_usage") is True,
        )

    def reduced(self, request: Mapping[str, Json], reduction: Reduction) -> Mapping[str, Json]:
        return reduce_chat(request, reduction)

    def read_reply(self, body: Json, request: RequestView | None = None) -> ReplyView:
        reply = reply_object(body)
        choices = reply.get("choices")
        if not isinstance(choices, list):
            error = error_reply(reply)
            if error is None:
                raise UnreadableReply("the reply has no choices")
            return error
        gather = Gather()
        tools: dict[Channel, ToolCall] = {}
        finish, logprobs = None, None
        for position, entry in enumerate(choices):
            choice = choice_object(entry)
            index = choice_index(choice, position)
            path: Path = ("choices", position)
            message = choice.get("message")
            _message(gather, mapping(message), (*path, "message"), index, tools)
            _logprobs(gather, choice, path, index)
            gather.names(choice, ("finish_reason",), path, ("choices", index), index)
            read = CHOICE_KEYS | {"message"} if isinstance(message, dict) else CHOICE_KEYS
            for key in choice.keys() - read:
                named = Channel(field_name(("choices", index, key)), index, Kind.OTHER)
                gather.leaves(named, choice[key], (*path, key))
            if index == 0:
                finish = string(choice.get("finish_reason"))
                logprobs = mapping(choice.get("logprobs")).get("content")
        gather.names(reply, FRAME_NAMES, ())
        gather.rest(reply, FRAME_KEYS, ())
        gather.members(body)
        facts = ReplyFacts(
            string(reply.get("model")),
            string(reply.get("system_fingerprint")),
            string(reply.get("id")),
            finish,
            reply.get("usage"),
            logprobs,
            tools,
        )
        return ReplyView(tuple(gather.texts), facts, tuple(gather.media))

    def edit_reply(self, raw: bytes, body: Json, edits: Sequence[tuple[Text, Edit]]) -> bytes:
        changes = value_changes(body, edits)
        for text, edit in edits:
            if len(text.spans) == 1 and edit.replacements:
                changes.update(logprob_copies(body, text.spans[0].path, text.value, edit))
        return splice(raw, with_token_copies(body, changes))

    def filtered(self, index: int, message: str) -> Json:
        return {
            "index": index,
            "message": {"role": "assistant", "content": message, "refusal": None},
            "logprobs": None,
            "finish_reason": "content_filter",
        }


def _message(
    gather: Gather, message: Mapping[str, Json], path: Path, index: int, tools: dict[Channel, ToolCall]
) -> None:
    name: Path = ("choices", index, "message")
    for key, value in message.items():
        if key == "tool_calls" and isinstance(value, list):
            for position, call in enumerate(value):
                _call(gather, call, (*path, key, position), (*name, key, position), index, tools)
        elif key == "function_call":
            _function(gather, value, (*path, key), (*name, key), index, tools, None)
        elif key != "role" or not is_plain(value):
            for where, leaf in leaves(value, (*path, key)):
                field = field_name((*name, *where[len(path) :]))
                if is_part_text(where[len(path) :]):
                    gather.string(Channel(field, index, chain=PARTS_CHAIN), leaf, where)
                    continue
                kind = TEXT_KINDS.get(key, Kind.OTHER) if isinstance(value, str) else Kind.OTHER
                text = said(where, leaf) if kind is Kind.OTHER else leaf
                if text is None:
                    gather.data(leaf, where, key)
                else:
                    gather.string(Channel(field, index, kind), text, where)


def _call(
    gather: Gather, call: Json, path: Path, name: Path, index: int, tools: dict[Channel, ToolCall]
) -> None:
    if not isinstance(call, dict):
        gather.leaves(Channel(field_name(name), index, Kind.OTHER), call, path)
        return
    for key, child in call.items():
        where, called = (*path, key), (*name, key)
        if key in ("function", "custom"):
            _function(gather, child, where, called, index, tools, call.get("id"))
        elif key not in ("id", "type", "index") or not is_plain(child):
            gather.leaves(Channel(field_name(called), index, Kind.OTHER), child, where)


def _function(
    gather: Gather,
    function: Json,
    path: Path,
    name: Path,
    index: int,
    tools: dict[Channel, ToolCall],
    id: Json,
) -> None:
    if not isinstance(function, dict):
        gather.leaves(Channel(field_name(name), index, Kind.OTHER), function, path)
    for key, value in mapping(function).items():
        field = field_name((*name, key))
        if key in ("arguments", "input"):
            channel = Channel(field, index, Kind.TOOL, json=key == "arguments")
            tools[channel] = ToolCall(string(id), string(mapping(function).get("name")))
            gather.value(channel, value, (*path, key))
        else:
            gather.leaves(Channel(field, index, Kind.OTHER), value, (*path, key))


def _logprobs(gather: Gather, choice: Mapping[str, Json], path: Path, index: int) -> None:
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict):
        gather.leaves(Channel(f"choices[{index}].logprobs", index, Kind.OTHER), logprobs, (*path, "logprobs"))
    for key, value in mapping(logprobs).items():
        text = string(mapping(choice.get("message")).get(key)) or ""
        gather.logprobs(value, (*path, "logprobs", key), f"choices[{index}].logprobs.{key}", text, index)
