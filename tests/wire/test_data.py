"""Data in a body that is a text after all."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.shape import data_of_text, read_data


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
    for form in ("data:,x", "data:text/plain;charset=utf-8;base64,eA==", "eA=="):
        assert read_data(data_of_text(text, form)).text() == text
