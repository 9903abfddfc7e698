"""What the client of a Responses stream has seen, and the frames that end it in the proxy's own words.

Every event has a sequence number; items and their parts are opened and closed; the last event repeats the
whole response. What the proxy adds must fit all of that, so what was released is kept: linear in the reply.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy import jsonio
from proxy.model.record import Json
from proxy.wire.shape import field_name, integer, mapping, string
from proxy.wire.sse import encode

_LIFECYCLE = frozenset(
    (
        "response.created", "response.in_progress", "response.queued", "response.completed",
        "response.incomplete", "response.failed",
    )
)  # fmt: skip
_GROWING: Mapping[str, tuple[str, str]] = {
    "response.output_text.delta": ("content", "text"),
    "response.reasoning_text.delta": ("content", "text"),
    "response.refusal.delta": ("content", "refusal"),
    "response.reasoning_summary_text.delta": ("summary", "text"),
    "response.function_call_arguments.delta": ("", "arguments"),
    "response.mcp_call_arguments.delta": ("", "arguments"),
    "response.custom_tool_call_input.delta": ("", "input"),
    "response.code_interpreter_call_code.delta": ("", "code"),
}
"""Which text of its item each delta adds to: the list of parts it stands in (none: the item itself), its key."""


class Said:
    """The response as the client has seen it so far."""

    def __init__(self, *, id: str, model: str, created: int) -> None:
        self._response: dict[str, Json] = response_object(f"resp_{id}", model, created)
        self._created = False
        self.ended = False
        self._sequence = -1
        self._items: dict[int, dict[str, Json]] = {}
        self._closed: set[int] = set()
        self._parts: dict[tuple[int, str, int], dict[str, Json]] = {}
        self._open_parts: set[tuple[int, str, int]] = set()
        self._grown: dict[tuple[int, str, int, str], list[str]] = {}

    def saw(self, body: Mapping[str, Json]) -> None:
        """The client gets this event, as it stands here."""
        kind = string(body.get("type")) or ""
        self._created = True  # a stream that was taken up again begins in the middle
        self._sequence = max(self._sequence + 1, integer(body.get("sequence_number"), -1))
        index = integer(body.get("output_index"))
        if kind in _GROWING:
            group, key = _GROWING[kind]
            part = _part_index(body) if group else 0
            delta = string(body.get("delta")) or ""
            self._grown.setdefault((index, group, part, key), []).append(delta)
        elif kind in _LIFECYCLE:
            self._response = dict(mapping(body.get("response")))
            self.ended = kind in ("response.completed", "response.incomplete", "response.failed")
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._items[index] = dict(mapping(body.get("item")))
            if kind.endswith("done"):
                self._closed.add(index)
        elif kind.endswith(("_part.added", "_part.done")):
            group = "summary" if "summary" in kind else "content"
            where = (index, group, _part_index(body))
            self._parts[where] = dict(mapping(body.get("part")))
            (self._open_parts.add if kind.endswith("added") else self._open_parts.discard)(where)
        elif kind == "error":
            self.ended = True

    def delivered(self, index: int, group: str, part: int, key: str) -> str:
        """How much of a text the client has seen."""
        return "".join(self._grown.get((index, group, part, key), ()))

    def delivered_chars(self, field: str) -> int:
        """How many characters of the text at a field (`output[0].content[0].text`) the client has seen."""
        for (index, group, part, key), texts in self._grown.items():
            path = (index, group, part, key) if group else (index, key)
            if field_name(("output", *path)) == field:
                return sum(map(len, texts))
        return 0

    def filtered(self, message: str, before: str = "") -> bytes:
        """Close what is open, say the message in a text part, and end the response as filtered. `before` is
        text of the reply that goes out ahead of the message."""
        out = [self._begin()]
        where = self._open_text()
        others = self._items.keys() - self._closed - ({where[0]} if where is not None else set())
        out.extend([self._close_item(index) for index in sorted(others)])
        if where is None:
            index = max(self._items, default=-1) + 1
            where = (index, "content", 0)
            item: dict[str, Json] = {**message_item(self._id, ""), "status": "in_progress", "content": []}
            out.append(self._event("response.output_item.added", output_index=index, item=item))
            out.append(self._part_event("response.content_part.added", where, part=_text_part("")))
        out.append(self._say(where, before) + self._say(where, message))
        text = self.delivered(*where, "text")
        out.append(self._part_event("response.output_text.done", where, text=text, logprobs=[]))
        out.append(self._part_event("response.content_part.done", where, part=_text_part(text)))
        out.append(self._close_item(where[0]))
        details: Json = {"reason": "content_filter"}
        last = {**self._response, "status": "incomplete", "incomplete_details": details, "error": None}
        out.append(self._event("response.incomplete", response={**last, "output": self._output()}))
        return b"".join(out)

    def failed(self, code: str, message: str) -> bytes:
        """End the response as failed. What was seen of it stays in its output."""
        out = self._begin()
        error: Json = {"code": code, "message": message}
        last = {**self._response, "status": "failed", "error": error, "output": self._output()}
        return out + self._event("response.failed", response=last)

    @property
    def _id(self) -> str:
        return string(self._response.get("id")) or ""

    def _begin(self) -> bytes:
        if self._created:
            return b""
        return self._event("response.created", response=self._response)

    def _open_text(self) -> tuple[int, str, int] | None:
        """The open text part of an open message, if there is one."""
        for where in sorted(self._open_parts, reverse=True):
            open_item = where[0] in self._items and where[0] not in self._closed
            if open_item and where[1] == "content" and self._parts[where].get("type") == "output_text":
                return where
        return None

    def _item(self, index: int) -> dict[str, Json]:
        """An item with all its text as far as it was seen."""
        item = dict(self._items[index])
        if index in self._closed:
            return item
        parts: dict[str, dict[int, dict[str, Json]]] = {}
        for (owner, group, number), part in self._parts.items():
            if owner == index:
                parts.setdefault(group, {})[number] = dict(part)
        for (owner, group, number, key), texts in self._grown.items():
            if owner != index:
                continue
            text = "".join(texts)
            if group:
                parts.setdefault(group, {}).setdefault(number, {})[key] = text
            else:
                item[key] = text
        for group, numbered in parts.items():
            item[group] = [numbered[number] for number in sorted(numbered)]
        if "status" in item:
            item["status"] = "incomplete"
        return item

    def _output(self) -> Json:
        return [self._item(index) for index in sorted(self._items)]

    def _close_item(self, index: int) -> bytes:
        return self._event("response.output_item.done", output_index=index, item=self._item(index))

    def _say(self, where: tuple[int, str, int], text: str) -> bytes:
        if not text:
            return b""
        return self._part_event("response.output_text.delta", where, delta=text, logprobs=[])

    def _part_event(self, kind: str, where: tuple[int, str, int], **values: Json) -> bytes:
        item_id = string(self._items[where[0]].get("id")) or ""
        return self._event(kind, item_id=item_id, output_index=where[0], content_index=where[2], **values)

    def _event(self, kind: str, **values: Json) -> bytes:
        body: dict[str, Json] = {"type": kind, "sequence_number": self._sequence + 1, **values}
        self.saw(body)
        return encode(jsonio.dumps(body), kind)


def response_object(id: str, model: str, created: int) -> dict[str, Json]:
    """A response of the proxy's own, still without output."""
    return {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }


def message_item(response_id: str, message: str) -> dict[str, Json]:
    """A message of the proxy's own as an output item. Its status is that of a reply that was filtered."""
    return {
        "id": f"msg_guardrail_{response_id.removeprefix('resp_')}",
        "type": "message",
        "status": "incomplete",
        "role": "assistant",
        "content": [_text_part(message)],
    }


def _text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _part_index(body: Mapping[str, Json]) -> int:
    key = "summary_index" if "summary_index" in body else "content_index"
    return integer(body.get(key))
