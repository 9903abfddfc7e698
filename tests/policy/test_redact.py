"""Redaction: what replaces what, and that a stream's replacements join to the whole text's."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.finding import Finding
from proxy.model.level import Action, Direction, Mode
from proxy.policy.redact import apply, covers, first_block, verdict

PSEUDONYM = Action.PSEUDONYMIZE


def finding(
    start: int, end: int, label: str = "email", action: Action = Action.REDACT, mode: Mode = Mode.ENFORCE
) -> Finding:
    return Finding(
        "r", "pii", label, 1.0, action, Direction.OUTPUT, "f", start, end, mode, message=f"no {label}"
    )


@pytest.mark.parametrize(
    ("findings", "text"),
    [
        ([], "0123456789"),
        ([finding(2, 4)], "01<EMAIL>456789"),
        ([finding(2, 4), finding(6, 8, "phone")], "01<EMAIL>45<PHONE>89"),
        ([finding(2, 5), finding(4, 8, "phone")], "01<EMAIL>89"),
        ([finding(2, 5), finding(3, 4, "phone")], "01<EMAIL>56789"),
        ([finding(2, 5), finding(5, 8, "phone")], "01<EMAIL><PHONE>89"),
        ([finding(0, 4), finding(3, 6), finding(5, 10)], "<EMAIL>"),
        ([finding(2, 4, action=Action.FLAG)], "0123456789"),
        ([finding(2, 4, mode=Mode.SHADOW)], "0123456789"),
        ([finding(2, 4), finding(6, 8, "key", Action.BLOCK)], "no key"),
        ([finding(2, 4, action=PSEUDONYM)], "01<EMAIL_90ab14>456789"),
        ([finding(2, 4, action=PSEUDONYM), finding(4, 6)], "01<EMAIL_90ab14><EMAIL>6789"),
        # What must be redacted is, though something else about it would be content with a pseudonym.
        ([finding(2, 4, action=PSEUDONYM), finding(2, 4, "phone")], "01<EMAIL>456789"),
        ([finding(2, 6, action=PSEUDONYM), finding(3, 4)], "01<EMAIL>6789"),
        ([finding(2, 6, action=PSEUDONYM), finding(4, 8, action=PSEUDONYM)], "01<EMAIL_d2fe28>89"),
    ],
)
def test_what_the_reader_gets(findings: list[Finding], text: str) -> None:
    assert apply("0123456789", tuple(findings)) == text


@pytest.mark.parametrize(
    ("findings", "word"),
    [
        ([], "allow"),
        ([finding(0, 1, mode=Mode.SHADOW)], "allow"),
        ([finding(0, 1, action=Action.FLAG)], "flag"),
        ([finding(0, 1, action=Action.FLAG), finding(1, 2)], "redact"),
        ([finding(0, 1, action=Action.FLAG), finding(1, 2, action=PSEUDONYM)], "pseudonymize"),
        ([finding(0, 1, action=PSEUDONYM), finding(1, 2)], "redact"),
        ([finding(0, 1), finding(1, 2, action=Action.BLOCK)], "block"),
    ],
)
def test_the_verdict_is_the_strictest(findings: list[Finding], word: str) -> None:
    assert verdict(findings) == word


def test_the_first_finding_that_blocks_names_the_message() -> None:
    blocks = [finding(3, 4, "a", Action.BLOCK), finding(5, 6, "b", Action.BLOCK)]
    blocked = first_block([finding(0, 9), *blocks])
    assert blocked is blocks[0]


spans = st.lists(st.tuples(st.integers(0, 29), st.integers(1, 8)), max_size=8).map(
    lambda items: [finding(start, min(30, start + length)) for start, length in sorted(items)]
)


@given(spans)
@settings(max_examples=300, deadline=None)
def test_exactly_what_was_found_is_covered(findings: list[Finding]) -> None:
    covered = covers(findings)
    assert all(one.end <= other.start for one, other in pairwise(covered))
    found = {index for index in range(30) if any(item.start <= index < item.end for item in findings)}
    assert {index for index in range(30) if any(c.start <= index < c.end for c in covered)} == found
