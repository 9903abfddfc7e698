"""Replies that are too long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.detect.base import NO_CONTEXT
from proxy.detect.size import SizeBank, SizeEntry
from tests.detect.support import assert_any_cut_is_the_same, sizes, whole

BANK = SizeBank([SizeEntry(0, 10), SizeEntry(2, 5), SizeEntry(1, 10)])


@pytest.mark.parametrize(
    ("length", "found"), [(5, []), (6, [(2, 5, 6)]), (11, [(2, 5, 6), (0, 10, 11), (1, 10, 11)])]
)
def test_a_finding_is_the_first_character_beyond_the_limit(
    length: int, found: list[tuple[int, int, int]]
) -> None:
    assert [(match.rule, match.start, match.end) for match in whole(BANK, "x" * length)] == found


def test_nothing_is_held() -> None:
    scan = BANK.open(NO_CONTEXT)
    assert [scan.feed("xxx").safe_upto for _ in range(4)] == [3, 6, 9, 12]


@given(length=st.integers(0, 30), sizes=sizes())
def test_any_cut_is_the_same(length: int, sizes: list[int]) -> None:
    assert_any_cut_is_the_same(BANK, "ä" * length, sizes)
