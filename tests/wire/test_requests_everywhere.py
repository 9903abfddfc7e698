"""A value planted in any string or key of a request is judged and can be taken out again, or stands in a place that
`proxy/wire/unread.py` names."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.model.record import Json
from proxy.model.text import Edit, Path, Replacement, Text
from proxy.wire.shape import at, field_name
from tests.wire.requests import PNG, wire
from tests.wire.samples_requests import BODIES
from tests.wire.test_every_place import below

VALUE = "jane.doe@example.com"


def places(value: Json, path: Path = ()) -> Iterator[Path]:
    """Every string of a body."""
    if isinstance(value, str):
        yield path
    for step, child in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    ):
        yield from places(child, (*path, step))


def planted(body: Json, path: Path, new: Any) -> Any:
    copy = json.loads(json.dumps(body))
    node = copy
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = new
    return copy


def renamed(value: Json, path: Path, new: str) -> Any:
    """The body with the key at the path's end become another."""
    copy = json.loads(json.dumps(value))
    node = copy
    for step in path[:-1]:
        node = node[step]
    items = [(new if key == path[-1] else key, child) for key, child in node.items()]
    node.clear()
    node.update(items)
    return copy


def redacted(path: str, body: Any, value: str = VALUE) -> bytes:
    """The request with every place of the value that is judged taken out."""
    raw = json.dumps(body).encode()
    edits: list[tuple[Text, Edit]] = []
    for text in wire(path).read_request(body).texts:
        at = text.value.find(value)
        if at >= 0:
            edits.append((text, Edit((Replacement(at, at + len(value), "<X>"),))))
    return wire(path).edit_request(raw, edits)


PLACES = [(path, place) for path, body in BODIES.items() for place in places(body)]


@pytest.mark.parametrize(("path", "place"), PLACES, ids=[f"{p}:{field_name(place)}" for p, place in PLACES])
def test_a_value_is_found_wherever_it_stands(path: str, place: Path) -> None:
    out = redacted(path, planted(BODIES[path], place, VALUE))
    if place == ("model",):
        assert VALUE.encode() in out, "a model's name is looked up, and read by none"
        return
    assert VALUE.encode() not in out
    assert json.loads(out) == planted(BODIES[path], place, "<X>")


KEYS = [
    ("/v1/chat/completions", ("tools", 0, "function", "parameters", "properties", "to")),
    ("/v1/chat/completions", ("response_format", "json_schema", "schema", "properties", "kind")),
    ("/v1/chat/completions", ("functions", 0, "parameters", "properties", "to")),
    ("/v1/chat/completions", ("metadata", "team")),
    ("/v1/chat/completions", ("messages", 1, "content", 5, "hologram", "caption")),
    ("/v1/messages", ("tools", 0, "input_schema", "properties", "to")),
    ("/v1/messages", ("messages", 1, "content", 2, "input", "to")),
    ("/v1/responses", ("tools", 0, "parameters", "properties", "to")),
    ("/v1/responses", ("text", "format", "schema", "properties", "to")),
]


@pytest.mark.parametrize(("path", "place"), KEYS, ids=[f"{p}:{field_name(place)}" for p, place in KEYS])
def test_a_key_that_a_model_reads_is_judged_too(path: str, place: Path) -> None:
    out = redacted(path, renamed(BODIES[path], place, VALUE))
    assert json.loads(out) == renamed(BODIES[path], place, "<X>")


def test_a_key_taken_out_leaves_the_credentials_and_the_data_beside_it() -> None:
    tool: Json = {
        "type": "mcp",
        "authorization": "s3cr3t",
        VALUE: "x",
        "icon": f"data:image/png;base64,{PNG}",
    }
    (out,) = json.loads(redacted("/v1/responses", {"tools": [tool]}))["tools"]
    assert out == renamed(tool, (VALUE,), "<X>")


SHAPES: list[tuple[str, Json]] = [
    ("/v1/chat/completions", {"tools": {"a": {"description": VALUE}}}),
    ("/v1/chat/completions", {"tools": VALUE}),
    ("/v1/chat/completions", {"tools": [[VALUE]]}),
    ("/v1/chat/completions", {"tool_choice": VALUE}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": {"parts": [VALUE]}}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "tool_calls": VALUE}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "tool_calls": [{"function": VALUE}]}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "function_call": [VALUE]}]}),
    ("/v1/chat/completions", {"messages": [{"role": ["x", VALUE], "content": "x"}]}),
    ("/v1/chat/completions", {"messages": [{"content": [{"type": "image_url", "image_url": [VALUE]}]}]}),
    ("/v1/chat/completions", {"messages": [{"content": [{"type": "text", "text": [VALUE]}]}]}),
    ("/v1/messages", {"system": {"text": VALUE}}),
    ("/v1/messages", {"messages": [{"content": [{"type": "image", "source": VALUE}]}]}),
    ("/v1/messages", {"messages": [{"content": [{"type": "tool_result", "content": {"x": VALUE}}]}]}),
    ("/v1/messages", {"messages": [{"content": [{"type": "thinking", "thinking": [VALUE]}]}]}),
    ("/v1/responses", {"prompt": VALUE}),
    ("/v1/responses", {"prompt": {"variables": [VALUE]}}),
    ("/v1/responses", {"input": {"content": VALUE}}),
    ("/v1/responses", {"input": [{"content": {"type": "input_text", "text": VALUE}}]}),
    ("/v1/embeddings", {"input": {"a": [[VALUE]]}}),
    ("/v1/completions", {"prompt": [[VALUE]]}),
]


@pytest.mark.parametrize(("path", "body"), SHAPES)
def test_a_value_in_an_odd_shape_is_found(path: str, body: Any) -> None:
    body = {"messages": [], **body}
    assert VALUE.encode() not in redacted(path, body)


@pytest.mark.parametrize(
    "head", ["data:,", "data:text/plain,", "data:text/plain;base64,", "data:;base64,", ""]
)
def test_a_text_that_comes_as_data_is_judged_and_is_data_again(head: str) -> None:
    text = f"mail {VALUE} now"
    data = head + (
        text if head.endswith("n,") or head == "data:," else base64.b64encode(text.encode()).decode()
    )
    part = {"type": "file", "file": {"filename": "a.txt", "file_data": data}}
    out = json.loads(redacted("/v1/chat/completions", {"messages": [{"content": [part]}]}))
    sent = out["messages"][0]["content"][0]["file"]["file_data"]
    assert sent.startswith(head)
    rest = sent[len(head) :]
    assert rest == "mail%20%3CX%3E%20now" or base64.b64decode(rest) == b"mail <X> now"


PACKED = [
    ("/v1/chat/completions", ("messages", 0, "content")),
    ("/v1/chat/completions", ("messages", 0, "content", 0, "text")),
    ("/v1/completions", ("prompt",)),
    ("/v1/completions", ("prompt", 0)),
    ("/v1/messages", ("system",)),
    ("/v1/messages", ("messages", 0, "content", 0, "text")),
    ("/v1/messages", ("messages", 0, "content", 0, "content")),
    ("/v1/responses", ("input",)),
    ("/v1/responses", ("input", 0, "output")),
    ("/v1/responses", ("input", 0, "content", 0, "text")),
]  # fmt: skip


@pytest.mark.parametrize("head", ["data:;base64,", "data:text/plain;base64, ", " data:text/plain; base64,"])
@pytest.mark.parametrize(("path", "place"), PACKED, ids=[f"{p}:{field_name(place)}" for p, place in PACKED])
def test_a_text_that_is_a_data_url_is_judged(path: str, place: Path, head: str) -> None:
    body: Any = head + base64.b64encode(f"mail {VALUE} now".encode()).decode()
    for step in reversed(place):
        body = [body] if isinstance(step, int) else {step: body}
        if step == 0 and isinstance(body[0], dict) and place[-1] == "content" and "content" in body[0]:
            body[0]["type"] = "tool_result"
    out = json.loads(redacted(path, {"messages": [], **body}))
    assert base64.b64decode(str(at(out, place)).partition(",")[2]) == b"mail <X> now"


@pytest.mark.parametrize("entry", [5, None, True, ["x"], 1.5])
@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/v1/chat/completions", "messages[0]"),
        ("/v1/chat/completions", "messages[0].content[0]"),
        ("/v1/chat/completions", "messages[0].tool_calls[0]"),
        ("/v1/messages", "messages[0]"),
        ("/v1/messages", "messages[0].content[0]"),
        ("/v1/responses", "input[0]"),
        ("/v1/responses", "input[0].content[0]"),
    ],
)
def test_an_entry_that_is_none_is_refused_by_its_place(path: str, place: str, entry: Json) -> None:
    steps = [step.removesuffix("]") for step in place.replace(".", "[").split("[")]
    body: Json = entry
    for step in reversed(steps):
        body = [body] if step == "0" else {step: body}
    assert isinstance(body, dict)
    with pytest.raises(BadRequest) as caught:
        wire(path).read_request({"messages": [], **body})
    assert caught.value.message == f"{place} must be an object"


CARD = 4111111111111111


def odd(body: Any) -> Iterator[tuple[str, Any, str]]:
    """The body with the value as a key of each object, and with a number in the place of each value."""
    for path, value in below(body):
        name = field_name(path)
        if isinstance(value, dict):
            yield (
                f"{name} key",
                planted(body, path, {**value, VALUE: 1}) if path else {**value, VALUE: 1},
                VALUE,
            )
        if path and path != ("seed",):
            yield f"{name} number", planted(body, path, CARD), str(CARD)


@pytest.mark.parametrize("path", BODIES)
def test_a_key_or_a_number_is_found_wherever_it_stands(path: str) -> None:
    passed = []
    for name, body, value in odd(BODIES[path]):
        with suppress(BadRequest):
            out = redacted(path, body, value)
            json.loads(out)
            if value.encode() in out:
                passed.append(name)
    assert passed == []


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings"])
@pytest.mark.parametrize("ids", [CARD, [CARD], [5, CARD], [[CARD], [5]]])
def test_numbers_as_long_as_a_cards_are_no_tokens(path: str, ids: Json) -> None:
    body: Json = {"model": "m", "prompt": ids, "input": ids}
    assert str(CARD).encode() not in redacted(path, body, str(CARD))


def test_a_seed_goes_unread() -> None:
    """No model reads it, and a seed of 64 bits that became a string would be refused."""
    body: Json = {"messages": [], "seed": CARD}
    assert redacted("/v1/chat/completions", body, str(CARD)) == json.dumps(body).encode()
