"""What the wires find in requests: every text that a model reads, in the field where it stands."""

from __future__ import annotations

import base64
import hashlib
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import BadRequest
from proxy.model.record import Json
from proxy.model.text import Edit, Kind, Replacement, Text
from proxy.wire.base import RequestView, Wire
from proxy.wire.registry import wire_for

PNG = base64.b64encode(b"\x89PNG" + bytes(range(256))).decode()


def wire(path: str) -> Wire:
    found = wire_for("POST", path, is_anthropic="messages" in path)
    assert found is not None
    return found


def chat(*messages: Json, **more: Json) -> RequestView:
    return wire("/v1/chat/completions").read_request({"model": "m", "messages": list(messages), **more})


def claude(*messages: Json, **more: Json) -> RequestView:
    return wire("/v1/messages").read_request({"model": "m", "messages": list(messages), **more})


def responses(**more: Json) -> RequestView:
    return wire("/v1/responses").read_request({"model": "m", **more})


def found(view: RequestView) -> list[tuple[str, str]]:
    return [(text.channel.field, text.value) for text in view.texts]


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool", "critic"])
def test_every_role_is_read(role: str) -> None:
    assert found(chat({"role": role, "content": "words"})) == [("messages[0].content", "words")]


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
    assert found(chat(tools=[tool])) == [("tools[0]", "mail\nSends a mail.\nAn address\nto")]
    named: Json = {"name": "mail", "description": "Sends a mail.", "input_schema": {"type": "object"}}
    assert found(claude(tools=[named])) == [("tools[0]", "mail\nSends a mail.")]
    assert found(responses(tools=[named])) == [("tools[0]", "mail\nSends a mail.")]


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
    assert [value for _, value in found(view)] == ["Ab0" * 200]


def test_nesting_is_no_way_to_break_a_wire() -> None:
    deep: Json = "at the bottom"
    for _ in range(900):
        deep = {"a": [deep]}
    assert found(chat(tools=[deep]))[0][1] == "at the bottom"
    raw = '{"messages":[{"content":[{"type":"tool_use","name":"n","input":HERE}]}]}'
    raw = raw.replace("HERE", '{"a":[' * 450 + '"at the bottom"' + "]}" * 450)
    assert edit("/v1/messages", raw, "bottom") == raw.replace("bottom", "<X>")


def test_so_many_texts_are_refused() -> None:
    with pytest.raises(BadRequest, match="more than 100000 texts"):
        chat(*[{"role": "user", "content": "a"}] * 100_001)
    with pytest.raises(BadRequest, match="more than 100000 texts"):
        chat(later=["a"] * 100_001)


def test_listing_wide_and_deep_values_takes_little_memory() -> None:
    deep: Json = ["ab"] * 50_000
    for _ in range(900):
        deep = [deep]
    tracemalloc.start()
    (text,) = chat(later=deep).texts
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(text.value) == 3 * 50_000 - 1
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
        ("messages[0].later", "er"),
        ("prediction", "a guess"),
        ("documents", "T\na document"),
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
    assert [value for _, value in found(view)] == ["my cv.pdf", "a caption", "look"]


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


def test_anthropic_system_and_blocks() -> None:
    view = claude(
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "let me see", "signature": "Eq"},
                {"type": "text", "text": "Sure."},
                {"type": "tool_use", "id": "t", "name": "mail", "input": {"to": "a\u0007@b.c", "n": 41}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": "plain result"},
                {
                    "type": "tool_result",
                    "tool_use_id": "t",
                    "content": [{"type": "text", "text": "nested"}, {"type": "text", "text": " result"}],
                },
                {"type": "text", "text": "and"},
                {"type": "text", "text": " more"},
            ],
        },
        system=[
            {"type": "text", "text": "Be", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": " kind."},
        ],
        metadata={"user_id": "u7"},
    )
    assert found(view) == [
        ("system", "Be kind."),
        ("messages[0].content", "hi"),
        ("messages[1].content[0].thinking", "let me see"),
        ("messages[1].content[2].input", '{"to":"a\\u0007@b.c","n":41}'),
        ("messages[1].content[2].name", "mail"),
        ("messages[1].content", "Sure."),
        ("messages[2].content[0].content", "plain result"),
        ("messages[2].content[1].content", "nested result"),
        ("messages[2].content", "and more"),
    ]
    assert view.user == "u7"
    assert view.texts[2].channel.sealed
    assert view.texts[3].channel.json


def test_anthropic_images_documents_and_the_unknown() -> None:
    blocks: list[Json] = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://cats.example/1.png"}},
        {
            "type": "document",
            "title": "A title",
            "source": {"type": "text", "media_type": "text/plain", "data": "a text"},
        },
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]}},
        {"type": "redacted_thinking", "data": PNG},
        {
            "type": "search_result",
            "title": "found",
            "source": "s",
            "content": [{"type": "text", "text": "hit"}],
        },
        {"type": "hologram", "caption": "a caption"},
    ]
    view = claude({"role": "user", "content": blocks})
    types = [media.type for media in view.media]
    assert types == ["image/png", "image", "redacted_thinking", "unknown:hologram"]
    assert [value for _, value in found(view)] == [
        "a text",
        "A title",
        "inner",
        "hit",
        "found",
        "s",
        "a caption",
    ]


@pytest.mark.parametrize("body", [None, {}, {"messages": {}}, {"messages": [], "stream": "yes"}])
def test_a_body_that_is_no_messages_request(body: Json) -> None:
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        with pytest.raises(BadRequest):
            wire(path).read_request(body)


def test_count_tokens_reads_what_messages_reads() -> None:
    body: Json = {"model": "m", "system": "Be kind.", "messages": [{"role": "user", "content": "hi"}]}
    assert found(wire("/v1/messages/count_tokens").read_request(body)) == found(
        wire("/v1/messages").read_request(body)
    )


def test_responses_input() -> None:
    assert found(responses(input="hello", instructions="Be kind.")) == [
        ("instructions", "Be kind."),
        ("input", "hello"),
    ]
    view = responses(
        input=[
            {"role": "user", "content": "hi"},
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "!"}],
            },
            {"type": "function_call", "call_id": "c", "name": "mail", "arguments": '{"to":"x"}'},
            {"type": "function_call_output", "call_id": "c", "output": "done"},
            {
                "type": "function_call_output",
                "call_id": "c",
                "output": [{"type": "input_text", "text": "parts"}],
            },
            {"type": "custom_tool_call", "call_id": "d", "name": "run", "input": "print()"},
            {
                "type": "reasoning",
                "id": "r",
                "summary": [{"type": "summary_text", "text": "thought"}],
                "encrypted_content": PNG,
            },
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_image", "image_url": "https://c.example/1", "detail": "low"}],
            },
        ]
    )
    assert found(view) == [
        ("input[0].content", "hi"),
        ("input[1].content", "a!"),
        ("input[2].name", "mail"),
        ("input[2].arguments", '{"to":"x"}'),
        ("input[3].output", "done"),
        ("input[4].output", "parts"),
        ("input[5].name", "run"),
        ("input[5].input", "print()"),
        ("input[6].summary", "thought"),
    ]
    assert [media.type for media in view.media] == ["input_image"]


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({}, None),
        ({"previous_response_id": "resp_1"}, "resp_1"),
        ({"conversation": "conv_1"}, "conv_1"),
        ({"conversation": {"id": "conv_2"}}, "conv_2"),
        ({"prompt": {"id": "pmpt_1", "variables": {"name": "Ann"}}}, "pmpt_1"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "msg_1"),
        ({"input": [{"id": "msg_2"}]}, "msg_2"),
    ],
)
def test_what_the_backend_keeps(more: dict[str, Json], kept: str | None) -> None:
    assert responses(**more).conversation == kept


def test_a_stored_prompts_variables_are_read() -> None:
    view = responses(
        prompt={"id": "p", "variables": {"a": "Ann", "b": {"type": "input_text", "text": "Bob"}}}
    )
    assert [value for _, value in found(view)] == ["Ann", "Bob"]


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


# Editing.


def edit(path: str, raw: str, value: str, placeholder: str = "<X>") -> str:
    """The request with the first place of a value, in any text, replaced."""
    found_wire = wire(path)
    edits: list[tuple[Text, Edit]] = []
    for text in found_wire.read_request(json.loads(raw)).texts:
        at = text.value.find(value)
        if at >= 0:
            edits.append((text, Edit((Replacement(at, at + len(value), placeholder),))))
    return found_wire.edit_request(raw.encode(), edits).decode()


def test_an_edit_leaves_every_other_byte() -> None:
    message = '{"content":"I am a@b.c \\u00e9","role":"user"}'
    raw = f'{{ "seed":123456789012345678901234, "messages": [{message}], "t":1.0E0}}'
    assert edit("/v1/chat/completions", raw, "a@b.c") == raw.replace("a@b.c \\u00e9", "<X> é")


def test_a_value_split_over_two_parts_is_replaced_in_both() -> None:
    parts = '[{"type":"text","text":"I am a@"},{"type":"text","text":"b.c!"}]'
    raw = f'{{"messages":[{{"role":"user","content":{parts}}}]}}'
    edited = edit("/v1/chat/completions", raw, "a@b.c")
    assert edited == raw.replace("I am a@", "I am <X>").replace("b.c!", "!")


def test_a_tool_input_is_edited_in_its_leaf() -> None:
    given = '{"big":  123456789012345678901234,"f":1.0E-2,"to":"a@b.c"}'
    use = f'{{"type":"tool_use","id":"t","name":"n","input":{given}}}'
    raw = f'{{"messages":[{{"role":"assistant","content":[{use}]}}]}}'
    assert edit("/v1/messages", raw, "a@b.c") == raw.replace("a@b.c", "<X>")
    assert edit("/v1/messages", raw, "123456789012345678901234", '"<X>"') == raw.replace(
        "123456789012345678901234", '"<X>"'
    )


def test_two_texts_over_the_same_value_both_change_it() -> None:
    found_wire = wire("/v1/chat/completions")
    parts: Json = [{"type": "text", "text": "bad one"}, {"type": "text", "text": "two"}]
    raw = json.dumps({"messages": [{"role": "user", "content": parts}]}).encode()
    joined, apart = found_wire.read_request(json.loads(raw)).texts
    edits = [
        (joined, Edit((Replacement(0, 3, "<A>"),))),
        (apart, Edit((Replacement(0, 5, "<B>"), Replacement(8, 11, "<C>")))),
    ]
    edited = json.loads(found_wire.edit_request(raw, edits))
    assert [part["text"] for part in edited["messages"][0]["content"]] == ["<B>ne", "<C>"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=5), st.data())
def test_an_edit_of_joined_parts_edits_the_joined_text(parts: list[str], data: st.DataObject) -> None:
    body: Any = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": part} for part in parts]}]
    }
    found_wire = wire("/v1/chat/completions")
    text = found_wire.read_request(body).texts[0]
    start = data.draw(st.integers(0, len(text.value) - 1))
    change = Edit((Replacement(start, data.draw(st.integers(start + 1, len(text.value))), "<X>"),))
    edited = json.loads(found_wire.edit_request(json.dumps(body).encode(), [(text, change)]))
    assert "".join(part["text"] for part in edited["messages"][0]["content"]) == change.apply("".join(parts))


def test_rename_changes_the_top_level_model_only() -> None:
    raw = b'{"tools":[{"model":"m"}],"model" : "m","x":{"model":"m"}}'
    renamed = wire("/v1/chat/completions").rename_model(raw, 'a"b')
    assert renamed == b'{"tools":[{"model":"m"}],"model" : "a\\"b","x":{"model":"m"}}'


# The registry.


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1/chat/completions", "openai.chat"),
        ("POST", "/v1/completions", "openai.completions"),
        ("POST", "/v1/responses", "openai.responses"),
        ("GET", "/v1/responses/resp_1", "openai.responses"),
        ("POST", "/v1/embeddings", "openai.embeddings"),
        ("GET", "/v1/models", "openai.models"),
        ("GET", "/v1/models/org/name", "openai.models"),
        ("POST", "/v1/messages", "anthropic.messages"),
        ("POST", "/v1/messages/count_tokens", "anthropic.count_tokens"),
        ("GET", "/v1/chat/completions", None),
        ("POST", "/v1/chat/completions/x", None),
        ("DELETE", "/v1/responses/resp_1", None),
        ("POST", "/v1/responses/resp_1/cancel", None),
        ("GET", "/v1/responses/resp_1/input_items", None),
        ("POST", "/chat/completions", None),
        ("POST", "/v1/messages/batches", None),
        ("POST", "/V1/messages", None),
        ("POST", "/v1//messages", None),
    ],
)
def test_the_wire_of_a_path(method: str, path: str, name: str | None) -> None:
    found_wire = wire_for(method, path, is_anthropic=False)
    assert (found_wire.name if found_wire else None) == name


def test_models_belong_to_the_api_that_the_caller_speaks() -> None:
    for anthropic, name in ((True, "anthropic.models"), (False, "openai.models")):
        found_wire = wire_for("GET", "/v1/models", is_anthropic=anthropic)
        assert found_wire is not None
        assert (found_wire.name, found_wire.api, found_wire.speaks) == (name, name.split(".")[0], False)
