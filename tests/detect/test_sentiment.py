"""How texts sound."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.detect.sentiment import EMOJI_MAX, HEAD_CHARS, load, sentiment


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("You are a complete idiot and I hate you.", -1, -0.6),
        ("I'm not happy with how this went.", -1, -0.3),
        ("The meeting is at three in room four.", 0, 0),
        ("Thank you, that is a wonderful question!", 0.7, 1),
        ("\N{SMILING FACE WITH SMILING EYES}", 0.3, 1),
        ("", 0, 0),
    ],
)
def test_how_a_text_sounds(text: str, low: float, high: float) -> None:
    assert low <= sentiment(text) <= high


@given(st.text(max_size=400))
def test_it_is_a_number_between_hostile_and_friendly_of_the_beginning(text: str) -> None:
    score = sentiment(text)
    assert -1 <= score <= 1
    assert sentiment(text[:HEAD_CHARS] + " awful" * 50) == score or len(text) < HEAD_CHARS


def test_emoji_without_end_cost_no_more_than_words() -> None:
    """Each is a description of five words, which the analyser goes through once for each of them."""
    load()
    many = "\N{GRINNING FACE}" * HEAD_CHARS
    assert sentiment(many) == sentiment(many[:EMOJI_MAX])

    def took(text: str) -> float:
        began = time.process_time()
        for _ in range(20):
            sentiment(text)
        return time.process_time() - began

    assert took(many) < 20 * took("a plain word, " * 22)
