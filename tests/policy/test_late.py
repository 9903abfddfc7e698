"""Judging with a bank that waits for a scorer: whichever order the answers come in, the findings are the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detect.base import Bank
from proxy.model.finding import Finding
from proxy.model.level import Action, Direction
from proxy.policy.match import Judge, plan
from proxy.policy.rule import Rule
from tests.policy.banks import ANY, WordBank, rule
from tests.policy.late import Desk, LateBank


def judge(rules: tuple[Rule, ...], *banks: Bank) -> Judge:
    return Judge(plan(rules, banks, Direction.OUTPUT, ANY), "f")


def test_a_text_is_settled_as_far_as_its_scorer_answered() -> None:
    desk = Desk()
    late = judge((rule(),), LateBank(desk))
    assert late.feed("One. Two bad.").settled == 0
    desk.answer(1)
    assert late.poll().settled == 0, "the first sentence holds the second"
    desk.answer(0)
    ruling = late.poll()
    assert (ruling.settled, [finding.start for finding in ruling.findings]) == (13, [9])
    assert not late.waiting


def test_who_waits_for_any_ticket_is_not_woken_by_an_answer_out_of_turn() -> None:
    desk = Desk()
    late = judge((rule(),), LateBank(desk))
    late.feed("One. Two. Three.")
    desk.answer(2)
    late.poll()
    assert not any(ticket.done() for ticket in late.waiting)
    desk.answer(0)
    assert all(ticket.done() for ticket in late.waiting)


def test_the_end_of_a_text_waits_for_every_answer() -> None:
    desk = Desk()
    late = judge((rule(),), LateBank(desk))
    assert late.feed("One bad", final=True) == late.poll()
    desk.answer_all()
    ruling = late.poll()
    assert (ruling.settled, [finding.start for finding in ruling.findings]) == (7, [4])


def test_banks_that_answer_at_once_wait_for_the_one_that_does_not() -> None:
    desk = Desk()
    late = judge((rule("late"), rule("word")), LateBank(desk), WordBank(((1, "One"),)))
    assert late.feed("bad. One.", final=True).findings == ()
    desk.answer_all()
    assert [finding.rule for finding in late.poll().findings] == ["late", "word"]


def test_a_rule_that_only_watches_holds_nothing_back_but_is_waited_for_at_the_end() -> None:
    desk = Desk()
    late = judge((rule("watches", Action.FLAG, on_error=Action.FLAG),), LateBank(desk))
    assert late.feed("A bad text.", final=True).settled == 11
    assert late.waiting
    desk.answer_all()
    assert [finding.start for finding in late.poll().findings] == [2]


@pytest.mark.parametrize(("on_error", "starts"), [(Action.BLOCK, [5]), (Action.FLAG, [])])
def test_a_scorer_that_fails_is_on_error_from_where_the_text_was_settled(
    on_error: Action, starts: list[int]
) -> None:
    desk = Desk()
    late = judge((rule(on_error=on_error),), LateBank(desk))
    late.feed("Fine. A crash. And more.", final=True)
    desk.answer_all()
    ruling = late.poll()
    assert [finding.start for finding in ruling.findings if finding.acts] == starts
    assert late.errors == (("a", "toxicity: crashed"),)
    assert ruling.settled == 24


def test_who_waits_no_longer_takes_what_is_missing_as_failed() -> None:
    desk = Desk()
    late = judge((rule(),), LateBank(desk))
    late.feed("Fine. Bad.", final=True)
    desk.answer(0)
    late.poll()
    assert [(finding.label, finding.start) for finding in late.give_up().findings] == [("error", 5)]
    assert late.errors == (("a", "toxicity: timeout"),)
    assert not late.waiting


@given(
    text=st.lists(st.sampled_from(["bad", "crash", " x ", ".", "word", "one"]), max_size=14).map("".join),
    cuts=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    answers=st.lists(st.integers(0, 5), max_size=20),
    kinds=st.lists(st.sampled_from([Action.FLAG, Action.REDACT, Action.BLOCK]), min_size=2, max_size=2),
)
@settings(max_examples=300, deadline=None)
def test_neither_the_cuts_nor_the_order_of_answers_change_a_finding(
    text: str, cuts: list[int], answers: list[int], kinds: list[Action]
) -> None:
    rules = (rule("late", kinds[0]), rule("word", kinds[1]))

    def banks(desk: Desk) -> tuple[Bank, ...]:
        return LateBank(desk), WordBank(((1, "word"), (1, "one")), detector="phrases")

    at_once = judge(rules, *banks(Desk(prompt=True)))
    expected = [*at_once.feed(text, final=True).findings, *at_once.poll().findings]
    desk = Desk()
    late = judge(rules, *banks(desk))
    found: list[Finding] = []
    at = turn = settled = 0
    while at < len(text):
        size = cuts[turn % len(cuts)]
        for index in answers[turn * 2 : turn * 2 + 2]:
            if desk.open:
                desk.answer(index)
        rulings = [late.poll(), late.feed(text[at : at + size])]
        at, turn = at + size, turn + 1
        for ruling in rulings:
            assert settled <= ruling.settled <= at
            assert all(finding.start >= settled for finding in ruling.findings if finding.acts)
            settled = ruling.settled
            found += ruling.findings
    found += late.feed("", final=True).findings
    while late.waiting:
        desk.answer(len(found))
        found += late.poll().findings
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    assert sorted(late.errors) == sorted(at_once.errors)
