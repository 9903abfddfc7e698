"""A value planted in any place of any sample reply, streamed or whole: no copy of it reaches the client, and what
is a tool call's JSON stays JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.model.level import Action
from proxy.model.record import Json
from proxy.model.text import Edit, Path, Replacement, Text
from proxy.request.judged import JudgedText
from proxy.wire.shape import field_name, sequence
from proxy.wire.sse import FrameDecoder, with_data
from tests.wire.catalogue import STREAMS, WHOLES
from tests.wire.drive import wire_of
from tests.wire.samples import DONE, Sample, chat_chunk, delta, event
from tests.wire.samples_anthropic import block_delta, block_start, block_stop, message_end, message_start
from tests.wire.samples_responses import Events, response
from tests.wire.test_through_the_gate import seeker, through

VALUE = "jane.doe@example.com"
FOUND = r"jane\.doe@example\.com"


def places(value: Json, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, str):
        yield path
    for step, child in value.items() if isinstance(value, dict) else enumerate(sequence(value)):
        yield from places(child, (*path, step))


def planted(body: Any, path: Path, new: Any) -> Any:
    copy = json.loads(json.dumps(body))
    node = copy
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = new
    return copy


def frames_of(raw: bytes) -> list[Any]:
    decoder = FrameDecoder()
    return list(decoder.feed(raw))


def stream_cases() -> Iterator[tuple[str, Sample, int, Path]]:
    for sample in STREAMS:
        for number, frame in enumerate(frames_of(sample.reply)):
            if frame.data and frame.data.startswith(b"{"):
                for place in places(json.loads(frame.data)):
                    yield f"{sample.name}-{number}-{field_name(place)}", sample, number, place


def whole_cases() -> Iterator[tuple[str, Sample, Path]]:
    for sample in WHOLES:
        for place in places(json.loads(sample.reply)):
            yield f"{sample.name}-{field_name(place)}", sample, place


STREAMED = list(stream_cases())
WHOLE = list(whole_cases())


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(child)


def nowhere(raw: bytes) -> bool:
    """The value stands neither in the bytes nor in any string that they mean."""
    documents = (
        [frame.data for frame in frames_of(raw)] if raw.startswith((b"data", b"event", b":")) else [raw]
    )
    bodies = [json.loads(data) for data in documents if data and data != b"[DONE]"]
    texts = [text for body in bodies for text in strings(body)]
    return VALUE.encode() not in raw and not any(VALUE in text for text in texts)


@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK])
@pytest.mark.parametrize("case", STREAMED, ids=[name for name, *_ in STREAMED])
def test_no_copy_in_a_stream(case: tuple[str, Sample, int, Path], action: Action) -> None:
    _, sample, number, place = case
    frames = frames_of(sample.reply)
    body = planted(json.loads(frames[number].data or b""), place, VALUE)
    frames[number] = frames[number]._replace(raw=with_data(frames[number], json.dumps(body).encode()))
    raw = b"".join(frame.raw for frame in frames)
    assert not nowhere(raw)
    assert nowhere(through(sample, [raw], seeker(FOUND, action)))


@pytest.mark.parametrize("case", WHOLE, ids=[name for name, *_ in WHOLE])
def test_no_copy_in_a_whole_reply(case: tuple[str, Sample, Path]) -> None:
    _, sample, place = case
    wire, body = wire_of(sample), planted(json.loads(sample.reply), place, VALUE)
    raw = json.dumps(body).encode()
    view = wire.read_reply(body)
    edits = []
    for text in view.texts:
        at = text.value.find(VALUE)
        if at >= 0:
            edits.append((text, Edit((Replacement(at, at + len(VALUE), "<X>"),))))
    assert edits
    assert nowhere(wire.edit_reply(raw, body, edits))
    if wire.speaks:
        assert nowhere(wire.block_reply(raw, body, {edits[0][0].channel.choice: "No."}))


# Tool calls.

ARGUMENTS = [
    '{"to":"jane.doe@example.com","cc":["x","jane.doe@example.com"]}',
    '{"to":"jane.doe\\u0040example.com"}',
    '{"jane.doe@example.com":{"n":1}}',
    '{"to":"<jane.doe@example.com>\\n\\"hi\\"","n":1.5e3}',
    '"jane.doe@example.com"',
    '[jane.doe@example.com]',
]  # fmt: skip


def chat_call(parts: list[str]) -> bytes:
    head: Json = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "mail", "arguments": ""},
    }
    rows = [delta({"tool_calls": [head]})]
    rows += [delta({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in parts]
    return b"".join(event(chat_chunk([row])) for row in [*rows, delta({}, finish="tool_calls")]) + DONE


def message_call(parts: list[str]) -> bytes:
    head = block_start(0, {"type": "tool_use", "id": "t", "name": "mail", "input": {}})
    deltas = [block_delta(0, {"type": "input_json_delta", "partial_json": part}) for part in parts]
    return message_start() + head + b"".join(deltas) + block_stop(0) + message_end("tool_use")


def response_call(parts: list[str]) -> bytes:
    events = Events()
    item: dict[str, Json] = {
        "id": "fc_1",
        "type": "function_call",
        "call_id": "c",
        "name": "mail",
        "arguments": "",
    }
    events.add("created", {"response": response([], "in_progress")})
    events.add("output_item.added", {"output_index": 0, "item": item})
    events.text("function_call_arguments", {"item_id": "fc_1", "output_index": 0}, parts, "arguments")
    done: Json = {**item, "arguments": "".join(parts)}
    events.add("output_item.done", {"output_index": 0, "item": done})
    events.add("completed", {"response": response([done], "completed")})
    return events.out


def called(raw: bytes) -> list[str]:
    """The arguments that a client puts together, and each copy of them that came whole."""
    grown, copies = "", []
    for frame in frames_of(raw):
        body = json.loads(frame.data) if frame.data and frame.data != b"[DONE]" else {}
        for choice in body.get("choices", ()):
            for call in choice["delta"].get("tool_calls", ()):
                grown += call["function"]["arguments"]
        value = body.get("delta", "")
        grown += value.get("partial_json", "") if isinstance(value, dict) else value
        items = [body, body.get("item") or {}, *(body.get("response") or {}).get("output", ())]
        copies += [item["arguments"] for item in items if item.get("arguments")]
    return [grown, *copies]


@pytest.mark.parametrize("form", [chat_call, message_call, response_call])
@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("size", [1, 5, 100])
def test_redacted_arguments_are_json_all_the_same(form: Any, arguments: str, size: int) -> None:
    sample = {chat_call: STREAMS[2], message_call: STREAMS[9], response_call: STREAMS[11]}[form]
    raw = form([arguments[at : at + size] for at in range(0, len(arguments), size)])
    assert set(called(raw)) == {arguments}
    out = through(sample, [raw], seeker(FOUND, Action.REDACT))
    (said,) = set(called(out))
    assert "<PATTERN>" in said
    assert "jane" not in json.dumps(json.loads(said))


@pytest.mark.parametrize("arguments", ARGUMENTS[:4])
def test_redacted_arguments_of_a_whole_reply_are_json(arguments: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "mail", "arguments": arguments}}
    body: Any = {"choices": [{"index": 0, "message": {"role": "assistant", "tool_calls": [call]}}]}
    sample = next(sample for sample in WHOLES if sample.name == "chat")
    wire = wire_of(sample)
    (text,) = [text for text in wire.read_reply(body).texts if text.channel.json]
    judged = judge(text)
    out = json.loads(wire.edit_reply(json.dumps(body).encode(), body, [(text, judged)]))
    said = out["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    assert "jane" not in json.dumps(json.loads(said))


def judge(text: Text) -> Edit:
    judged = JudgedText(text.channel, lambda _: seeker(FOUND, Action.REDACT)(text.channel))
    judged.read(text.value)
    while judged.work(1000):
        pass
    edit = judged.changes.edit(0, judged.length)
    assert edit is not None
    return edit
