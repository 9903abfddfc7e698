"""What the wires find in requests: every text that a model reads, in the field where it stands."""

from __future__ import annotations

import base64
import hashlib
import json
import tracemalloc
from collections.abc import Iterator

import pytest

from proxy.errors import BadRequest
from proxy.model.record import Json
from proxy.model.text import Kind
from proxy.wire.alternatives import alternatives
from proxy.wire.base import RequestView
from tests.wire.requests import PNG, chat, claude, found, responses, wire


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool"])
def test_every_role_is_read(role: str) -> None:
    assert found(chat({"role": role, "content": "words"})) == [("messages[0].content", "words")]


def test_a_role_of_nobodys_is_a_text_itself() -> None:
    read = found(chat({"role": "critic of a@b.example", "content": "words"}))
    assert ("messages[0].role", "critic of a@b.example") in read


def prompts(view: RequestView) -> list[str]:
    return [text.value for text in view.texts if text.channel.kind is Kind.PROMPT and not text.again]


TWO_PARTS: Json = [{"type": "text", "text": "Be brie"}, {"type": "text", "text": "f."}]


@pytest.mark.parametrize(
    "view",
    [
        chat({"role": "system", "content": TWO_PARTS}, {"role": "user", "content": "Hi"}),
        chat({"role": "user", "content": "Hi"}, {"role": "developer", "content": "Be brief."}),
        claude({"role": "user", "content": "Hi"}, system=TWO_PARTS),
        claude({"role": "user", "content": "Hi"}, system="Be brief."),
        responses(instructions="Be brief.", input="Hi"),
        responses(instructions=[{"role": "user", "content": "Be brief."}], input="Hi"),
        responses(input=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]),
    ],
)
def test_what_the_application_tells_its_model_is_told_apart(view: RequestView) -> None:
    assert prompts(view) == ["Be brief."]


@pytest.mark.parametrize(
    ("view", "messages"),
    [
        (chat({"role": "system", "content": "a"}, {"role": "user", "content": "b"}), 2),
        (claude({"role": "user", "content": "b"}, system="a"), 1),
        (responses(instructions="a", input="b"), 1),
        (
            responses(
                input=[{"role": "user", "content": "a"}, {"type": "function_call_output", "output": "b"}]
            ),
            2,
        ),
    ],
)
def test_the_messages_of_a_context_window_are_counted(view: RequestView, messages: int) -> None:
    assert view.messages == messages


def test_text_parts_of_one_message_are_one_text() -> None:
    view = chat(
        {"role": "user", "content": [{"type": "text", "text": "a@b."}, {"type": "text", "text": ".c"}]}
    )
    (text,) = view.texts
    assert text.value == "a@b..c"
    assert [(span.path, span.start, span.end) for span in text.spans] == [
        (("messages", 0, "content", 0, "text"), 0, 4),
        (("messages", 0, "content", 1, "text"), 4, 6),
    ]


def test_parts_whose_words_would_run_together_are_read_apart_as_well() -> None:
    view = chat(
        {"role": "user", "content": [{"type": "text", "text": "bad word"}, {"type": "text", "text": "s"}]}
    )
    assert [text.value for text in view.texts] == ["bad words", "bad word\ns"]
    assert view.texts[1].spans[1].start == 9


CALL: Json = {"id": "c", "type": "function", "function": {"name": "mail", "arguments": '{"to":"x"}'}}


def test_the_history_of_tools_is_read() -> None:
    view = chat(
        {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "hm, a thought"},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a result"}]},
    )
    assert found(view) == [
        ("messages[0].tool_calls[0].function.name", "mail"),
        ("messages[0].tool_calls[0].function.arguments", '{"to":"x"}'),
        ("messages[0].reasoning_content", "hm, a thought"),
        ("messages[1].function_call.name", "f"),
        ("messages[1].function_call.arguments", "{}"),
        ("messages[2].content", "a result"),
    ]
    arguments = view.texts[1].channel
    assert (arguments.json, arguments.kind) == (True, Kind.TOOL)


def test_a_tools_words_are_one_text() -> None:
    tool: Json = {
        "type": "function",
        "function": {
            "name": "mail",
            "description": "Sends a mail.",
            "parameters": {
                "type": "object",
                "properties": {"to": {"type": "string", "description": "An address"}},
                "required": ["to"],
            },
        },
    }
    for view in (chat(tools=[tool]), claude(tools=[tool]), responses(tools=[tool])):
        assert [(field, json.loads(value)) for field, value in found(view)] == [("tools[0]", tool)]
        assert view.texts[0].channel.json


@pytest.mark.parametrize(
    "view",
    [
        chat({"role": "user", "content": "Ab0" * 200}),
        chat({"role": "user", "content": [{"type": "odd", "text": "Ab0" * 200}]}),
        claude({"role": "user", "content": "Ab0" * 200}),
        responses(input=[{"type": "function_call_output", "output": "Ab0" * 200}]),
    ],
)
def test_a_text_is_read_though_it_looks_like_data(view: RequestView) -> None:
    assert any("Ab0" * 200 in value for _, value in found(view))
    assert not any(media.bytes == 600 for media in view.media)


def test_so_many_texts_are_refused() -> None:
    with pytest.raises(BadRequest, match="more than 100000 texts"):
        chat(*[{"role": "user", "content": "a"}] * 100_001)
    with pytest.raises(BadRequest, match="more than 100000 texts"):
        chat(later=["a"] * 200_002)


def test_listing_wide_and_deep_values_takes_little_memory() -> None:
    deep: Json = ["ab"] * 50_000
    for _ in range(900):
        deep = [deep]
    tracemalloc.start()
    (text,) = chat(later=deep).texts
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert text.value.count("ab") == 50_000
    assert peak < 20 << 20


def test_what_the_wire_does_not_know_is_read_too() -> None:
    view = chat(
        {"role": "user", "content": "x", "name": "Ann", "later": {"deep": ["er"]}},
        prediction={"type": "content", "content": "a guess"},
        documents=[{"title": "T", "text": "a document"}],
        temperature=0.3,
        stop=["END"],
        user="u1",
        metadata={"k": "v"},
    )
    assert found(view)[1:] == [
        ("messages[0].name", "Ann"),
        ("messages[0].later", '{"deep":["er"]}'),
        ("prediction", '{"type":"content","content":"a guess"}'),
        ("documents", '[{"title":"T","text":"a document"}]'),
        ("stop", '["END"]'),
        ("user", "u1"),
        ("metadata", '{"k":"v"}'),
    ]
    assert view.user == "u1"


def test_media_are_hashed_not_read() -> None:
    parts: list[Json] = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://cats.example/1.png"}},
        {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
        {
            "type": "file",
            "file": {"filename": "my cv.pdf", "file_data": f"data:application/pdf;base64,{PNG}"},
        },
        {"type": "hologram", "hologram": {"caption": "a caption", "data": PNG}},
    ]
    view = chat({"role": "user", "content": parts})
    data = base64.b64decode(PNG)
    digest = hashlib.sha256(data).hexdigest()
    url = "https://cats.example/1.png"
    assert [(media.type, media.bytes, media.sha256) for media in view.media[:4]] == [
        ("image/png", len(data), digest),
        ("image_url", len(url), hashlib.sha256(url.encode()).hexdigest()),
        ("input_audio", len(data), digest),
        ("application/pdf", len(data), digest),
    ]
    assert view.media[4].type == "unknown:hologram"
    assert [value for _, value in found(view)] == [
        "my cv.pdf",
        '{"type":"hologram","hologram":{"caption":"a caption","data":""}}',
        "look",
    ]


def test_options_of_a_chat_request() -> None:
    view = chat(stream=True, n=3, stream_options={"include_usage": True})
    assert (view.stream, view.choices, view.usage_chunk, view.model) == (True, 3, True, "m")
    view = chat()
    assert (view.stream, view.choices, view.usage_chunk) == (False, 1, False)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        {"model": "m"},
        {"messages": "x"},
        {"messages": [], "model": 1},
        {"messages": [], "stream": "true"},
        {"messages": [], "stream": 1},
        {"messages": [], "n": 0},
        {"messages": [], "n": 129},
        {"messages": [], "n": True},
        {"messages": [], "n": "2"},
    ],
)
def test_a_body_that_is_no_chat_request(body: Json) -> None:
    with pytest.raises(BadRequest):
        wire("/v1/chat/completions").read_request(body)


@pytest.mark.parametrize(
    ("prompt", "texts", "media", "choices"),
    [
        ("one", [("prompt", "one")], 0, 2),
        (["one", "two"], [("prompt[0]", "one"), ("prompt[1]", "two")], 0, 4),
        ([1, 2, 3], [], 1, 2),
        ([[1, 2], [3]], [], 2, 4),
        (None, [], 0, 2),
    ],
)
def test_legacy_prompts(prompt: Json, texts: list[tuple[str, str]], media: int, choices: int) -> None:
    view = wire("/v1/completions").read_request({"model": "m", "prompt": prompt, "n": 2})
    assert (found(view), len(view.media), view.choices) == (texts, media, choices)


def test_embeddings_input() -> None:
    view = wire("/v1/embeddings").read_request({"model": "m", "input": ["a", "b"], "dimensions": 3})
    assert found(view) == [("input[0]", "a"), ("input[1]", "b")]
    with pytest.raises(BadRequest):
        wire("/v1/embeddings").read_request({"model": "m"})


@pytest.mark.parametrize(
    ("named", "user"),
    [
        ({"user": "u1"}, "u1"),
        ({"safety_identifier": "u2"}, "u2"),
        ({"user": "u1", "safety_identifier": "u2"}, "u1"),
        ({"user": "", "safety_identifier": "u2"}, "u2"),
        ({"user": ["u1"]}, None),
        ({}, None),
    ],
)
def test_a_body_names_its_user_by_either_of_openais_keys(named: dict[str, Json], user: str | None) -> None:
    assert chat({"role": "user", "content": "hi"}, **named).user == user
    assert responses(input="hi", **named).user == user


def test_a_body_full_of_models_to_turn_to_is_refused_before_it_is_read_to_its_end() -> None:
    told: list[int] = []

    class Names(list[Json]):
        def __iter__(self) -> Iterator[Json]:
            for number in range(1_000_000):
                told.append(number)
                yield "m"

    with pytest.raises(BadRequest, match="more than 32"):
        alternatives({"models": Names()})
    assert len(told) == 33
