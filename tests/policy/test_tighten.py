"""A text goes on under a stricter plan, from the first character that has not gone out; and scaled thresholds."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.model.finding import Finding
from proxy.model.level import Action, Direction, Level
from proxy.model.text import Channel, Kind
from proxy.policy.compile import Policy, compile_policy
from proxy.policy.match import Selection
from proxy.request.judged import JudgedText
from tests.policy.folders import folder

LAX = Selection(Level.GUARDED, frozenset(), None)
STRICT = Selection(Level.DEGRADED, frozenset(), None)
SAID = '"No. The grey falcon saw a falcon, and falcons fly. Falcon"'


def policy(stricter: str, on_error: str) -> Policy:
    """With `allow` the rule only watches below `degraded`, and its bank holds nothing back there."""
    rule = f"action: flag, levels: {{degraded: {stricter}}}, on_error: {on_error}"
    text = f"rules: [{{id: a, on: output, detect: {{phrases: [grey falcon, falcon]}}, {rule}}}]\n"
    return compile_policy(folder(text))


POLICIES = {
    (action, on_error): policy(action, on_error)
    for action in ("redact", "block")
    for on_error in ("block", "allow")
}


@pytest.mark.parametrize("json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize(("stricter", "on_error"), POLICIES)
@given(
    cuts=st.lists(st.integers(0, len(SAID)), max_size=6), turned=st.integers(0, 7), behind=st.integers(0, 20)
)
@example(cuts=[1, 2, 58], turned=3, behind=0)  # the last word went out whole, and only then is known to end
def test_whatever_has_not_gone_out_is_held_to_the_stricter_plan(
    stricter: str, on_error: str, json: bool, cuts: list[int], turned: int, behind: int
) -> None:
    rules = POLICIES[stricter, on_error]
    channel = Channel("f", kind=Kind.TOOL, json=json)
    text = JudgedText(channel, lambda _: rules.judge(Direction.OUTPUT, LAX, "f"))
    places = sorted({0, len(SAID), *cuts})
    for number, (start, end) in enumerate(pairwise(places)):
        if number == turned:
            text.tighten(rules.plan(Direction.OUTPUT, STRICT))
        text.grow(SAID[start:end])
        while text.work(16):
            pass
        if number < turned:
            text.released = max(text.released, text.settled - behind)  # what else its frame waits for
    gone = text.released
    if turned >= len(places) - 1:
        text.tighten(rules.plan(Direction.OUTPUT, STRICT))
    text.close()
    while text.work(16):
        pass
    found = [(one.start(), one.end()) for one in re.finditer(r"(?i)grey falcon|\bfalcon\b", SAID)]
    left = [(start, end) for start, end in found if end > gone]
    cut_across = [start for start, _ in left if start < gone]
    if stricter == "block" or cut_across:
        assert (text.block is not None) == bool(left)
        if left:
            assert text.block_at == max(left[0][0], gone)
    elif text.block is None:  # (in JSON what was read already can be changed no more, and blocks)
        expected, at = SAID[:gone], gone
        for start, end in left:
            expected, at = expected + SAID[at:start] + "<PHRASE>", end
        text.released = text.length
        assert text.delivered() == expected + SAID[at:]
    else:
        assert json


TOXIC = """\
rules: [{id: t, on: output, detect: {toxicity: {toxicity: 0.995}}, action: block}]
containment: {degraded: {threshold_scale: SCALE}}
"""


@pytest.mark.parametrize(
    ("scale", "level", "found"),
    [
        ("0.99", Level.GUARDED, False),
        ("0.99", Level.DEGRADED, True),
        ("0.99", Level.RESTRICTED, True),
        ("1.0", Level.DEGRADED, False),
        ("0.999", Level.DEGRADED, False),
    ],
)
def test_thresholds_are_scaled_from_degraded_on(scale: str, level: Level, found: bool) -> None:
    def findings(text: str) -> list[Finding]:
        selection = Selection(level, frozenset(), None)
        judge = compile_policy(folder(TOXIC.replace("SCALE", scale))).judge(Direction.OUTPUT, selection, "f")
        return list(judge.feed(text, final=True).findings)

    (between,) = [findings("That is a stupid mistake of mine.")]  # scores 0.9896
    assert bool(between) is found
    (worst,) = findings("You fucking idiot.")
    assert (worst.rule, worst.action) == ("t", Action.BLOCK)
    assert worst.score > 0.995
