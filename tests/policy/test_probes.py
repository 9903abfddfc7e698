"""The `probes` of rule files."""

from __future__ import annotations

import pytest

from proxy.model.probe import Compare, Expect, Message, Probe
from proxy.policy.compile import compile_policy
from tests.policy.folders import folder, problems

WHOLE = """\
probes:
  - id: capital
    models: [bot, other, bot]
    every: 15m
    messages: [{role: system, content: Be brief.}, {role: user, content: "The capital of {country}?"}]
    expect: {regex: '(?i)\\bparis\\b'}
    vary: {country: [France, "the French republic"]}
    compare: {length: 0.5, toxicity: 0.2}
    temperature: 0
    max_tokens: 20
    timeout: 1m
"""
BASE = "id: a, every: 1h, prompt: Hi"


def test_everything_that_can_be_said() -> None:
    (probe,) = compile_policy(folder(WHOLE)).probes
    assert probe == Probe(
        "capital", (Message("system", "Be brief."), Message("user", "The capital of {country}?")), 900, 60, 20,
        ("bot", "other"), 0.0, Expect(pattern=r"(?i)\bparis\b"), "country", ("France", "the French republic"),
        Compare(0.5, 0.2),
    )  # fmt: skip
    groups = [(group, messages[1].content) for group, messages in probe.questions()]
    assert groups == [
        ("France", "The capital of France?"),
        ("the French republic", "The capital of the French republic?"),
    ]


def test_refusals() -> None:
    groups = "prompt: '{g}?', vary: {g: [x, y]}, compare: {refusal: true}"
    (probe,) = compile_policy(
        folder(f"probes: [{{id: a, every: 1h, {groups}, expect: {{refusal: false}}}}]\n")
    ).probes
    assert (probe.expect, probe.compare) == (Expect(refusal=False), Compare(refusal=True))


def test_the_least_that_must_be_said() -> None:
    (probe,) = compile_policy(folder(f"probes: [{{{BASE}, expect: {{contains: hello}}}}]\n")).probes
    assert probe == Probe("a", (Message("user", "Hi"),), 3600, 30, 100, expect=Expect(contains=("hello",)))
    assert (probe.asks, list(probe.questions())) == (1, [("", probe.messages)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{id: a, prompt: Hi, expect: {exact: x}}", "the key `every` is missing"),
        ("{id: a, every: 10s, prompt: Hi, expect: {exact: x}}", "is from 1m to 7d"),
        ("{id: a, every: often, prompt: Hi, expect: {exact: x}}", "is a whole number and s, m, h or d"),
        (f"{{{BASE}, timeout: 6m, expect: {{exact: x}}}}", "is from 1s to 5m"),
        ("{id: a, every: 1h, expect: {exact: x}}", "has either `prompt` or `messages`"),
        (f"{{{BASE}}}", "says neither what to `expect` nor what to `vary`"),
        (f"{{{BASE}, expect: {{}}}}", "is one of exact, contains, regex, refusal"),
        (f"{{{BASE}, expect: {{exact: x, regex: y}}}}", "is one of exact, contains, regex"),
        (f"{{{BASE}, expect: {{regex: '(?=x)'}}}}", "RE2 has no look-around"),
        (f"{{{BASE}, expect: {{contains: []}}}}", "must not be empty"),
        (f"{{{BASE}, vary: {{group: [x, y]}}, expect: {{exact: x}}}}", "`vary` and `compare` go together"),
        (f"{{{BASE}, vary: {{g: [x, y]}}, compare: {{length: 0.5}}}}", "nothing that is asked has {g} in it"),
        ("{id: a, every: 1h, prompt: '{g}', vary: {g: [x]}, compare: {length: 0.5}}", "needs two groups at least"),
        ("{id: a, every: 1h, prompt: '{g}', vary: {g: [x, x]}, compare: {length: 0.5}}", "has a group twice"),
        ("{id: a, every: 1h, prompt: '{g}', vary: {g: [x, y]}, compare: {}}", "compares nothing"),
        (f"{{{BASE}, models: [], expect: {{exact: x}}}}", "must not be empty"),
        (f"{{{BASE}, expct: {{exact: x}}}}", "did you mean `expect`?"),
        (f"{{{BASE}, max_tokens: 0, expect: {{exact: x}}}}", "must be greater than or equal to 1"),
        (
            f"{{{BASE}, expect: {{exact: x}}}}, {{{BASE}, expect: {{exact: x}}}}",
            "the probe id `a` stands twice; also in rules/a.yaml:1:15",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(text: str, expected: str) -> None:
    found = problems(f"probes: [{text}]\n")
    assert any(expected in one for one in found), found
    assert all(one.startswith("a.yaml:1:") for one in found)


@pytest.mark.parametrize("per", ["app", "user"])
def test_a_tripwire_on_probes_is_of_models(per: str) -> None:
    (found,) = problems(f"tripwires: [{{id: a, metric: probe_pass_rate, below: 0.9, per: {per}}}]\n")
    assert "probes are nobody's: use global or model" in found
