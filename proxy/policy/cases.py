"""Tests of rules, written beside them: `*.test.yaml`, read strictly and run on a compiled policy.

Each case is judged twice, whole and one character at a time, as a stream would bring it: a rule whose answer
hangs on how the text was cut fails its test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.detect.base import NO_CONTEXT, Context
from proxy.errors import ConfigError, Problem
from proxy.model.finding import Finding
from proxy.model.level import Direction, Level
from proxy.policy.compile import Policy
from proxy.policy.file import RuleId
from proxy.policy.folder import Folder
from proxy.policy.match import Judge, Selection
from proxy.policy.redact import apply, verdict
from proxy.yaml_model import FileModel, validate
from proxy.yaml_source import in_order, nearest, parse

TEXT_CHARS_MAX: Final = 200_000

LevelWord = Literal["open", "guarded", "degraded", "restricted", "killed"]
VerdictWord = Literal["allow", "flag", "pseudonymize", "redact", "block"]


class ExpectFile(FileModel):
    verdict: VerdictWord
    text: str | None = None
    rules: tuple[RuleId, ...] | None = None


class CaseFile(FileModel):
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    text: Annotated[str, Field(max_length=TEXT_CHARS_MAX)]
    on: Literal["input", "output"]
    level: LevelWord = "guarded"
    model: str | None = None
    app: str | None = None
    prompts: Annotated[
        tuple[Annotated[str, Field(max_length=TEXT_CHARS_MAX)], ...], Field(max_length=100)
    ] = ()
    messages: Annotated[int, Field(ge=1)] = 1
    expect: ExpectFile


class TestFile(FileModel):
    __test__ = False  # no test class, whatever pytest makes of its name

    cases: Annotated[tuple[CaseFile, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a case asks for; None where it does not care. `rules`: all that find anything, in shadow too."""

    verdict: str
    text: str | None = None
    rules: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a policy."""

    place: str  # file:line
    name: str
    text: str
    on: Direction
    selection: Selection
    context: Context
    expected: Expected


@dataclass(frozen=True, slots=True)
class Judged:
    """What a policy made of a text."""

    verdict: str
    text: str
    findings: tuple[Finding, ...]
    errors: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """How one case went: no line in `differences` means that it passed."""

    case: Case
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.differences


def read_cases(folder: Folder, policy: Policy) -> tuple[Case, ...]:
    """The cases of all test files. Raises ConfigError with every problem; an unknown rule id is one."""
    problems = [Problem(folder.label(name), 1, 1, reason) for name, reason in folder.refused.items()]
    cases: list[Case] = []
    known = frozenset(policy.rule_names)
    for name, raw in sorted(folder.files.items()):
        label = folder.label(name)
        try:
            document = parse(label, raw)
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        file = validate(TestFile, document, problems)
        for index, item in enumerate(file.cases if file is not None else ()):
            for at, rule in enumerate(item.expect.rules or ()):
                if rule not in known:
                    message = f"there is no rule `{rule}`" + nearest(rule, policy.rule_names)
                    problems.append(document.problem(("cases", index, "expect", "rules", at), message))
            line, _ = document.mark(("cases", index))
            cases.append(_case(f"{label}:{line}", item))
    if problems:
        raise ConfigError(in_order(problems))
    return tuple(cases)


def _case(place: str, item: CaseFile) -> Case:
    selection = Selection(
        Level.parse(item.level), frozenset() if item.model is None else frozenset({item.model}), item.app
    )
    expect = item.expect
    context = Context(item.prompts, item.messages, sum(map(len, (*item.prompts, item.text))))
    return Case(
        place=place,
        name=item.name or " ".join(item.text.split())[:60],
        text=item.text,
        on=Direction(item.on),
        selection=selection,
        context=context,
        expected=Expected(
            expect.verdict, expect.text, None if expect.rules is None else frozenset(expect.rules)
        ),
    )


def judge_text(
    policy: Policy, direction: Direction, selection: Selection, text: str, context: Context = NO_CONTEXT
) -> Judged:
    """What the policy makes of a whole text, by the same judge as the request path."""
    judge = policy.judge(direction, selection, "text", context)
    findings = _measured(policy, direction, selection, context) + judge.feed(text, final=True).findings
    findings += _rest(judge)
    return Judged(verdict(findings), apply(text, findings), findings, judge.errors)


def _measured(
    policy: Policy, direction: Direction, selection: Selection, context: Context
) -> tuple[Finding, ...]:
    return policy.measure(selection, context) if direction is Direction.INPUT else ()


def _rest(judge: Judge) -> tuple[Finding, ...]:
    """What scorers answered by now; nobody here can wait for one that has not."""
    found: tuple[Finding, ...] = ()
    while waiting := judge.waiting:
        found += (judge.poll() if waiting[0].done() else judge.give_up()).findings
    return found


def run(policy: Policy, cases: tuple[Case, ...]) -> Iterator[Report]:
    """Judge every case."""
    for case in cases:
        yield Report(case, tuple(_differences(policy, case)))


def _differences(policy: Policy, case: Case) -> Iterator[str]:
    judged = judge_text(policy, case.on, case.selection, case.text, case.context)
    expected = case.expected
    for rule, reason in judged.errors:
        yield f"rule {rule} failed: {reason}"
    if judged.verdict != expected.verdict:
        yield f"verdict: expected {expected.verdict}, got {judged.verdict}{_because(judged)}"
    if expected.text is not None and judged.text != expected.text:
        yield f"text: expected {expected.text!r}, got {judged.text!r}"
    rules = frozenset(finding.rule for finding in judged.findings)
    if expected.rules is not None and rules != expected.rules:
        missing, more = sorted(expected.rules - rules), sorted(rules - expected.rules)
        if missing:
            yield f"rules: nothing was found by {', '.join(missing)}"
        if more:
            yield f"rules: not expected: {', '.join(more)}{_because(judged)}"
    if _key(_streamed(policy, case)) != _key(judged.findings):
        yield "stream: one character at a time gives other findings than the whole text"


def _because(judged: Judged) -> str:
    shown = [
        f"{item.rule} found {item.label} at {item.start}-{item.end} ({item.score:.2f})"
        for item in judged.findings[:5]
    ]
    return f" ({'; '.join(shown)})" if shown else ""


def _streamed(policy: Policy, case: Case) -> tuple[Finding, ...]:
    judge = policy.judge(case.on, case.selection, "text", case.context)
    found = list(_measured(policy, case.on, case.selection, case.context))
    for char in case.text:
        found.extend(judge.feed(char).findings)
    found.extend(judge.feed("", final=True).findings)
    found.extend(_rest(judge))
    return tuple(found)


def _key(findings: tuple[Finding, ...]) -> list[tuple[int, int, str, str, str, str]]:
    return sorted(
        (item.start, item.end, item.rule, item.detector, item.label, item.action) for item in findings
    )
