"""Scopes, reasons and ttls as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dial.setting import Actor, parse_ttl
from proxy.errors import Invalid
from proxy.scopes import Scope, check_reason


@pytest.mark.parametrize(
    "text", ["global", "model:gpt-4", "app:shop", "model:org/name:free", "app:m:x", "model:雪"]
)
def test_a_scope_reads_back_as_it_was_written(text: str) -> None:
    assert str(Scope.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "Global", "global:", "global:x", "model", "model:", "app:", "user:1", "model: x", "model:x ", "model:a\nb",
     "model:a\x00", "app:\ud800", "app:a\u2028b", "model:" + "x" * 257, "app:\x7f", "app:\x85"],
)  # fmt: skip
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Scope.parse(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_a_scope_that_reads_back_or_is_refused(text: str) -> None:
    try:
        scope = Scope.parse(text)
    except Invalid:
        return
    assert str(scope) == text
    assert Scope.parse(str(scope)) == scope


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604_800), ("366d", 366 * 86_400)],
)
def test_a_ttl_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_ttl(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0m", "30", "m", "30 m", "-1m", "1.5h", "30M", "1w", "367d", "1m1s", "٣m", "9999999999s"]
)
def test_what_is_no_ttl_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_ttl(text)


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "x" * 1001, "a\x1b[2Jb", "\ud800"])
def test_what_is_no_reason_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        check_reason(text)


def test_a_reason_loses_the_blanks_around_it() -> None:
    assert check_reason("  INC-42: leaks  ") == "INC-42: leaks"


def test_no_token_name_passes_for_the_rules_or_a_tripwire_on_the_trail() -> None:
    assert str(Actor.person("rules")) != str(Actor.rules())
    assert str(Actor.person("tripwire:x")) != str(Actor.tripwire("x"))


def test_persons_share_a_slot_and_each_tripwire_has_its_own() -> None:
    assert Actor.person("a").slot == Actor.person("b").slot
    assert (
        len(
            {
                Actor.person("rules").slot,
                Actor.rules().slot,
                Actor.tripwire("a").slot,
                Actor.tripwire("b").slot,
            }
        )
        == 4
    )
