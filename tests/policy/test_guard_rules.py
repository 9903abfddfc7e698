"""Rules of prompt_leak, obfuscation and size: what they may say."""

from __future__ import annotations

import pytest

from proxy.policy.rule import Size
from proxy.policy.schema import read
from tests.policy.folders import folder, problems, rule

GOOD = {"id": "id: a", "on": "on: output", "detect": "", "action": "action: redact"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"on": "on: input", "detect": "detect: {prompt_leak: {words: 12}}"},
            "4:14: looks for the prompt in replies: `on: output`",
        ),
        (
            {"detect": "detect: {prompt_leak: {words: 3}}"},
            "4:35: must be greater than or equal to 4, not 3",
        ),
        (
            {"detect": "detect: {obfuscation: {kinds: [MIXED_SCRIPTS]}}"},
            "4:36: unknown kind of disguise `MIXED_SCRIPTS`; did you mean `MIXED_SCRIPT`?",
        ),
        (
            {"action": "action: flag", "detect": "detect: {size: {}}"},
            "4:20: names no limit: max_characters or max_messages",
        ),
        (
            {"action": "action: block", "detect": "detect: {size: {max_messages: 5}}"},
            "4:21: a reply has no messages: give max_characters",
        ),
        (
            {"detect": "detect: {size: {max_characters: 5}}"},
            "5:13: what is too large cannot be redacted: flag or block",
        ),
        (
            {
                "action": "action: flag",
                "detect": "detect: {size: {max_characters: 5}}",
                "x": "levels: {degraded: redact}",
            },
            "6:24: what is too large cannot be redacted: flag or block",
        ),
    ],
)
def test_what_such_a_rule_may_not_say(changes: dict[str, str], expected: str) -> None:
    keys = "\n".join(line for line in (GOOD | changes).values() if line)
    assert problems(rule(keys)) == [f"a.yaml:{expected}"]


def test_sizes_are_for_rules_that_flag_or_block() -> None:
    text = rule("id: a\non: input\ndetect: {size: {max_characters: 9, max_messages: 4}}\naction: block")
    (only,) = read(folder(text)).rules
    assert only.detectors == (Size(9, 4),)
