"""Data in a body that is a text after all."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.level import Action
from proxy.model.record import Json
from proxy.model.text import Edit, Path, Replacement
from proxy.wire.data import data_of_text, is_sealed, read_data, said
from proxy.wire.shape import at, field_name, string
from tests.wire.catalogue import STREAMS, WHOLES
from tests.wire.drive import view_of, wire_of
from tests.wire.samples import chat_chunk, delta, event
from tests.wire.samples_anthropic import block_delta, block_start
from tests.wire.test_through_the_gate import seeker, through


def packed(text: str, charset: str = "utf-8") -> str:
    return base64.b64encode(text.encode(charset)).decode()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("data:,hello", "hello"),
        ("data:text/plain,a%40b.example%20%C3%A9", "a@b.example é"),
        (f"data:text/plain;base64,{packed('a@b.example')}", "a@b.example"),
        (f"data:application/json;base64,{packed('{}')}", "{}"),
        (f"DATA:text/csv;charset=utf-16;base64,{packed('a,b', 'utf-16')}", "a,b"),
        (packed("plain words\n"), "plain words\n"),
        ("data:image/png;base64,iVBORw0KGgo=", None),
        (base64.b64encode(b"RIFF\x00\x00WAVE").decode(), None),
        ("https://cats.example/1.png", None),
        ("data:,", None),
        (f"data:text/plain;base64, {packed('a@b.example')}", "a@b.example"),
        (f" data:text/plain; base64 ,{packed('a@b.example')}", "a@b.example"),
        (f"data:;base64,{packed('>>>a@b.example???').replace('+', '-').replace('/', '_')}", ">>>a@b.example???"),
        (packed("plain words, and more\n" * 3).replace("cG", "cG\r\n"), "plain words, and more\n" * 3),
        (packed("a@b.exampl").rstrip("="), "a@b.exampl"),
        (packed("a@b.example") + "=", "a@b.example"),
        (packed("a,b", "utf-16"), "a,b"),
        (packed("a,b", "utf-16be"), "a,b"),
        (packed("a@b.example", "utf-16le"), "a@b.example"),
        (packed("a@b.example", "utf-32"), "a@b.example"),
        (packed("caf\xe9, wrote a@b.example of it", "latin-1"), "caf\ufffd, wrote a@b.example of it"),
        (packed("wrote a@b.example \x00of it"), "wrote a@b.example \x00of it"),
    ],
)  # fmt: skip
def test_a_text_is_told_from_bytes(data: str, text: str | None) -> None:
    assert read_data(data).text() == text


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffd"), min_size=1
    )
)
def test_an_edited_text_is_data_again(text: str) -> None:
    for form in ("data:,x", "data:text/plain;charset=utf-8;base64,eA==", "eA==", packed("x", "utf-16")):
        assert read_data(data_of_text(text, form)).text() == text


PICTURE = base64.b64encode(bytes(range(100, 250)) * 3).decode()


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("note", f"data:text/plain;base64,{packed('a@b.example')}", "a@b.example"),
        ("note", "data:,a%40b.example", "a@b.example"),
        ("note", packed("a@b.example " * 30), "a@b.example " * 30),
        ("text", f"data:text/plain;base64,{packed('a@b.example')}", "a@b.example"),
        (
            "note",
            f"data:text/x;name=a@b.example;base64,{packed('hello')}",
            "data:text/x;name=a@b.example;base64,\nhello",
        ),
        ("note", "data:;base64,mail a@b.example", "data:;base64,mail a@b.example"),
        ("note", "data:;base64,janedoeliveshere", "data:;base64,janedoeliveshere"),
        ("data", "janedoeliveshere", "janedoeliveshere"),
        ("note", PICTURE, None),
        ("data", PICTURE[:100], None),
        ("note", f"data:image/png;base64,{PICTURE}", None),
        ("note", f"data:image/png;base64,{PICTURE * 20}", None),
        ("text", PICTURE, PICTURE),
        ("text", f"data:image/png;base64,{PICTURE}", f"data:image/png;base64,{PICTURE}"),
    ],
)
def test_what_a_string_says(key: str, value: str, text: str | None) -> None:
    assert said((key,), value) == text


@pytest.mark.parametrize("value", ["", None, PICTURE])
def test_sealed_is_what_a_backend_wrote_for_itself(value: Json) -> None:
    assert is_sealed(value)


@pytest.mark.parametrize("value", ["AKIAQYLPMN5HHHFPZAM2", "tango", packed("a@b.example " * 30), 5])
def test_what_could_be_read_is_not_sealed(value: Json) -> None:
    assert not is_sealed(value)


PLACES = [
    ("chat", ("choices", 0, "message", "note")),
    ("chat", ("choices", 0, "message", "audio", "data")),
    ("chat", ("choices", 0, "note")),
    ("chat", ("note",)),
    ("completions", ("note",)),
    ("messages", ("content", 0, "signature")),
    ("messages", ("content", 1, "data")),
    ("messages", ("note",)),
    ("responses", ("output", 0, "note")),
    ("responses", ("output", 0, "encrypted_content")),
    ("responses", ("output", 0, "content", 0, "annotations", 0, "url")),
    ("responses", ("instructions",)),
    ("embeddings", ("note",)),
]  # fmt: skip


@pytest.mark.parametrize("form", ["data:text/plain;base64,", ""])
@pytest.mark.parametrize(
    ("name", "path"), PLACES, ids=[f"{name}-{field_name(path)}" for name, path in PLACES]
)
def test_a_text_as_data_is_judged_and_is_data_again(name: str, path: Path, form: str) -> None:
    sample = next(sample for sample in WHOLES if sample.name == name)
    value = form + packed("mail a@b.example now " * 20)
    body = json.loads(sample.reply)
    grown(body, path, value)
    raw, wire = json.dumps(body).encode(), wire_of(sample)
    edits = []
    for text in wire.read_reply(body, view_of(sample)).texts:
        spots = [found.start() for found in re.finditer("a@b.example", text.value)]
        edits.append((text, Edit(tuple(Replacement(at, at + 11, "<X>") for at in spots))))
    out = json.loads(wire.edit_reply(raw, body, [edit for edit in edits if edit[1].replacements]))
    assert read_data(string(at(out, path)) or "").text() == "mail <X> now " * 20


def grown(body: Any, path: Path, value: Json) -> None:
    for step, after in pairwise(path):
        empty: Any = [] if isinstance(after, int) else {}
        if isinstance(step, int):
            body += [{} for _ in range(step + 1 - len(body))]
            body = body[step]
        else:
            body = body.setdefault(step, empty)
    body[path[-1]] = value


TEXT = "mail a@b.example now " * 20
FRAMES: list[tuple[str, Callable[[str], bytes]]] = [
    ("chat", lambda value: event(chat_chunk([delta({"note": value})]))),
    ("chat", lambda value: event(chat_chunk([delta({"audio": {"data": value}})]))),
    ("chat", lambda value: event({**chat_chunk([]), "note": value})),
    ("messages", lambda value: block_delta(0, {"type": "later", "note": value})),
    ("messages", lambda value: block_start(0, {"type": "redacted_thinking", "data": value})),
    ("messages", lambda value: block_delta(0, {"type": "signature_delta", "signature": value})),
    ("responses", lambda value: event({"type": "response.later", "note": value}, "response.later")),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(FRAMES)))
def test_a_text_as_data_in_a_frame_is_judged_and_is_data_again(number: int) -> None:
    name, frame = FRAMES[number]
    sample = next(sample for sample in STREAMS if sample.name == name)
    out = through(sample, [frame(packed(TEXT))], seeker(r"a@b\.example", Action.REDACT))
    assert packed(TEXT.replace("a@b.example", "<PATTERN>")).encode() in out
    picture = frame(PICTURE)
    assert through(sample, [picture], seeker(r"a@b\.example", Action.REDACT)) == picture
