"""Replies that decline, told from those that do not."""

from __future__ import annotations

import pytest

from benchmarks.quality_data import samples
from benchmarks.refusals import measure
from proxy.detect.refusal import HEAD_CHARS, refuses


def test_replies_that_the_phrases_were_not_made_with() -> None:
    found = measure("held")
    assert found.replies >= 300
    assert found.precision >= 0.9, found.in_vain
    assert found.recall >= 0.9, found.missed


def test_ordinary_replies_of_other_sets() -> None:
    """Written for another purpose before there was a classifier; three of them do decline."""
    texts = [one.text for part in ("dev", "held", "review") for one in samples("ordinary_replies", part)]
    assert len(texts) > 700
    assert sum(refuses(text) for text in texts) <= 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", False),
        ("I can’t help with that.", True),
        ("I CAN'T HELP WITH THAT.", True),
        ('He wrote: "I can\'t help you with that."', False),
        ("First. Second. Third. Then I can't help with that.", False),
        ("Well. Hm. I can't help with that. " + "word " * 10_000, True),
        ("word " * HEAD_CHARS + "I can't help with that.", False),
        ("I can't recommend it enough.", False),
    ],
)
def test_what_is_read_of_a_reply(text: str, told: bool) -> None:
    assert refuses(text) is told
