"""POST /v1/responses and GET /v1/responses/{id}. Source: the OpenAI API reference, and the official client's
types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from proxy import jsonio
from proxy.errors import UnreadableReply
from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Kind, Path, Text, ToolCall
from proxy.wire.base import ReplyView, RequestView
from proxy.wire.common import (
    JsonWire,
    error_reply,
    odd_names,
    openai_user,
    reply_object,
    request_flag,
    request_model,
    request_object,
)
from proxy.wire.edits import value_changes
from proxy.wire.gather import Gather
from proxy.wire.logprobs import with_token_copies
from proxy.wire.openai_responses_output import (
    ECHO_KEYS,
    RESPONSE_KEYS,
    RESPONSE_NAMES,
    Echo,
    channel_of,
    item_data,
    item_texts,
    item_tool,
    part_logprobs,
    response_facts,
    token_copies,
)
from proxy.wire.openai_responses_reduce import reduce_responses
from proxy.wire.openai_responses_request import goes_on_from, kept_elsewhere, request_texts
from proxy.wire.openai_responses_said import message_item, response_object
from proxy.wire.openai_responses_stream import ResponsesReader
from proxy.wire.reduce import Reduction
from proxy.wire.shape import field_name, is_plain, mapping, sequence, string
from proxy.wire.splice import splice

_EMPTY: Mapping[type, bytes] = MappingProxyType({str: b'""', dict: b"{}", list: b"[]"})


class OpenAIResponses(JsonWire):
    """Responses."""

    name = "openai.responses"
    keeps = True

    def read_request(self, body: Json) -> RequestView:
        request = request_object(body)
        gather = Gather()
        request_texts(gather, request)
        return RequestView(
            model=request_model(request),
            stream=request_flag(request, "stream"),
            texts=tuple(gather.texts),
            user=openai_user(request),
            media=tuple(gather.media),
            messages=len(sequence(request.get("input"))) or 1,
            conversation=kept_elsewhere(request),
            previous=goes_on_from(request),
            echo=request,
        )

    def reduced(self, request: Mapping[str, Json], reduction: Reduction) -> Mapping[str, Json]:
        return reduce_responses(request, reduction)

    def read_reply(self, body: Json, request: RequestView | None = None) -> ReplyView:
        reply = reply_object(body)
        output = reply.get("output")
        if not isinstance(output, list):
            error = error_reply(reply)
            if error is None:
                raise UnreadableReply("the reply has no output")
            return error
        gather = Gather()
        tools: dict[Channel, ToolCall] = {}
        for index, item in enumerate(output):
            path: Path = ("output", index)
            for channel, where, leaf in item_texts(item, index):
                gather.string(channel, leaf, (*path, *where))
            for where, leaf in item_data(item):
                gather.data(leaf, (*path, *where), string(mapping(item).get("type")) or "data")
            for where, entries, text in part_logprobs(item):
                gather.logprobs(entries, (*path, *where), field_name((*path, *where)), text)
            tool = item_tool(item)
            if tool is not None:
                for key in ("arguments", "input", "code"):
                    tools[channel_of(index, (key,))] = tool
        gather.names(reply, RESPONSE_NAMES, ())
        gather.rest(reply, RESPONSE_KEYS, ())
        echo = Echo(request)
        for key, value in reply.items():
            if key in ECHO_KEYS and not echo.repeats(key, value):
                for where, leaf in echo.news(key, value):
                    gather.string(Channel(field_name(("echo", *where)), 0, Kind.OTHER), leaf, where)
        gather.members(body, echo.holds)
        return ReplyView(tuple(gather.texts), response_facts(reply, tools), tuple(gather.media))

    def edit_reply(self, raw: bytes, body: Json, edits: Sequence[tuple[Text, Edit]]) -> bytes:
        changes = value_changes(body, edits)
        for text, edit in edits:
            if len(text.spans) == 1 and edit.replacements:
                changes.update(token_copies(body, text.spans[0].path, text.value, edit))
        return splice(raw, with_token_copies(body, changes))

    def block_reply(self, raw: bytes, body: Json, messages: Mapping[int, str]) -> bytes:
        reply = mapping(body)
        id = str(reply.get("id") or "") if is_plain(reply.get("id")) else ""
        changes: dict[Path, bytes | None] = {(key,): None for key in reply if key not in RESPONSE_KEYS}
        changes.update(odd_names(reply, RESPONSE_NAMES))
        changes.update({(key,): _EMPTY.get(type(reply[key]), b"null") for key in _odd_echo(reply)})
        message = "\n".join(dict.fromkeys(messages.values()))
        changes[("output",)] = jsonio.dumps([message_item(id, message)])
        changes[("status",)] = b'"incomplete"'
        changes[("incomplete_details",)] = b'{"reason":"content_filter"}'
        changes[("error",)] = b"null"
        return splice(raw, changes)

    def static_reply(self, request: RequestView, message: str, *, id: str, created: int) -> bytes:
        response = response_object(f"resp_{id}", request.model or "", created)
        return jsonio.dumps(
            {
                **response,
                "status": "incomplete",
                "incomplete_details": {"reason": "content_filter"},
                "output": [message_item(f"resp_{id}", message)],
            }
        )

    def static_stream(self, request: RequestView, message: str, *, id: str, created: int) -> bytes:
        return self.reader(request, id=id, created=created).interrupt(message)

    def reader(self, request: RequestView, *, id: str, created: int) -> ResponsesReader:
        return ResponsesReader(request, id=id, created=created)


def _odd_echo(reply: Mapping[str, Json]) -> list[str]:
    """Where a blocked response might repeat more than its request: the finding may stand there."""
    return [key for key in ECHO_KEYS if not is_plain(reply.get(key))]


class OpenAIResponseById(OpenAIResponses):
    """GET of a response that the backend keeps, whole or as a stream: a reply under the same rules."""

    def read_request(self, body: Json) -> RequestView:
        return RequestView(model=None, stream=False, texts=())

    def edit_request(self, raw: bytes, edits: Sequence[tuple[Text, Edit]]) -> bytes:
        return raw

    def rename_model(self, raw: bytes, model: str) -> bytes:
        return raw

    def reduced(self, request: Mapping[str, Json], reduction: Reduction) -> Mapping[str, Json]:
        return request
