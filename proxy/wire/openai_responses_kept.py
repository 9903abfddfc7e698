"""A conversation that a backend keeps, as the request that would say all of it. Pure.

Source: the OpenAI API reference and its guide to conversation state: with `previous_response_id` the input and the
output of every response before come first, and the instructions of none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from proxy import jsonio
from proxy.model.record import UNJUDGED, Json
from proxy.model.text import Edit, Text
from proxy.wire.credentials import MASK
from proxy.wire.edits import edit_texts
from proxy.wire.gather import Gather
from proxy.wire.openai_responses_request import PREVIOUS, kept_beside, request_texts
from proxy.wire.reduce import call_text, rendered
from proxy.wire.shape import leaves, mapping, sequence, string

_CALLS: Final = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}
_SAYS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
_STAND_IN: Final = re.compile(r"media:.*;bytes=\d+;sha256=")
"""What the log keeps in the place of a picture; see `unloaded`."""


@dataclass(frozen=True, slots=True)
class KeptConversation:
    """What the backend keeps of a conversation, as far as the log has it."""

    items: tuple[Json, ...]
    texts: tuple[Text, ...]  # of the items, to be judged; paths lead into `{"input": items}`
    whole: bool  # all that the backend keeps is known
    sendable: bool  # the items can be sent in its place


def kept_conversation(
    turns: Sequence[tuple[Json, Json]], request: Mapping[str, Json], *, whole: bool, asks: bool = False
) -> KeptConversation:
    """The conversation of these requests and their replies (as the log has them), the oldest first, that `request`
    goes on from; with `asks` the request is the log's too, and its texts are the conversation's last. Raises
    BadRequest for a logged request that is none."""
    items: list[Json] = []
    sendable = True
    asked = [*(mapping(one) for one, _ in turns), request]
    for place, (_, reply) in enumerate(turns):
        whole = whole and kept_beside(asked[place]) is None
        items.extend(_input(asked[place]))
        items.extend(_said(reply, _answered(asked[place + 1])))
    for one in items:
        for _, leaf in leaves(one, ()):
            unknown = UNJUDGED in leaf
            whole = whole and not unknown
            sendable = sendable and not (unknown or MASK in leaf or _STAND_IN.match(leaf))
    open_calls = _unmatched([*items, *_input(request)])
    sendable = sendable and all(kept_beside(one) is None for one in asked[:-1]) and not open_calls
    judged = {**request, "input": [*items, *_input(request)]} if asks else {"input": items}
    return KeptConversation(tuple(items), _texts(judged), whole, sendable)


def explicit(raw: bytes, items: Sequence[Json]) -> bytes:
    """The request with the conversation in it that it goes on from."""
    request = mapping(jsonio.loads_strict(raw))
    after = {key: value for key, value in request.items() if key != PREVIOUS}
    return rendered(raw, request, {**after, "input": [*items, *_input(request)]})


def edited(kept: KeptConversation, edits: Sequence[tuple[Text, Edit]]) -> tuple[Json, ...]:
    """The items with their texts edited."""
    body: Json = {"input": list(kept.items)}
    changed = mapping(jsonio.loads(edit_texts(jsonio.dumps(body), body, edits)))
    return tuple(sequence(changed.get("input")))


def _input(request: Mapping[str, Json]) -> Sequence[Json]:
    given = request.get("input")
    return [{"role": "user", "content": given}] if isinstance(given, str) else sequence(given)


def _answered(request: Mapping[str, Json]) -> Mapping[str, str]:
    """The calls whose results a request brings, with what kind of call each was."""
    outputs = [mapping(item) for item in _input(request)]
    return {
        str(item.get("call_id")): _CALLS[kind]
        for item in outputs
        if (kind := string(item.get("type")) or "") in _CALLS
    }


def _said(reply: Json, answered: Mapping[str, str]) -> Iterator[Json]:
    """A reply as the log has it, as items: a call whose result comes next is one, any other is told in words."""
    entries: Sequence[Json] = [{"text": reply}] if isinstance(reply, str) else sequence(reply)
    for entry in map(mapping, entries):
        words = [string(entry.get(key)) or "" for key in ("text", "refusal")]
        calls: list[Json] = []
        for call in map(mapping, sequence(entry.get("tool_calls"))):
            kind = answered.get(str(call.get("id")))
            if kind is None:
                words.append(call_text(call.get("name"), call.get("arguments")))
                continue
            named: dict[str, Json] = {"type": kind, "call_id": call.get("id"), "name": call.get("name")}
            calls.append({**named, _SAYS[kind]: call.get("arguments")})
        said = "\n".join(word for word in words if word)
        if said:
            yield {"role": "assistant", "content": said}
        yield from calls


def _unmatched(items: Sequence[Json]) -> bool:
    """Whether a result stands there without its call."""
    called: set[str] = set()
    for item in map(mapping, items):
        kind = string(item.get("type")) or ""
        id = str(item.get("call_id", item.get("approval_request_id", item.get("id"))))
        if kind.endswith(("_call", "_request")):
            called.update((id, str(item.get("id"))))
        elif kind.endswith(("_output", "_response")) and id not in called:
            return True
    return False


def _texts(body: Mapping[str, Json]) -> tuple[Text, ...]:
    gather = Gather()
    request_texts(gather, body)
    return tuple(
        replace(text, channel=replace(text.channel, field=f"conversation.{text.channel.field}"))
        for text in gather.texts
    )
