"""Replies of the Responses API, in the shapes that the real backend sends."""

from __future__ import annotations

import json
from collections.abc import Mapping

from proxy.model.record import Json
from tests.wire.samples import event, token


def responses_request(**more: Json) -> dict[str, Json]:
    return {"model": "gpt-test", "input": "Hello?", "instructions": "You are kind.", **more}


def response(output: list[Json], status: str, **more: Json) -> dict[str, Json]:
    return {
        "id": "resp_67c9fdcecf488190",
        "object": "response",
        "created_at": 1741290958,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": "You are kind.",
        "max_output_tokens": None,
        "model": "gpt-test-2",
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
        **more,
    }


def message(text: str, status: str = "completed", logprobs: Json = None, id: str = "msg_1") -> Json:
    part: Json = {"type": "output_text", "annotations": [], "logprobs": logprobs or [], "text": text}
    return {
        "id": id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [part] if status == "completed" else [],
    }


class Events:
    """Writes events with their names and sequence numbers."""

    def __init__(self) -> None:
        self.out = b""
        self._next = 0

    def add(self, kind: str, values: Mapping[str, Json]) -> None:
        self.out += event(
            {"type": f"response.{kind}", "sequence_number": self._next, **values}, f"response.{kind}"
        )
        self._next += 1

    def text(self, kind: str, place: Mapping[str, Json], words: list[str], done: str, **more: Json) -> None:
        for word in words:
            self.add(f"{kind}.delta", {**place, "delta": word, **more})
        self.add(f"{kind}.done", {**place, done: "".join(words), **more})

    def message(self, index: int, words: list[str], *, logprobs: bool = False) -> Json:
        """A message item of one part, with all its events; returns the finished item."""
        text = "".join(words)
        id = f"msg_{index}"
        entries: list[Json] = [token(word) for word in words] if logprobs else []
        item = message(text, logprobs=entries, id=id)
        at: dict[str, Json] = {"item_id": id, "output_index": index, "content_index": 0}
        part: dict[str, Json] = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        self.add("output_item.added", {"output_index": index, "item": message("", "in_progress", id=id)})
        self.add("content_part.added", {**at, "part": part})
        for number, word in enumerate(words):
            self.add("output_text.delta", {**at, "delta": word, "logprobs": entries[number : number + 1]})
        self.add("output_text.done", {**at, "text": text, "logprobs": entries})
        self.add("content_part.done", {**at, "part": {**part, "text": text, "logprobs": entries}})
        self.add("output_item.done", {"output_index": index, "item": item})
        return item


def _started() -> Events:
    events = Events()
    events.add("created", {"response": response([], "in_progress")})
    events.add("in_progress", {"response": response([], "in_progress")})
    return events


USAGE: Json = {
    "input_tokens": 37,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 11,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 48,
}


def responses_stream(*, logprobs: bool = False) -> bytes:
    """One message."""
    events = _started()
    item = events.message(0, ["Hi", " there!", " How", " can I", " help?"], logprobs=logprobs)
    events.add("completed", {"response": response([item], "completed", usage=USAGE)})
    return events.out


def responses_tools() -> bytes:
    """Reasoning with a summary, a function call, a custom tool call, then a message; an unknown event between."""
    events = _started()
    at: dict[str, Json] = {"item_id": "rs_1", "output_index": 0}
    bare: dict[str, Json] = {"id": "rs_1", "type": "reasoning", "summary": []}
    events.add("output_item.added", {"output_index": 0, "item": bare})
    summary: dict[str, Json] = {**at, "summary_index": 0}
    part: dict[str, Json] = {"type": "summary_text", "text": ""}
    events.add("reasoning_summary_part.added", {**summary, "part": part})
    events.text("reasoning_summary_text", summary, ["Looking", " it up"], "text")
    said: Json = {"type": "summary_text", "text": "Looking it up"}
    events.add("reasoning_summary_part.done", {**summary, "part": said})
    reasoning: Json = {**bare, "summary": [said], "encrypted_content": "gAAAA" + "Bx0y" * 80}
    events.add("output_item.done", {"output_index": 0, "item": reasoning})

    call: dict[str, Json] = {
        "id": "fc_1",
        "type": "function_call",
        "status": "in_progress",
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": "",
    }
    events.add("output_item.added", {"output_index": 1, "item": call})
    place: dict[str, Json] = {"item_id": "fc_1", "output_index": 1}
    events.text("function_call_arguments", place, ['{"city":', '"Par', 'is"}'], "arguments")
    called: Json = {**call, "status": "completed", "arguments": '{"city":"Paris"}'}
    events.add("output_item.done", {"output_index": 1, "item": called})
    events.add("gossip.heard", {"note": "something that came later"})

    custom: dict[str, Json] = {
        "id": "ctc_1",
        "type": "custom_tool_call",
        "status": "in_progress",
        "call_id": "call_2",
        "name": "run_code",
        "input": "",
    }
    events.add("output_item.added", {"output_index": 2, "item": custom})
    at2: dict[str, Json] = {"item_id": "ctc_1", "output_index": 2}
    events.text("custom_tool_call_input", at2, ["print(", "1)"], "input")
    ran: Json = {**custom, "status": "completed", "input": "print(1)"}
    events.add("output_item.done", {"output_index": 2, "item": ran})
    item = events.message(3, ["It", " rains."])
    events.add("completed", {"response": response([reasoning, called, ran, item], "completed", usage=USAGE)})
    return events.out


def responses_refusal() -> bytes:
    events = _started()
    at: dict[str, Json] = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
    events.add("output_item.added", {"output_index": 0, "item": message("", "in_progress", id="msg_0")})
    events.add("content_part.added", {**at, "part": {"type": "refusal", "refusal": ""}})
    events.text("refusal", at, ["I can't", " help."], "refusal")
    part: Json = {"type": "refusal", "refusal": "I can't help."}
    events.add("content_part.done", {**at, "part": part})
    item: Json = {
        "id": "msg_0",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
    events.add("output_item.done", {"output_index": 0, "item": item})
    events.add("completed", {"response": response([item], "completed", usage=USAGE)})
    return events.out


def responses_whole() -> bytes:
    """A message with log-probabilities and a function call."""
    words = ["Hi", " there!"]
    call: Json = {
        "id": "fc_1",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": '{"city":"Paris"}',
    }
    entries: Json = [token(word) for word in words]
    body = response([message("Hi there!", logprobs=entries), call], "completed", usage=USAGE)
    return json.dumps(body, indent=2).encode()
