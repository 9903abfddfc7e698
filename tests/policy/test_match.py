"""The judge: what it tells, when, and in which order, with detectors that are a few lines each."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detect.base import Context, InlineScan, Progress, Scan
from proxy.model.finding import Finding, Match
from proxy.model.level import Action, Direction, Level, Mode
from proxy.policy.match import Judge, Selection, plan
from proxy.policy.rule import When
from tests.policy.banks import ANY, WordBank, judge, ranges, rule, whole


def test_a_finding_is_told_once_when_it_is_settled() -> None:
    words = judge((rule(),), WordBank(((0, "secret"),)))
    assert words.feed("no sec").settled == 1
    assert words.feed("re").findings == ()
    ruling = words.feed("t")
    assert ranges(list(ruling.findings)) == [("a", 3, 9)]
    assert ruling.settled == 4
    assert words.feed("", final=True).findings == ()


def test_findings_come_by_start_then_the_longest_then_the_rules_order() -> None:
    rules = (rule("a"), rule("b"), rule("c"))
    banks = (WordBank(((2, "xy"), (1, "xyz"))), WordBank(((0, "xyz"), (0, "ab")), detector="regex"))
    assert ranges(whole(rules, *banks, text="ab xyz")) == [("a", 0, 2), ("a", 3, 6), ("b", 3, 6), ("c", 3, 5)]


def test_a_finding_inside_another_of_its_rule_is_dropped_one_that_overlaps_is_not() -> None:
    bank = WordBank(((0, "alpha beta"), (0, "beta"), (0, "beta gamma")))
    assert ranges(whole((rule(),), bank, text="alpha beta gamma")) == [("a", 0, 10), ("a", 6, 16)]


def test_rules_for_others_are_not_active() -> None:
    rules = (
        rule("bot", when=When(models=frozenset({"bot"}))),
        rule("shop", when=When(apps=frozenset({"shop"}))),
        rule("both", when=When(frozenset({"bot"}), frozenset({"shop"}))),
        rule("input", on=Direction.INPUT),
    )
    bank = WordBank(tuple((index, "x") for index in range(4)))

    def active(models: set[str], app: str | None) -> list[str]:
        selection = Selection(Level.GUARDED, frozenset(models), app)
        return [finding.rule for finding in whole(rules, bank, text="x", selection=selection)]

    assert active(set(), None) == []
    assert active({"bot", "gpt"}, None) == ["bot"]
    assert active({"gpt"}, "shop") == ["shop"]
    assert active({"bot"}, "shop") == ["bot", "shop", "both"]


@pytest.mark.parametrize(
    ("level", "action"),
    [
        (Level.OPEN, Action.FLAG),
        (Level.GUARDED, Action.REDACT),
        (Level.DEGRADED, Action.BLOCK),
        (Level.RESTRICTED, Action.BLOCK),
    ],
)
def test_the_level_decides_the_action_and_open_enforces_nothing(level: Level, action: Action) -> None:
    rules = (rule(action=Action.REDACT, levels=((Level.DEGRADED, Action.BLOCK),)),)
    selection = Selection(level, frozenset(), None)
    words = judge(rules, WordBank(((0, "secret"),)), selection=selection)
    held = words.feed("sec").settled
    assert (held == 3) is (level is Level.OPEN), "only what is enforced holds text back"
    assert [finding.action for finding in words.feed("ret", final=True).findings] == [action]


def test_a_rule_that_only_flags_or_is_in_shadow_holds_nothing_back() -> None:
    rules = (
        rule("flags", Action.FLAG, on_error=Action.FLAG),
        rule("shadow", Action.BLOCK, mode=Mode.SHADOW),
    )
    words = judge(rules, WordBank(((0, "secret"), (1, "secret"))))
    assert words.feed("the sec").settled == 7
    found = words.feed("ret", final=True).findings
    assert [(finding.rule, finding.acts) for finding in found] == [("flags", False), ("shadow", False)]


@pytest.mark.parametrize("pieces", [["abc def ghi"], list("abc def ghi"), ["abc ", "def ghi"]])
def test_a_failing_detector_blocks_from_where_it_had_settled_the_text(pieces: list[str]) -> None:
    words = judge((rule(),), WordBank(((0, "zz"),), fails_at=5))
    found: list[Finding] = []
    for piece in pieces:
        found += words.feed(piece).findings
    found += words.feed("", final=True).findings
    assert [(finding.label, finding.action) for finding in found] == [("error", Action.BLOCK)]
    assert found[0].start <= 5
    assert words.errors == (("a", "phrases: RuntimeError"),), "named, without the text that was judged"


def test_the_other_detectors_go_on_when_one_fails() -> None:
    rules = (rule("a", Action.REDACT, on_error=Action.FLAG), rule("b"))
    words = judge(rules, WordBank(((0, "one"),), fails_at=0), WordBank(((1, "two"),), detector="regex"))
    assert ranges(list(words.feed("one two", final=True).findings)) == [("b", 4, 7)]
    assert [name for name, _ in words.errors] == ["a"]


@pytest.mark.parametrize(
    ("on_error", "mode", "level", "acts"),
    [
        (Action.BLOCK, Mode.ENFORCE, Level.GUARDED, [True]),
        (Action.BLOCK, Mode.SHADOW, Level.GUARDED, [False]),
        (Action.BLOCK, Mode.ENFORCE, Level.OPEN, [False]),
        (Action.FLAG, Mode.ENFORCE, Level.GUARDED, []),
    ],
)
def test_on_error_is_the_rules_to_say(on_error: Action, mode: Mode, level: Level, acts: list[bool]) -> None:
    selection = Selection(level, frozenset(), None)
    words = judge(
        (rule(on_error=on_error, mode=mode),), WordBank(((0, "x"),), fails_to_open=True), selection=selection
    )
    assert [finding.acts for finding in words.feed("abc", final=True).findings] == acts
    assert words.errors == (("a", "phrases: RuntimeError"),)


def test_a_flag_rule_that_must_not_fail_holds_text_back_and_blocks() -> None:
    rules = (rule(action=Action.FLAG, on_error=Action.BLOCK),)
    words = judge(rules, WordBank(((0, "secret"),), fails_at=8))
    settled = words.feed("a secret").settled
    assert settled < 8
    found = words.feed(" more", final=True).findings
    assert [finding.action for finding in found] == [Action.BLOCK]
    assert found[0].start >= settled


def test_a_detector_that_takes_back_what_it_called_safe_has_failed() -> None:
    class Liar(InlineScan):
        scores: Mapping[str, float] = {}

        def feed(self, piece: str, *, final: bool = False) -> Progress:
            return Progress((Match(0, "late", 1.0, 0, 1),) if final else (), 3)

    class LiarBank(WordBank):
        def open(self, context: Context) -> Scan:
            return Liar()

    words = judge((rule(),), LiarBank(((0, "x"),)))
    assert words.feed("abc").settled == 3
    found = words.feed("def", final=True).findings
    assert [(finding.label, finding.start) for finding in found] == [("error", 3)]


@pytest.mark.parametrize(("on_error", "action"), [(Action.BLOCK, Action.BLOCK), (Action.FLAG, Action.REDACT)])
def test_a_finding_still_open_at_its_bound_is_on_error(on_error: Action, action: Action) -> None:
    rules = (rule(action=Action.REDACT, on_error=on_error),)
    found = whole(rules, WordBank(((0, "secret"),), cut=True), text="secret")
    assert [finding.action for finding in found] == [action]


def test_detectors_are_told_of_the_exchange_beside_the_text() -> None:
    told: list[Context] = []

    class Curious(WordBank):
        def open(self, context: Context) -> Scan:
            told.append(context)
            return super().open(context)

    context = Context(("You are a helpful assistant.",), messages=3, characters=400)
    Judge(plan((rule(),), (Curious(((0, "x"),)),), Direction.OUTPUT, ANY), "f", context).feed("text")
    assert told == [context]


def test_with_no_rule_everything_is_settled_at_once() -> None:
    words = judge(())
    assert words.feed("abc").settled == 3
    assert words.feed("de", final=True).settled == 5


def test_scores_are_the_highest_of_all_detectors() -> None:
    words = judge((rule(), rule("b", Action.FLAG)), WordBank(((0, "x"),)), WordBank(((1, "x"),)))
    words.feed("abc")
    assert words.scores == {"length": 3.0}


def test_what_a_detector_scored_before_it_failed_counts() -> None:
    words = judge((rule(),), WordBank(((0, "x"),), fails_at=4))
    for piece in ("abc", "de", "f"):
        words.feed(piece)
    assert words.errors
    assert words.scores["length"] >= 3.0


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_text_made_of_findings_is_blocked_at_the_limit(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("proxy.policy.lane.FINDINGS_MAX", 3)
    text = "x " * 8
    words = judge((rule(action=Action.REDACT),), WordBank(((0, "x"),)))
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    found = [finding for piece in pieces for finding in words.feed(piece).findings]
    assert [(finding.start, finding.action) for finding in found] == [
        (0, Action.REDACT),
        (2, Action.REDACT),
        (4, Action.REDACT),
        (6, Action.BLOCK),
    ]
    assert words.errors == (("a", "phrases: more than 3 findings"),)


alphabet = st.text("abx ", max_size=40)
lists = st.lists(st.tuples(st.integers(0, 3), st.text("abx", min_size=1, max_size=4)), min_size=1, max_size=5)
actions = st.sampled_from([Action.FLAG, Action.REDACT, Action.BLOCK])


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 20, 25])
def test_a_long_piece_goes_in_by_slices_and_says_the_same(
    monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    text = ("ab secret " * 3)[:length]
    bank = WordBank(((0, "secret"),))
    expected = whole((rule(),), bank, text=text)
    monkeypatch.setattr("proxy.policy.match.SLICE_CHARS", 10)
    sliced = judge((rule(),), bank)
    ruling = sliced.feed(text, final=True)
    assert list(ruling.findings) == expected
    assert ruling.settled == length
    assert sliced.scores == {"length": float(length)}


@given(
    text=alphabet,
    cuts=st.lists(st.integers(0, 40), max_size=8),
    words=st.lists(lists, min_size=1, max_size=3),
    kinds=st.lists(st.tuples(actions, actions, st.sampled_from(Mode)), min_size=4, max_size=4),
    level=st.sampled_from([Level.OPEN, Level.GUARDED, Level.DEGRADED]),
)
@settings(max_examples=300, deadline=None)
def test_how_a_text_is_cut_changes_nothing(
    text: str,
    cuts: list[int],
    words: list[list[tuple[int, str]]],
    kinds: list[tuple[Action, Action, Mode]],
    level: Level,
) -> None:
    rules = tuple(
        rule(str(index), action, levels=((Level.DEGRADED, stricter),), mode=mode, on_error=Action.FLAG)
        for index, (action, stricter, mode) in enumerate(kinds)
    )
    banks = [WordBank(tuple(entry)) for entry in words]
    selection = Selection(level, frozenset(), None)
    at_once = whole(rules, *banks, text=text, selection=selection)

    streamed = judge(rules, *banks, selection=selection)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    found: list[Finding] = []
    settled = 0
    for start, end in pairwise(places):
        ruling = streamed.feed(text[start:end])
        assert settled <= ruling.settled <= end, "what was settled stays settled"
        assert all(finding.start >= settled for finding in ruling.findings if finding.acts)
        found += ruling.findings
        settled = ruling.settled
        acting = [finding for finding in at_once if finding.acts and finding.start < settled]
        assert [finding for finding in found if finding.acts] == acting
    last = streamed.feed("", final=True)
    found += last.findings
    assert last.settled == len(text)
    assert sorted(map(repr, found)) == sorted(map(repr, at_once))
    assert [finding for finding in found if finding.acts] == [finding for finding in at_once if finding.acts]
