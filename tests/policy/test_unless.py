"""What a rule says of where it does not count: read, checked and kept to."""

from __future__ import annotations

import pytest

from proxy.model.level import Direction, Level
from proxy.policy.compile import compile_policy
from proxy.policy.match import Selection
from tests.policy.folders import folder, problems, rule


def test_where_a_rule_does_not_count_is_read_and_checked() -> None:
    rules = """\
rules:
  - id: words
    on: input
    detect: {phrases: [drop it], regex: ['stop \\w{1,9}']}
    unless: {any: ['says "[^"]*"', {pattern: '<[^>]*>', max_length: 12}], file: places.txt, max_length: 40}
    action: flag
"""
    policy = compile_policy(folder({"a.yaml": rules, "places.txt": "# talk\n\\([^)]*\\)\n"}))
    assert policy.files == ("a.yaml", "places.txt")
    (one,) = policy.rules
    assert [(item.pattern, item.max_length) for item in one.unless] == [
        ('says "[^"]*"', 40), ("<[^>]*>", 12), ("\\([^)]*\\)", 40),
    ]  # fmt: skip
    text = 'drop it (drop it, stop it) he says "stop that" <drop it> stop now'
    judge = policy.judge(Direction.INPUT, Selection(Level.GUARDED, frozenset(), None), "text")
    assert [text[f.start : f.end] for f in judge.feed(text, final=True).findings] == ["drop it", "stop now"]
    assert compile_policy(folder({"a.yaml": rules, "places.txt": "x\n"}), policy).built != policy.built


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("detect: {phrases: [x]}\nunless: []", "a.yaml:5:13: names no pattern"),
        ("detect: {phrases: [x]}\nunless: ['(']", "a.yaml:5:14: missing ): ("),
        ("detect: {phrases: [x], secrets: {kinds: all}}\nunless: [x]",
         "a.yaml:5:5: `unless` is for phrases and regex; give `secrets` a rule of its own"),
        ("detect: {phrases: [x]}\nunless: {file: none.txt}", "a.yaml:5:20: there is no file `rules/none.txt`"),
    ],
)  # fmt: skip
def test_an_unless_that_cannot_be_is_refused(keys: str, problem: str) -> None:
    assert problems(rule(f"id: a\non: input\n{keys}\naction: flag")) == [problem]
