"""Requests edited: what is named changes, every other byte stays."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.record import Json
from proxy.model.text import Edit, Replacement, Text
from tests.wire.requests import chat, found, wire


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


def test_nesting_is_no_way_to_break_a_wire() -> None:
    deep: Json = "at the bottom"
    for _ in range(900):
        deep = {"a": [deep]}
    assert found(chat(tools=[deep]))[0][1] == "at the bottom"
    raw = '{"messages":[{"content":[{"type":"tool_use","name":"n","input":HERE}]}]}'
    raw = raw.replace("HERE", '{"a":[' * 450 + '"at the bottom"' + "]}" * 450)
    assert edit("/v1/messages", raw, "bottom") == raw.replace("bottom", "<X>")
