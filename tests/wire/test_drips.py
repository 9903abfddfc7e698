"""A value that drips out in small pieces, in places that no official client knows: it never comes together."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from proxy.model.level import Action
from proxy.model.record import Json
from proxy.wire.sse import FrameDecoder
from tests.wire.catalogue import STREAMS
from tests.wire.samples import DONE, Sample, chat_chunk, delta, event, token
from tests.wire.samples_anthropic import block_delta, block_start, block_stop, message_end, message_start
from tests.wire.samples_responses import Events, response
from tests.wire.test_odd_shapes import heard
from tests.wire.test_through_the_gate import seeker, through

SECRET = "tango-whiskey-foxtrot"
STREAM = {sample.name: sample for sample in STREAMS}
Frames = Callable[[list[str]], bytes]


def responses(kind: str, *keys: str | int, **more: Json) -> Frames:
    """An event for each piece, which stands below these keys."""

    def frames(pieces: list[str]) -> bytes:
        events = Events()
        events.add("created", {"response": response([], "in_progress")})
        for piece in pieces:
            events.add(kind, {"output_index": 0, "item_id": "i_1", **more, **nested(piece, keys)})
        events.add("completed", {"response": response([], "completed")})
        return events.out

    return frames


def anthropic(kind: str, *keys: str | int, **more: Json) -> Frames:
    def frames(pieces: list[str]) -> bytes:
        out = message_start() + block_start(0, {"type": "text", "text": ""})
        for piece in pieces:
            out += event({"type": kind, "index": 0, **more, **nested(piece, keys)}, kind)
        return out + block_stop(0) + message_end()

    return frames


def chat(*keys: str | int) -> Frames:
    def frames(pieces: list[str]) -> bytes:
        chunks = [{**chat_chunk([delta({"content": "z"})]), **nested(piece, keys)} for piece in pieces]
        return b"".join(map(event, [*chunks, chat_chunk([delta({}, finish="stop")])])) + DONE

    return frames


def choice(*keys: str | int) -> Frames:
    def frames(pieces: list[str]) -> bytes:
        chunks = [
            chat_chunk([{"index": 0, "finish_reason": None, **nested(piece, keys)}]) for piece in pieces
        ]
        return b"".join(map(event, [*chunks, chat_chunk([delta({}, finish="stop")])])) + DONE

    return frames


def lines(before: bytes, after: bytes = b"\n") -> Frames:
    """A line for each piece, beside a delta's data or on its own."""

    def frames(pieces: list[str]) -> bytes:
        text = event(chat_chunk([delta({"content": "z"})]))
        beside = [before + piece.encode() + after for piece in pieces]
        end = event(chat_chunk([delta({}, finish="stop")])) + DONE
        return b"".join(line if after.endswith(b"\n\n") else line + text for line in beside) + end

    return frames


def nested(value: Json, keys: tuple[str | int, ...]) -> dict[str, Json]:
    for key in reversed(keys):
        value = [value] if isinstance(key, int) else {key: value}
    assert isinstance(value, dict)
    return value


PLACES: list[tuple[str, str, Frames]] = [
    ("audio transcript", "responses", responses("audio.transcript.delta", "delta")),
    ("shell output", "responses", responses("shell_call_output_content.delta", "delta", "stdout", command_index=0)),
    ("code interpreter", "responses", responses("code_interpreter_call.outputs.delta", "delta")),
    ("an event of a later day", "responses", responses("gossip.heard", "note")),
    ("deep in it", "responses", responses("gossip.heard.delta", "a", 0, "b")),
    ("a key of a text's event", "responses", responses("output_text.delta", "note", delta="z", content_index=0)),
    ("a text that is no string", "responses", responses("output_text.delta", "delta", "text", content_index=0)),
    ("a key of an item's event", "responses", responses("output_item.added", "note", item={"type": "message"})),
    ("a key of the response's event", "responses", responses("in_progress", "note")),
    ("an item of another shape", "responses", responses("output_item.added", "item", 0)),
    ("a part of another shape", "responses", responses("content_part.added", "part", content_index=0)),
    ("a response of another shape", "responses", responses("in_progress", "response", 0)),
    ("a delta of a later type", "messages", anthropic("content_block_delta", "delta", "later")),
    ("deep in a delta", "messages", anthropic("content_block_delta", "delta", "later", 0, "x")),
    ("a delta that is none", "messages", anthropic("content_block_delta", "delta")),
    ("a key beside a delta", "messages", anthropic("content_block_delta", "note", delta={"type": "z"})),
    ("an event of a later day", "messages", anthropic("content_block_audio_delta", "audio")),
    ("a ping's", "messages", anthropic("ping", "note")),
    ("a key of a message's delta", "messages", anthropic("message_delta", "delta", "note")),
    ("comments", "chat", lines(b": ", b"\n\n")),
    ("comments beside data", "chat", lines(b": ")),
    ("ids", "chat", lines(b"id: ")),
    ("unknown lines", "chat", lines(b"x-note: ")),
    ("names of events", "chat", lines(b"event: ")),
    ("a key of the frame", "chat", chat("note")),
    ("deep in the frame", "chat", chat("note", 0, "x")),
    ("a key of the choice", "chat", choice("note")),
    ("a key of the delta", "chat", choice("delta", "note")),
    ("deep in the delta", "chat", choice("delta", "note", "x")),
    ("tool calls of another shape", "chat", choice("delta", "tool_calls")),
    ("a tool call that is none", "chat", choice("delta", "tool_calls", 0)),
    ("a function that is none", "chat", choice("delta", "tool_calls", 0, "function")),
    ("a function's list", "chat", choice("delta", "tool_calls", 0, "function", "note", 0)),
    ("log-probabilities of another shape", "chat", choice("logprobs")),
    ("a key of the log-probabilities", "chat", choice("logprobs", "note")),
    ("a bare token", "chat", choice("logprobs", "content", 0)),
    ("a token", "chat", choice("logprobs", "content", 0, "token")),
    ("a key of a token", "chat", choice("logprobs", "content", 0, "note")),
    ("an alternative", "chat", choice("logprobs", "content", 0, "top_logprobs", 0, "token")),
    ("an alternative to a refusal", "chat", choice("logprobs", "refusal", 0, "top_logprobs", 0, "token")),
    ("alternatives of another shape", "chat", choice("logprobs", "content", 0, "top_logprobs", "x")),
    ("a legacy token", "completions", choice("logprobs", "tokens", 0)),
    ("a legacy key", "completions", choice("logprobs", "note")),
    ("a legacy list of another shape", "completions", choice("logprobs", "top_logprobs", 0, 0)),
]  # fmt: skip


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in strings(child)]


def seen(raw: bytes) -> str:
    """Every string that a client gets, in order, with the words of the wire's own between them taken out."""
    out = ""
    for frame in FrameDecoder().feed(raw):
        texts = strings(json.loads(frame.data)) if frame.data and frame.data != b"[DONE]" else []
        beside = [text for _, text in frame.beside]
        out += "".join(text for text in [frame.event or "", *beside, *texts] if text in SECRET)
    return out


@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK])
@pytest.mark.parametrize("size", [1, 4, 8, 30])
@pytest.mark.parametrize(
    ("name", "frames"), [row[1:] for row in PLACES], ids=[f"{w}-{p}" for p, w, _ in PLACES]
)
def test_a_dripped_value_does_not_come_together(name: str, frames: Frames, size: int, action: Action) -> None:
    pieces = [SECRET[at : at + size] for at in range(0, len(SECRET), size)]
    sample: Sample = STREAM[name]
    raw = frames(pieces)
    assert SECRET in seen(raw), "the backend does send it"
    out = through(sample, [raw], seeker(SECRET, action))
    assert SECRET not in seen(out)


@pytest.mark.parametrize(
    ("name", "frames"), [row[1:] for row in PLACES], ids=[f"{w}-{p}" for p, w, _ in PLACES]
)
def test_where_nothing_is_found_the_drips_are_the_backends_bytes(name: str, frames: Frames) -> None:
    raw = frames([SECRET[at : at + 4] for at in range(0, len(SECRET), 4)])
    assert through(STREAM[name], [raw], seeker("absent", Action.REDACT)) == raw


def test_an_unknown_delta_is_held_and_redacted_not_cut_off() -> None:
    """As long as its pieces follow one another."""
    raw = responses("audio.transcript.delta", "delta")(["tango-", "whiskey-", "foxtrot", " and", " so on"])
    out = through(STREAM["responses"], [raw], seeker(SECRET, Action.REDACT))
    deltas = [json.loads(frame.data or b"{}").get("delta") for frame in FrameDecoder().feed(out)]
    assert "".join(text for text in deltas if text) == "<PATTERN> and so on"


def test_interleaved_deltas_of_two_items_are_two_texts() -> None:
    events = Events()
    for index, piece in [(0, "tango-"), (1, "un"), (0, "whiskey"), (1, "related")]:
        events.add("audio.transcript.delta", {"output_index": index, "delta": piece})
    assert heard("responses", events.out).texts == {
        "response.audio.transcript.delta[0].delta": "tango-whiskey",
        "response.audio.transcript.delta[1].delta": "unrelated",
    }


def test_bytes_of_tokens_are_read_as_what_they_spell() -> None:
    frames = []
    for piece in ("tango-", "whiskey-", "foxtrot"):
        odd: Json = {"token": "x", "logprob": 0, "bytes": list(piece.encode()), "top_logprobs": []}
        frames.append(chat_chunk([delta({"content": "z"}, logprobs={"content": [odd]})]))
    raw = b"".join(map(event, [*frames, chat_chunk([delta({}, finish="stop")])])) + DONE
    out = through(STREAM["chat"], [raw], seeker(SECRET, Action.REDACT))
    spelled = b""
    for frame in FrameDecoder().feed(out):
        if frame.data and frame.data != b"[DONE]":
            for one in json.loads(frame.data)["choices"]:
                spelled += b"".join(bytes(e["bytes"]) for e in (one["logprobs"] or {}).get("content", ()))
    assert spelled == b"<PATTERN>"


def test_keys_of_legacy_alternatives_are_read() -> None:
    out = b""
    for piece in ("tango-", "whiskey-", "foxtrot"):
        logprobs: Json = {"tokens": ["x"], "token_logprobs": [0], "top_logprobs": [{piece: -1}]}
        out += event(chat_chunk([{"index": 0, "text": "x", "logprobs": logprobs, "finish_reason": None}]))
    raw = out + event(chat_chunk([{"index": 0, "text": "", "finish_reason": "stop"}])) + DONE
    redacted = through(STREAM["completions"], [raw], seeker(SECRET, Action.REDACT))
    assert b"tango" not in redacted
    assert b"whiskey" not in redacted


@pytest.mark.parametrize("place", ["done", "part", "item", "completed"])
def test_tokens_beside_a_text_that_comes_whole_are_read(place: str) -> None:
    """The deltas had none of them."""
    tokens: list[Json] = [token("tango-"), token("whiskey-"), token("foxtrot")]
    at: dict[str, Json] = {"item_id": "m", "output_index": 0, "content_index": 0}
    part: dict[str, Json] = {"type": "output_text", "text": "x", "annotations": [], "logprobs": tokens}
    item: dict[str, Json] = {"type": "message", "id": "m", "role": "assistant", "content": [part]}
    events = Events()
    if place == "done":
        events.add("output_text.done", {**at, "text": "x", "logprobs": tokens})
    elif place == "part":
        events.add("content_part.done", {**at, "part": part})
    elif place == "item":
        events.add("output_item.done", {"output_index": 0, "item": item})
    events.add("completed", {"response": response([item] if place == "completed" else [], "completed")})
    out = through(STREAM["responses"], [events.out], seeker(SECRET, Action.REDACT))
    for word in (b"tango", b"whiskey", b"foxtrot"):
        assert word not in out


def test_a_block_delta_of_bytes_is_counted_and_what_stands_beside_it_is_read() -> None:
    raw = block_delta(0, {"type": "later_delta", "blob": "Qx9z" * 90, "note": "zebra"})
    assert heard("messages", raw).texts == {"content[0].note": "zebra"}


@pytest.mark.parametrize(
    ("value", "sought"),
    [
        ("4111111111111111", "4111111111111111"),
        ("٤١١١١١١١", "41111111"),  # patterns read digits of every script
        ("1234567890", "1234567890"),
        ("3000 tango", "tango"),
    ],
)
def test_a_retry_line_of_more_than_milliseconds_is_judged(value: str, sought: str) -> None:
    raw = event(chat_chunk([delta({"content": "z"})]))
    plain = b"retry: 3000\n" + raw
    assert through(STREAM["chat"], [plain], seeker("3000", Action.REDACT)) == plain
    out = through(STREAM["chat"], [b"retry: " + value.encode() + b"\n" + raw], seeker(sought, Action.REDACT))
    assert value.encode() not in out
