"""Replies made to measure: any texts in any pieces, as each wire streams them, and the same as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from proxy.model.record import Json
from tests.wire.samples import Sample

Pieces = Sequence[str]


def frame(body: Json, event: str | None = None) -> bytes:
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(body)}\n\n".encode()


def chat(*choices: Pieces, together: bool = False) -> Sample:
    """The pieces of several choices by turns, each in a frame of its own or all of a turn in one."""

    def chunk(*entries: tuple[int, Json, str | None]) -> bytes:
        body: dict[str, Json] = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        listed: list[Json] = [
            {"index": index, "delta": delta, "finish_reason": finish} for index, delta, finish in entries
        ]
        return frame({**body, "choices": listed})

    def turns() -> Iterator[list[tuple[int, Json, str | None]]]:
        yield [(index, {"role": "assistant", "content": ""}, None) for index in range(len(choices))]
        for turn in zip_longest(*choices):
            yield [(index, {"content": piece}, None) for index, piece in enumerate(turn) if piece is not None]
        yield [(index, {}, "stop") for index in range(len(choices))]

    frames: list[bytes] = []
    for entries in turns():
        frames += [chunk(*entries)] if together else [chunk(entry) for entry in entries]
    request: dict[str, Json] = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "n": len(choices),
        "stream": True,
    }
    return Sample("chat", "/v1/chat/completions", request, b"".join(frames) + b"data: [DONE]\n\n")


def reasoned(*turns: tuple[str, str]) -> Sample:
    """A chat reply that reasons and answers by turns."""

    def chunk(delta: Json, finish: str | None = None) -> bytes:
        choice: Json = {"index": 0, "delta": delta, "finish_reason": finish}
        return frame(
            {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        )

    frames = [chunk({"role": "assistant", "content": ""})]
    for reasoning, said in turns:
        frames += [chunk({"reasoning_content": reasoning}), chunk({"content": said})]
    request: dict[str, Json] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    reply = b"".join(frames) + chunk({}, "stop") + b"data: [DONE]\n\n"
    return Sample("reasoned", "/v1/chat/completions", request, reply)


def tool_call(arguments: Pieces) -> Sample:
    """A chat reply that calls a tool with these arguments."""

    def chunk(delta: Json, finish: str | None = None) -> bytes:
        choice: Json = {"index": 0, "delta": delta, "finish_reason": finish}
        return frame(
            {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        )

    call: Json = {"index": 0, "id": "t1", "type": "function", "function": {"name": "send", "arguments": ""}}
    frames = [chunk({"role": "assistant", "tool_calls": [call]})]
    frames += [chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in arguments]
    request: dict[str, Json] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    reply = b"".join(frames) + chunk({}, "tool_calls") + b"data: [DONE]\n\n"
    return Sample("tool_call", "/v1/chat/completions", request, reply)


def messages(*blocks: Pieces, between: Json = None) -> Sample:
    """Text blocks, one behind the other; `between` is another block's start that stands before the last."""

    def event(name: str, **body: Json) -> bytes:
        return frame({"type": name, **body}, name)

    message: Json = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 1},
    }  # fmt: skip
    frames = [event("message_start", message=message)]
    index = 0
    for number, pieces in enumerate(blocks):
        if between is not None and number == len(blocks) - 1:
            frames.append(event("content_block_start", index=index, content_block=between))
            delta: Json = {"type": "input_json_delta", "partial_json": '{"a": 1}'}
            frames.append(event("content_block_delta", index=index, delta=delta))
            frames.append(event("content_block_stop", index=index))
            index += 1
        frames.append(event("content_block_start", index=index, content_block={"type": "text", "text": ""}))
        for piece in pieces:
            delta = {"type": "text_delta", "text": piece}
            frames.append(event("content_block_delta", index=index, delta=delta))
        frames.append(event("content_block_stop", index=index))
        index += 1
    end: Json = {"stop_reason": "end_turn", "stop_sequence": None}
    frames.append(event("message_delta", delta=end, usage={"output_tokens": 9}))
    frames.append(event("message_stop"))
    request: dict[str, Json] = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    }
    return Sample("messages", "/v1/messages", request, b"".join(frames))


def responses(*parts: Pieces) -> Sample:
    """One message whose output texts stand one behind the other."""
    frames: list[bytes] = []

    def event(name: str, **body: Json) -> None:
        frames.append(frame({"type": name, "sequence_number": len(frames), **body}, name))

    texts = ["".join(pieces) for pieces in parts]
    content: list[Json] = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    base: dict[str, Json] = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m"}
    item: dict[str, Json] = {"id": "msg_1", "type": "message", "role": "assistant"}
    done: Json = {**item, "status": "completed", "content": content}
    event("response.created", response={**base, "status": "in_progress", "output": []})
    event("response.output_item.added", output_index=0, item={**item, "status": "in_progress", "content": []})
    for index, pieces in enumerate(parts):
        place: dict[str, Json] = {"item_id": "msg_1", "output_index": 0, "content_index": index}
        empty: Json = {"type": "output_text", "text": "", "annotations": []}
        event("response.content_part.added", **place, part=empty)
        for piece in pieces:
            event("response.output_text.delta", **place, delta=piece, logprobs=[])
        event("response.output_text.done", **place, text=texts[index], logprobs=[])
        event("response.content_part.done", **place, part=content[index])
    event("response.output_item.done", output_index=0, item=done)
    event("response.completed", response={**base, "status": "completed", "output": [done]})
    request: dict[str, Json] = {"model": "m", "input": "hi", "stream": True}
    return Sample("responses", "/v1/responses", request, b"".join(frames))


def whole_messages(*blocks: str) -> bytes:
    content: list[Json] = [{"type": "text", "text": block} for block in blocks]
    return json.dumps(
        {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
            "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 9},
        }
    ).encode()  # fmt: skip
