"""A value planted as a key of any object of any sample reply, or as a number in any place: it is judged like a
string, streamed or whole, or the reply is unreadable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from proxy.errors import UnreadableReply
from proxy.model.level import Action
from proxy.model.record import Json
from proxy.model.text import Edit, Path, Replacement
from proxy.wire.plain import is_figure, is_key
from proxy.wire.shape import field_name, mapping, sequence
from proxy.wire.sse import FrameDecoder, with_data
from tests.wire.catalogue import STREAMS, WHOLES
from tests.wire.drive import wire_of
from tests.wire.samples import Sample
from tests.wire.samples_responses import Events
from tests.wire.test_every_copy import FOUND, VALUE, frames_of, planted
from tests.wire.test_through_the_gate import seeker, through

CARD = 4111111111111111
SOUGHT = rf"{FOUND}|{CARD}"


def below(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Every value of a body, itself included."""
    yield path, value
    for step, child in value.items() if isinstance(value, dict) else enumerate(sequence(value)):
        yield from below(child, (*path, step))


def odd(body: Json) -> Iterator[tuple[str, Any]]:
    """The body with the value as a key of each object, and in the place of each value that is no string; with a
    number in the place of each value."""
    for path, value in below(body):
        name = field_name(path)
        if isinstance(value, dict):
            yield f"{name} key", planted(body, path, {**value, VALUE: 1}) if path else {**value, VALUE: 1}
        if path and not isinstance(value, dict | list | str):
            yield f"{name} string", planted(body, path, VALUE)
        if path and not isinstance(value, dict | list):
            yield f"{name} number", planted(body, path, CARD)
            yield f"{name} float", planted(body, path, float(CARD))


def streamed(sample: Sample) -> Iterator[tuple[str, bytes]]:
    """One frame of each shape at a time with a plant in it."""
    frames = list(FrameDecoder().feed(sample.reply))
    seen = set[str]()
    for number, frame in enumerate(frames):
        whole = json.loads(frame.data) if frame.data and frame.data[:1] == b"{" else {}
        for name, body in odd(whole) if whole else ():
            kind = f"{whole.get('type')} {name}"
            if kind not in seen:
                seen.add(kind)
                raws = [other.raw for other in frames]
                raws[number] = with_data(frame, json.dumps(body).encode())
                yield f"frame {number}: {kind}", b"".join(raws)


def shows(raw: bytes) -> bool:
    """Whether the value or the number stands in bytes, or in what they mean."""
    is_stream = raw.startswith((b"data", b"event", b":"))
    documents = [frame.data for frame in frames_of(raw)] if is_stream else [raw]
    bodies = [json.dumps(json.loads(data)) for data in documents if data and data != b"[DONE]"]
    return any(word in text for word in (VALUE, str(CARD)) for text in (raw.decode(), *bodies))


@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK])
@pytest.mark.parametrize("sample", STREAMS, ids=lambda sample: sample.name)
def test_a_key_or_a_number_in_a_stream(sample: Sample, action: Action) -> None:
    passed = []
    for name, raw in streamed(sample):
        assert shows(raw)
        with suppress(UnreadableReply):
            if shows(through(sample, [raw], seeker(SOUGHT, action))):
                passed.append(name)
    assert passed == []


@pytest.mark.parametrize("sample", WHOLES, ids=lambda sample: sample.name)
def test_a_key_or_a_number_in_a_whole_reply(sample: Sample) -> None:
    passed = []
    for name, body in odd(json.loads(sample.reply)):
        with suppress(UnreadableReply):
            if any(map(shows, treated(sample, body))):
                passed.append(name)
    assert passed == []


def treated(sample: Sample, body: Any) -> Iterator[bytes]:
    """The reply with what was found taken out, and blocked for it."""
    wire, raw = wire_of(sample), json.dumps(body).encode()
    edits = []
    for text in wire.read_reply(body).texts:
        found = [(text.value.find(word), word) for word in (VALUE, str(CARD))]
        changes = [Replacement(at, at + len(word), "<X>") for at, word in sorted(found) if at >= 0]
        if changes:
            edits.append((text, Edit(tuple(changes))))
    yield wire.edit_reply(raw, body, edits)
    if edits and wire.speaks:
        yield wire.block_reply(raw, body, {edits[0][0].channel.choice: "No."})


def test_a_key_is_renamed_in_place_and_its_value_stays() -> None:
    body: Any = {"choices": [], "note": {VALUE: {"a": [1, VALUE]}, "b": 1}, VALUE: None}
    (edited, _) = treated(WHOLES[0], body)
    assert json.loads(edited) == {"choices": [], "note": {"<X>": {"a": [1, "<X>"]}, "b": 1}, "<X>": None}


def test_two_keys_that_are_taken_out_stay_two() -> None:
    body: Any = {"choices": [], "note": {VALUE: 1, f"{CARD}": 2}}
    (edited, _) = treated(WHOLES[0], body)
    assert json.loads(edited)["note"] == {"<X>": 1, "<X>_1": 2}


def test_a_number_taken_out_becomes_a_string() -> None:
    body: Any = {"choices": [], "note": [1, CARD, 2.5]}
    (edited, _) = treated(WHOLES[0], body)
    assert json.loads(edited)["note"] == [1, "<X>", 2.5]


@pytest.mark.parametrize(
    "name", ["gpt_4o", "topP", "x-request.id", "$ref", "50256", "_a", "self_harm/intent"]
)
def test_a_word_is_a_key(name: str) -> None:
    assert is_key(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a@b.example",
        "AKIAQYLPMN5HHHFPZAM2",
        "4111-1111",
        "412345678",
        "sk-a1b2c3d4e5",
        "é",
        "x" * 65,
    ],
)
def test_what_says_more_is_none(name: str) -> None:
    assert not is_key(name)


@pytest.mark.parametrize("number", [0, -1.5, 4096, 99_999_999, 1741569952.25, 1741569952123, True, None])
def test_counts_and_times_are_figures(number: Json) -> None:
    assert is_figure(number)


@pytest.mark.parametrize("number", [CARD, float(CARD), 2125551234, -CARD, 2**70, 1e300])
def test_long_numbers_are_none(number: Json) -> None:
    assert not is_figure(number)


ECHOED: Json = {
    "instructions": f"Write to {VALUE}.",
    "metadata": {VALUE: VALUE, "n": "1"},
    "tools": [{"type": "function", "name": "mail", "description": VALUE, "parameters": {"x": CARD}}],
}


def echo(**more: Json) -> tuple[Sample, Any]:
    """A response that repeats its request, with the backend's own defaults beside that."""
    request = {"model": "gpt-test", "input": "Hello?", **mapping(ECHOED), **more}
    body = {**json.loads(WHOLES[3].reply), **json.loads(json.dumps(ECHOED))}
    body["tools"][0]["strict"] = True
    body["tool_choice"] = {"type": "allowed_tools", "mode": "auto"}
    return replace(WHOLES[3], request=request), body


def test_what_a_response_repeats_of_its_request_is_not_judged() -> None:
    sample, body = echo()
    view = wire_of(sample).read_request(dict(sample.request))
    assert not any(VALUE in text.value for text in wire_of(sample).read_reply(body, view).texts)
    events = Events()
    events.add("created", {"response": body})
    assert through(sample, [events.out], seeker(SOUGHT, Action.REDACT)) == events.out


@pytest.mark.parametrize("key", ["instructions", "metadata", "tools"])
def test_what_a_response_only_claims_to_repeat_is_judged(key: str) -> None:
    sample, body = echo(**{key: None})
    view = wire_of(sample).read_request(dict(sample.request))
    texts = wire_of(sample).read_reply(body, view).texts
    found = [text.channel.field for text in texts if VALUE in text.value]
    assert found
    assert all(field.startswith((key, f"echo.{key}")) for field in found)
    events = Events()
    events.add("created", {"response": body})
    (frame,) = frames_of(through(sample, [events.out], seeker(FOUND, Action.REDACT)))
    assert VALUE not in json.dumps(json.loads(frame.data)["response"][key])
