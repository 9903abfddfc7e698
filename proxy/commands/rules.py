"""Commands about rules: check settings and rules, test rules, scan text with them."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer

from proxy import jsonio, logs
from proxy.commands.options import direction_option
from proxy.detect.base import Context
from proxy.detect.offers import NO_SCORERS, Offers
from proxy.errors import ConfigError, Problem
from proxy.jsonio import InvalidJson
from proxy.model.finding import Finding
from proxy.model.level import Direction, Level
from proxy.model.record import Json
from proxy.policy.cases import Judged, Report, judge_text, read_cases, run
from proxy.policy.compile import Policy, compile_policy
from proxy.policy.match import Selection
from proxy.policy.reading import read_folder
from proxy.scoring.blocking import NOBODY, blocking_scorers
from proxy.scoring.service import ScorerService
from proxy.settings import Scoring, load, stated_folders

LINE_BYTES_MAX: Final = 64 * 1024 * 1024
"""A longer line of `scan` is answered with an error line."""

_SURROGATE = re.compile("[\ud800-\udfff]")

app_rules = typer.Typer(name="rules", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option(help="The settings file, for its `scoring`; without it, what is installed.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app_rules.callback()
def _rules() -> None:
    """Test rule files.

    Example: guardrail-proxy rules test rules
    """


def check(
    config: Annotated[Path, typer.Option(help="The settings file.")] = Path("proxy.yaml"),
    json: JsonOption = False,
) -> None:
    """Validate settings and rules; print every problem as file:line:column: message.

    The rules are checked too where the settings are wrong. What only a file in order can tell (an environment
    variable that is missing, a name that stands nowhere) shows once its keys and values are right.

    Example: guardrail-proxy check --config proxy.yaml
    """
    problems: list[Problem] = []
    warnings: tuple[Problem, ...] = ()
    policy: Policy | None = None
    rules_dir: Path | None = None
    try:
        settings = load(config, os.environ)
        rules_dir = settings.rules_dir
        offers = ScorerService(settings.scoring, settings.data_dir, NOBODY).offers
        offers = replace(
            offers, backends=settings.stand_ins, unmatched=settings.unmatched, alerts=settings.alert_names
        )
    except ConfigError as error:
        problems.extend(error.problems)
        offers, rules_dir = _without_settings(config) if rules_dir is None else (NO_SCORERS, None)
    if rules_dir is not None:
        try:
            policy = compile_policy(read_folder(rules_dir), None, offers)
            warnings = policy.warnings
        except ConfigError as error:
            problems.extend(error.problems)
    if json:
        answer: Json = {
            "problems": [_problem_json(problem) for problem in problems],
            "warnings": [_problem_json(warning) for warning in warnings],
            "digest": policy.digest if policy is not None else None,
        }
        typer.echo(jsonio.dumps(answer))
    else:
        for problem in problems:
            typer.echo(str(problem))
        for warning in warnings:
            typer.echo(f"{warning} (warning)")
        if policy is not None and not problems:
            typer.echo(f"ok: {len(policy.rules)} rules in force as policy {policy.digest}")
    if problems:
        raise typer.Exit(1)


def _without_settings(config: Path) -> tuple[Offers, Path | None]:
    """What the rules can be checked with where the settings are wrong: what is installed, and no backends."""
    folders = stated_folders(config)
    if folders is None:
        return NO_SCORERS, None
    try:
        return ScorerService(Scoring(), folders[1], NOBODY).offers, folders[0]
    except ConfigError:  # the exported model is not whole; its problem stands with settings that are right
        return NO_SCORERS, None


@app_rules.command("test")
def run_tests(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the rules and their tests.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Run the *.test.yaml beside the rules, each case as a whole text and as a stream.

    Example: guardrail-proxy rules test rules/
    """
    with _compiled(folder, config) as policy:
        try:
            cases = read_cases(read_folder(folder, tests=True), policy)
        except ConfigError as error:
            _print_problems(error)
            raise typer.Exit(1) from None
        if not cases:
            # A folder whose tests moved away must not look like one whose tests pass.
            typer.echo(f"{folder}: no *.test.yaml here, so nothing was tested", err=True)
            raise typer.Exit(1)
        reports = list(run(policy, cases))
    failed = [report for report in reports if not report.passed]
    if json:
        answer: Json = {
            "digest": policy.digest,
            "cases": len(reports),
            "failed": [_report_json(report) for report in failed],
        }
        typer.echo(jsonio.dumps(answer))
    else:
        for report in failed:
            typer.echo(f"FAILED {report.case.place}: {report.case.name}")
            for difference in report.differences:
                typer.echo(f"    {difference}")
        typer.echo(f"{len(reports) - len(failed)} of {len(reports)} cases passed")
    if failed:
        raise typer.Exit(1)


def scan(
    rules: Annotated[Path, typer.Option(help="The folder of the rules.")],
    direction: Annotated[Direction, direction_option(help="Which rules: those on input or on output.")],
    level: Annotated[str, typer.Option(help="The dial level to judge at.")] = Level.GUARDED.word,
    model: Annotated[str | None, typer.Option(help="The model, for rules with `when`.")] = None,
    app: Annotated[str | None, typer.Option(help="The application, for rules with `when`.")] = None,
    config: ConfigOption = None,
) -> None:
    """Judge JSON lines {"text": …} from standard input; write verdict, text and findings for each.

    A line that cannot be read gives {"line": …, "error": …} in its place, and exit status 1 at the end.

    Example: echo '{"text": "mail joe@example.com"}' | guardrail-proxy scan --rules rules --direction output
    """
    try:
        at = Level.parse(level)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--level") from None
    models = frozenset() if model is None else frozenset({model})
    selection = Selection(at, models, app)
    out = sys.stdout.buffer
    bad = 0
    try:
        with _compiled(rules, config) as policy:
            for number, line in _lines(sys.stdin.buffer):
                answer = _scan_line(policy, direction, selection, number, line)
                bad += "error" in answer
                out.write(jsonio.dumps(answer) + b"\n")
                out.flush()
    except BrokenPipeError:
        # Whoever read the lines has seen enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    if bad:
        raise typer.Exit(1)


def _scan_line(
    policy: Policy, direction: Direction, selection: Selection, number: int, line: bytes | None
) -> dict[str, Json]:
    if line is None:
        return {"line": number, "error": f"longer than {LINE_BYTES_MAX} bytes"}
    try:
        value = jsonio.loads_strict(line)
    except InvalidJson as error:
        return {"line": number, "error": f"not JSON: {error}"}
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        return {"line": number, "error": 'must be an object with the text to judge, as {"text": "…"}'}
    context = Context(messages=1, characters=len(text))
    judged = judge_text(policy, direction, selection, _SURROGATE.sub("\ufffd", text), context)
    if judged.errors:
        reasons = ", ".join(f"{rule} ({reason})" for rule, reason in judged.errors)
        return {"line": number, "error": f"a detector failed: {reasons}", **_judged_json(judged)}
    return _judged_json(judged)


def _lines(source: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """The lines that hold anything, numbered from 1; None for one over the limit, which is passed over."""
    number = 0
    while line := source.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX and not line.endswith(b"\n"):
            while rest := source.readline(LINE_BYTES_MAX):
                if rest.endswith(b"\n"):
                    break
            yield number, None
        elif line.strip():
            yield number, line


@contextmanager
def _compiled(folder: Path, config: Path | None) -> Iterator[Policy]:
    """The policy of a folder, with the scorers that it needs up for the length of the block."""
    logs.configure("console", logging.WARNING)  # standard output is for the command's own lines
    try:
        settings = load(config, os.environ) if config is not None else None
        scoring = settings.scoring if settings is not None else Scoring()
        with blocking_scorers(scoring, settings.data_dir if settings is not None else None) as scorers:
            offers = scorers.offers
            if settings is not None:
                offers = replace(
                    offers,
                    backends=settings.stand_ins,
                    unmatched=settings.unmatched,
                    alerts=settings.alert_names,
                )
            policy = compile_policy(read_folder(folder), None, offers)
            if faults := scorers.prepare(policy.needs):
                raise ConfigError(tuple(Problem(str(folder), 1, 1, fault) for fault in faults))
            yield policy
    except ConfigError as error:
        _print_problems(error)
        raise typer.Exit(1) from None


def _print_problems(error: ConfigError) -> None:
    for problem in error.problems:
        typer.echo(str(problem), err=True)


def _problem_json(problem: Problem) -> Json:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
    }


def _report_json(report: Report) -> Json:
    return {
        "place": report.case.place,
        "name": report.case.name,
        "differences": list(report.differences),
    }


def _judged_json(judged: Judged) -> dict[str, Json]:
    return {
        "verdict": judged.verdict,
        "text": judged.text,
        "findings": [_finding_json(finding) for finding in judged.findings],
    }


def _finding_json(finding: Finding) -> Json:
    return {
        "rule": finding.rule,
        "detector": finding.detector,
        "label": finding.label,
        "score": finding.score,
        "action": finding.action.value,
        "mode": finding.mode.value,
        "direction": finding.direction.value,
        "field": finding.field,
        "start": finding.start,
        "end": finding.end,
    }
