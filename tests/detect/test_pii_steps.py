"""Personal data by steps: what is found is the same, and no step tries more than a few numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from proxy.detect import pii
from proxy.detect.base import NO_CONTEXT
from proxy.detect.entities import DEFAULT_ENTITIES
from proxy.detect.phone import Phones
from proxy.detect.pii import STEP_WEIGHT, PiiBank, PiiEntry
from proxy.model.finding import Match
from tests.detect.pii_samples import PARTS
from tests.detect.support import cut, sizes, texts_of, whole

ALL = PiiBank([PiiEntry(0, DEFAULT_ENTITIES)])
USUAL = PiiBank([PiiEntry(0, frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE"}), 0.4)])


def by_steps(bank: PiiBank, pieces: list[str], step: Callable[[], None] = lambda: None) -> tuple[Match, ...]:
    """The matches of a text that is read by steps; `step` is called before each."""
    scan = bank.open(NO_CONTEXT)
    scan.by_steps = True
    seen: list[Match] = []
    for number, piece in enumerate(pieces, start=1):
        step()
        seen += scan.feed(piece, final=number == len(pieces)).matches
        while scan.behind:
            step()
            seen += scan.go_on().matches
    return tuple(seen)


@settings(deadline=None, max_examples=50)
@given(text=texts_of([*PARTS, "0212 555 0123 4 ", "(030) 1234-567 "]), sizes=sizes())
def test_any_steps_are_the_same(text: str, sizes: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pii, "STEP_WEIGHT", sizes[0])
        assert by_steps(ALL, cut(text, sizes) or [""]) == whole(ALL, text)


@pytest.mark.parametrize("number", ["212 555 0123 4 ", "030-123-4567 ", "(0212) 555-1234 ", "+49 30 123456 "])
def test_a_long_row_of_numbers_is_judged_by_steps(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    valid = Phones._valid

    def counted(*args: Any, **more: Any) -> int:
        tried[-1] += 1
        return valid(*args, **more)

    monkeypatch.setattr(Phones, "_valid", counted)
    text = "".join(f"{number}{n} " for n in range(120))
    matches = by_steps(USUAL, [text[at : at + 64] for at in range(0, len(text), 64)], lambda: tried.append(0))
    assert max(tried) <= STEP_WEIGHT
    assert sum(tried) > 3 * STEP_WEIGHT
    assert matches == whole(USUAL, text)
