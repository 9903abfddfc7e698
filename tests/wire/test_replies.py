"""Whole replies, and edits of replies: every copy of a text changes with it, all else stays byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UnreadableReply
from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Replacement, Text
from proxy.wire.sse import FrameDecoder
from tests.wire.catalogue import STREAMS, WHOLES
from tests.wire.drive import events_of, reader_of, view_of, wire_of
from tests.wire.samples import Sample, chat_chunk, delta, event, token
from tests.wire.samples_anthropic import SIGNATURE

WHOLE = {sample.name: sample for sample in WHOLES}
STREAM = {sample.name: sample for sample in STREAMS}
NAMED = pytest.mark.parametrize("sample", WHOLES, ids=lambda sample: sample.name)


def texts_of(sample: Sample, body: Json = None) -> tuple[Text, ...]:
    body = json.loads(sample.reply) if body is None else body
    return wire_of(sample).read_reply(body, view_of(sample)).texts


def redact(sample: Sample, secret: str, raw: bytes = b"") -> bytes:
    raw = raw or sample.reply
    wire, body = wire_of(sample), json.loads(raw)
    edits = []
    for text in wire.read_reply(body).texts:
        at = text.value.find(secret)
        if at >= 0 and not text.channel.sealed:
            edits.append((text, Edit((Replacement(at, at + len(secret), "<X>"),))))
    assert edits
    return wire.edit_reply(raw, body, edits)


@NAMED
def test_the_texts_of_a_whole_reply(sample: Sample) -> None:
    assert {text.channel.field: text.value for text in texts_of(sample)} == sample.texts


@NAMED
def test_an_edit_of_nothing_is_the_backends_bytes(sample: Sample) -> None:
    assert wire_of(sample).edit_reply(sample.reply, json.loads(sample.reply), []) == sample.reply


@pytest.mark.parametrize("name", ["chat", "messages", "responses", "completions"])
def test_a_stream_and_a_whole_reply_name_a_text_the_same_way(name: str) -> None:
    """So that a finding is the same however the reply was sent."""
    whole = {text.channel for text in texts_of(WHOLE[name])}
    streamed = {
        piece.channel
        for sample in STREAMS
        if sample.path == WHOLE[name].path
        for read in events_of(reader_of(sample), [sample.reply])
        for piece in read.pieces
    }
    shared = {channel.field for channel in whole} & {channel.field for channel in streamed}
    assert len(shared) >= 1
    for field in shared:
        assert {c for c in whole if c.field == field} <= {c for c in streamed if c.field == field}


def test_a_chat_edit_reaches_the_log_probabilities_and_nothing_else() -> None:
    edited = redact(WHOLE["chat"], "course")
    choice = json.loads(edited)["choices"][0]
    assert choice["message"]["content"] == "Paris — of <X>."
    entries = choice["logprobs"]["content"]
    assert [entry["token"] for entry in entries] == ["Paris", " —", " of", " <X>."]
    assert bytes(entries[3]["bytes"]).decode() == " <X>."
    assert entries[3]["top_logprobs"] == []
    assert b'"seed": 1208925819614629174706176' in edited
    assert b'"ratio": 1.00E-7' in edited
    assert edited.count(b"course") == 0


def test_tokens_that_do_not_add_up_are_judged_and_go_with_an_edit() -> None:
    body: Any = json.loads(WHOLE["chat"].reply)
    body["choices"][0]["logprobs"]["content"][1] = token(" — leak")
    raw = json.dumps(body).encode()
    fields = {text.channel.field: text.value for text in texts_of(WHOLE["chat"], body)}
    assert fields["choices[0].logprobs.content"] == "Paris — leak of course."
    edited = json.loads(redact(WHOLE["chat"], "leak", raw))
    assert edited["choices"][0]["message"]["content"] == "Paris — of course."
    assert edited["choices"][0]["logprobs"]["content"][1]["token"] == " — <X>"
    assert b"leak" not in json.dumps(edited).encode()
    edited = json.loads(redact(WHOLE["chat"], "of", raw))
    assert edited["choices"][0]["logprobs"]["content"] is None


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(max_size=4), min_size=1, max_size=6), st.data())
def test_edited_tokens_repeat_the_edited_text(words: list[str], data: st.DataObject) -> None:
    text = "".join(words)
    at = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    pairs = [(a, b) for a, b in zip(at[::2], at[1::2], strict=False) if a < b]
    edit = Edit(tuple(Replacement(a, b, f"<{a}>") for a, b in pairs))
    entry = delta({"content": text})
    assert isinstance(entry, dict)
    chunk = chat_chunk([{**entry, "logprobs": {"content": [token(word) for word in words]}}])
    (frame,) = FrameDecoder().feed(event(chunk))
    reader = reader_of(STREAM["chat_logprobs"])
    read = reader.read(frame)
    if not text:
        return
    (edited,) = FrameDecoder().feed(reader.edit(read, {0: edit}))
    choice: Any = json.loads(edited.data or b"")["choices"][0]
    assert choice["delta"]["content"] == edit.apply(text)
    assert "".join(one["token"] for one in choice["logprobs"]["content"]) == edit.apply(text)


def test_odd_tokens_of_a_stream_are_pieces_of_their_own() -> None:
    reader = reader_of(STREAM["chat_logprobs"])
    entry = delta({"content": "Hi"})
    assert isinstance(entry, dict)
    odd = chat_chunk([{**entry, "logprobs": {"content": [token("a@"), token("b.c")]}}])
    even = chat_chunk([{**entry, "logprobs": {"content": [token("Hi")]}}])
    (first, second) = FrameDecoder().feed(event(odd) + event(even))
    read = reader.read(first)
    assert [(piece.channel.field, piece.text) for piece in read.pieces] == [
        ("choices[0].message.content", "Hi"),
        ("choices[0].logprobs.content", "a@"),
        ("choices[0].logprobs.content", "b.c"),
        ("choices[0].logprobs.content.top[0]", "a@"),
        ("choices[0].logprobs.content.top[0]", "b.c"),
    ]
    edited = reader.edit(read, {1: Edit((Replacement(0, 2, "<X>"),)), 2: Edit((Replacement(0, 3, ""),))})
    entries = json.loads(edited.removeprefix(b"data: "))["choices"][0]["logprobs"]["content"]
    assert [(one["token"], bytes(one["bytes"])) for one in entries] == [("<X>", b"<X>"), ("", b"")]
    assert [piece.text for piece in reader.read(second).pieces] == ["Hi"] * 3, "from then on all are judged"


def test_legacy_tokens_change_with_their_text() -> None:
    sample = STREAM["completions"]
    reader = reader_of(sample)
    read = next(iter(events_of(reader, [sample.reply])))
    edited = reader.edit(read, {0: Edit((Replacement(1, 3, "<X>"),))})
    choice = json.loads(edited.removeprefix(b"data: "))["choices"][0]
    assert choice["text"] == "O<X>e"
    assert choice["logprobs"]["tokens"] == ["O<X>e"]
    assert choice["logprobs"]["top_logprobs"] == [{}]


def test_every_copy_in_a_responses_stream_is_offered_for_editing() -> None:
    sample = STREAM["responses_logprobs"]
    reader = reader_of(sample)
    out = b""
    for read in events_of(reader, [sample.reply]):
        edits = {
            index: Edit((Replacement(at, at + len("there"), "<X>"),))
            for index, piece in enumerate(read.pieces)
            if (at := piece.text.find("there")) >= 0
        }
        out += reader.edit(read, edits)
        reader.released(read)
    assert sample.reply.count(b"there") > 6
    assert b"there" not in out
    assert out.count(b"<X>") == sample.reply.count(b"there") - 5, "five alternatives went with their tokens"


def test_an_edited_response_is_what_a_block_repeats() -> None:
    sample = STREAM["responses"]
    reader = reader_of(sample)
    for read in events_of(reader, [sample.reply]):
        if read.pieces and read.pieces[0].text == " there!":
            reader.edit(read, {0: Edit((Replacement(1, 6, "<X>"),))})
        if read.pieces and read.pieces[0].text == " How":
            break
        reader.released(read)
    last = reader.interrupt("No.").split(b"data: ")[-1]
    assert json.loads(last)["response"]["output"][0]["content"][0]["text"] == "Hi <X>!No."


def test_a_tool_input_that_is_an_object_is_edited_leaf_by_leaf() -> None:
    edited = redact(WHOLE["messages"], "Paris", WHOLE["messages"].reply)
    assert b'"city": "<X>"' in edited
    assert b'"seed": 1180591620717411303424' in edited
    assert b'"ratio": 1.0E-1' in edited
    body: Any = json.loads(WHOLE["messages"].reply)
    text = next(text for text in texts_of(WHOLE["messages"]) if text.channel.json)
    at = text.value.index("75001")
    edit = Edit((Replacement(at, at + 5, '"<ZIP>"'),))
    edited = wire_of(WHOLE["messages"]).edit_reply(WHOLE["messages"].reply, body, [(text, edit)])
    assert b'"zip": "<ZIP>"' in edited
    assert edited.replace(b'"<ZIP>"', b"75001") == WHOLE["messages"].reply


@pytest.mark.parametrize("name", ["chat", "completions", "messages", "responses"])
@pytest.mark.parametrize("body", [None, [], "x", {}, {"choices": 1, "content": 1, "output": 1}])
def test_a_reply_of_another_shape_is_unreadable(name: str, body: Json) -> None:
    with pytest.raises(UnreadableReply):
        wire_of(WHOLE[name]).read_reply(body)


@pytest.mark.parametrize("name", ["chat", "completions", "messages", "responses"])
def test_an_error_with_a_good_status_is_judged(name: str) -> None:
    view = wire_of(WHOLE[name]).read_reply({"error": {"message": "the model fell over"}})
    assert [(text.channel.field, text.value) for text in view.texts] == [("error", "the model fell over")]


def test_facts_of_whole_replies() -> None:
    def facts(name: str) -> Any:
        return wire_of(WHOLE[name]).read_reply(json.loads(WHOLE[name].reply)).facts

    chat = facts("chat")
    assert (chat.id, chat.model, chat.finish_reason) == ("chatcmpl-B1", "gpt-test-2", "tool_calls")
    assert len(chat.logprobs) == 4
    tool = Channel("choices[0].message.tool_calls[0].function.arguments", 0, *_tool())
    assert (chat.tools[tool].id, chat.tools[tool].name) == ("call_1", "get_weather")
    assert facts("messages").finish_reason == "tool_use"
    assert facts("responses").finish_reason == "completed"
    assert facts("responses").usage["total_tokens"] == 48
    assert len(facts("responses").logprobs) == 2


def _tool() -> tuple[Any, bool]:
    from proxy.model.text import Kind

    return Kind.TOOL, True


@pytest.mark.parametrize("name", ["chat", "completions", "messages", "responses"])
def test_a_reply_is_read_though_it_looks_like_data(name: str) -> None:
    long = "Ab0" * 200
    raw = (
        WHOLE[name]
        .reply.replace(b"Paris \\u2014 of course.", long.encode())
        .replace(b"Once upon", long.encode())
    )
    raw = raw.replace(b"Bonjour \\u2014 Paris.", long.encode()).replace(b"Hi there!", long.encode())
    assert long in [text.value for text in texts_of(WHOLE[name], json.loads(raw))]


def test_an_item_that_is_a_bare_string_is_judged() -> None:
    view = wire_of(WHOLE["responses"]).read_reply({"output": ["bare words"]})
    assert [(text.channel.field, text.value) for text in view.texts] == [("output[0]", "bare words")]


def test_images_of_a_reply_are_media() -> None:
    body: Any = json.loads(WHOLE["responses"].reply)
    body["output"].append(
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": SIGNATURE * 3}
    )
    view = wire_of(WHOLE["responses"]).read_reply(body)
    assert [(media.field, media.bytes) for media in view.media] == [("output[2].result", 387)]
    chat: Any = json.loads(WHOLE["chat"].reply)
    chat["choices"][1]["message"]["audio"] = {"id": "a1", "data": SIGNATURE, "transcript": "Lyon, I said"}
    view = wire_of(WHOLE["chat"]).read_reply(chat)
    assert [(media.type, media.bytes) for media in view.media] == [("audio", 129)]
    assert "Lyon, I said" in [text.value for text in view.texts]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("embeddings", {"data": [{"embedding": "a@b.example"}]}),
        ("embeddings", {"data": [{"embedding": [0.1, "a@b.example"]}]}),
        ("embeddings", {"data": [{"embedding": [0.1], "note": {"x": ["a@b.example"]}}]}),
        ("embeddings", {"data": "a@b.example"}),
        ("embeddings", {"model": "a@b.example"}),
        ("embeddings", {"data": ["a@b.example"]}),
        ("embeddings", {"note": "a@b.example"}),
        ("count_tokens", {"input_tokens": "a@b.example"}),
        ("count_tokens", {"context_management": {"note": ["a@b.example"]}}),
        ("openai_models", {"data": [{"id": "m", "owned_by": "a@b.example"}]}),
        ("openai_models", {"id": "a@b.example", "object": "model"}),
    ],
)
def test_a_wire_that_says_nothing_reads_its_replies_all_the_same(name: str, body: Json) -> None:
    raw = json.dumps(body).encode()
    assert b"a@b.example" not in redact(WHOLE[name], "a@b.example", raw)


def test_vectors_are_not_walked() -> None:
    entries = [
        {"object": "embedding", "embedding": form} for form in ([0.5] * 4000, [[1, 2], [3]], "QUJD" * 900)
    ]
    view = wire_of(WHOLE["embeddings"]).read_reply({"data": entries, "usage": {"total_tokens": 8}})
    assert (view.texts, view.media) == ((), ())
