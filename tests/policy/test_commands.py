"""The commands about rules, run as an operator runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from proxy.commands import rules as commands
from tests.policy.folders import BLOCK_ALPHA, BROKEN, write
from tests.policy.shipped import RULES

SETTINGS = 'backends: {main: {url: "http://127.0.0.1:9", api: openai}}\n'
REDACT = "rules: [{id: digits, on: output, detect: {regex: ['[0-9]{3,9}']}, action: redact}]\n"


def run(*arguments: str, stdin: str | bytes = "") -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(commands.check)
    app.command()(commands.scan)
    app.add_typer(commands.app_rules, name="rules")
    return CliRunner().invoke(app, list(arguments), input=stdin)


def scan(folder: Path, *lines: str | bytes, level: str = "guarded") -> tuple[int, list[dict[str, object]]]:
    stdin = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    result = run("scan", "--rules", str(folder), "--direction", "output", "--level", level, stdin=stdin)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_check_says_that_all_is_well(tmp_path: Path) -> None:
    write(tmp_path, {"proxy.yaml": SETTINGS, "rules/a.yaml": BLOCK_ALPHA})
    result = run("check", "--config", str(tmp_path / "proxy.yaml"))
    assert result.exit_code == 0
    assert result.stdout.startswith("ok: 1 rules in force as policy ")


def test_check_prints_every_problem_with_its_place(tmp_path: Path) -> None:
    write(tmp_path, {"proxy.yaml": SETTINGS, "rules/a.yaml": BROKEN, "rules/b.yaml": "a: [\n"})
    result = run("check", "--config", str(tmp_path / "proxy.yaml"))
    assert result.exit_code == 1
    places = [line.removeprefix(str(tmp_path)).split(": ")[0] for line in result.stdout.splitlines()]
    assert places == ["/rules/a.yaml:1:9", "/rules/a.yaml:1:9", "/rules/a.yaml:1:33", "/rules/b.yaml:2:1"]


def test_check_knows_which_backend_may_answer_what_is_killed(tmp_path: Path) -> None:
    backend = '  {}: {{url: "http://127.0.0.1:{}", api: openai}}\n'
    settings = f"backends:\n{backend.format('main', 8)}{backend.format('calm', 9)}default_backend: main\n"
    rules = "rules: []\ncontainment: {killed: {reply: {backend: NAME}}}\n"
    write(tmp_path, {"proxy.yaml": settings})
    for name, status, said in (
        ("calm", 0, "ok: 0 rules"),
        (
            "main",
            1,
            "rules/a.yaml:2:41: `main` cannot answer in place of a killed model: calls of the openai",
        ),
        ("clam", 1, "rules/a.yaml:2:41: the settings have no backend `clam`; did you mean `calm`?"),
    ):
        write(tmp_path, {"rules/a.yaml": rules.replace("NAME", name)})
        result = run("check", "--config", str(tmp_path / "proxy.yaml"))
        assert (result.exit_code, said in result.stdout) == (status, True), result.stdout


def test_check_tells_of_names_that_nobody_has(tmp_path: Path) -> None:
    settings = SETTINGS + "clients: [{name: shop, app: web, key_file: key}]\n"
    rules = """\
rules: []
containment: {restricted: {allow: [key:shop, key:shpo, app:web, app:shop, "user:4711", region:DE]}}
blocks: [{subject: key:gone, reason: x}, {subject: "ip:10.0.0.0/8", reason: x}]
limits: [{subject: app:gone, rate: 1/hour, reason: x}]
"""
    write(tmp_path, {"proxy.yaml": settings, "key": "a-key-of-some-length", "rules/a.yaml": rules})
    result = run("check", "--config", str(tmp_path / "proxy.yaml"))
    assert result.exit_code == 0, "settings and rules may be changed one after the other"
    lines = [line.removeprefix(f"{tmp_path}/rules/") for line in result.stdout.splitlines()]
    keys, apps = "keys of `clients` in the settings are shop", "apps of `clients` in the settings are web"
    regions = "settings name neither `identify.region_header` nor `identify.geoip_db`"
    assert lines[:-1] == [
        f"a.yaml:{place}: no exchange would ever match `{name}`: the {why} (warning)"
        for place, name, why in (
            ("2:46", "key:shpo", keys),
            ("2:65", "app:shop", apps),
            ("2:88", "region:DE", regions),
            ("3:20", "key:gone", keys),
            ("4:20", "app:gone", apps),
        )
    ]


def test_check_reads_the_rules_of_settings_that_are_wrong(tmp_path: Path) -> None:
    settings = SETTINGS + "open: yes\nrules_dir: mine\n"
    write(
        tmp_path,
        {"proxy.yaml": settings, "mine/a.yaml": BLOCK_ALPHA.replace("alpha", "alpah") + "rulse: []\n"},
    )
    result = run("check", "--config", str(tmp_path / "proxy.yaml"))
    assert result.exit_code == 1
    lines = [line.removeprefix(f"{tmp_path}/") for line in result.stdout.splitlines()]
    assert lines[0] == 'proxy.yaml:2:7: must be true or false, not "yes"'
    assert lines[1].startswith("mine/a.yaml:")
    assert lines[1].endswith("unknown key `rulse`; did you mean `rules`?")
    assert len(lines) == 2, "nothing is said to be in order"


def test_a_wrong_word_is_answered_in_the_houses_words() -> None:
    result = run("scan", "--rules", str(RULES), "--direction", "sideways")
    assert result.exit_code == 2
    assert "must be one of input, output" in " ".join(result.output.split())
    assert "Value error" not in result.output


def test_check_as_json(tmp_path: Path) -> None:
    write(tmp_path, {"proxy.yaml": SETTINGS + "listem: x\n", "rules/a.yaml": BLOCK_ALPHA})
    result = run("check", "--json", "--config", str(tmp_path / "proxy.yaml"))
    assert result.exit_code == 1
    (problem,) = json.loads(result.stdout)["problems"]
    assert (problem["line"], problem["column"]) == (2, 1)
    assert problem["message"] == "unknown key `listem`; did you mean `listen`?"


def test_the_shipped_rules_pass_their_tests() -> None:
    result = run("rules", "test", str(RULES))
    assert result.exit_code == 0, result.stdout


TESTS = """\
cases:
  - name: hidden
    on: output
    text: "call 555123 now"
    expect: {verdict: redact, text: "call <PATTERN> now", rules: [digits]}
  - {on: input, text: "call 555123 now", prompts: [Be brief.], messages: 2, expect: {verdict: allow, rules: []}}
"""


def test_rules_are_tested_by_what_stands_beside_them(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": REDACT, "a.test.yaml": TESTS})
    result = run("rules", "test", str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "2 of 2 cases passed\n")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "verdict: redact",
            "verdict: block",
            "verdict: expected block, got redact (digits found pattern at 5-11 (1.00))",
        ),
        ("<PATTERN> now", "<DIGITS> now", "text: expected 'call <DIGITS> now', got 'call <PATTERN> now'"),
        ("rules: [digits]", "rules: []", "rules: not expected: digits (digits found pattern at 5-11 (1.00))"),
        ("call 555123", "call 55", "rules: nothing was found by digits"),
    ],
)
def test_a_failing_case_says_what_differs(tmp_path: Path, old: str, new: str, told: str) -> None:
    write(tmp_path, {"a.yaml": REDACT, "a.test.yaml": TESTS.replace(old, new, 1)})
    result = run("rules", "test", str(tmp_path))
    assert result.exit_code == 1
    assert f"FAILED {tmp_path}/a.test.yaml:2: hidden\n" in result.stdout
    assert f"    {told}\n" in result.stdout
    assert "1 of 2 cases passed" in result.stdout


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        (None, "no *.test.yaml here, so nothing was tested"),
        ("cases: []\n", "a.test.yaml:1:8: must not be empty"),
        (
            TESTS.replace("expect:", "expct:", 1),
            "a.test.yaml:5:5: unknown key `expct`; did you mean `expect`?",
        ),
        (
            TESTS.replace("[digits]", "[digit]"),
            "a.test.yaml:5:67: there is no rule `digit`; did you mean `digits`?",
        ),
    ],
)
def test_tests_that_cannot_be_run_fail(tmp_path: Path, tests: str | None, told: str) -> None:
    write(tmp_path, {"a.yaml": REDACT} | ({} if tests is None else {"a.test.yaml": tests}))
    result = run("rules", "test", str(tmp_path))
    assert result.exit_code == 1
    assert told in result.stderr


def test_scan_judges_line_by_line(tmp_path: Path) -> None:
    alpha = BLOCK_ALPHA.replace("action: block", "action: block, message: No.")
    write(tmp_path, {"a.yaml": REDACT, "b.yaml": alpha})
    status, answers = scan(tmp_path, '{"text": "call 555123"}', '{"text": "Alpha 1"}', '{"text": "hi"}')
    assert status == 0
    assert [(answer["verdict"], answer["text"]) for answer in answers] == [
        ("redact", "call <PATTERN>"),
        ("block", "No."),
        ("allow", "hi"),
    ]
    assert answers[0]["findings"] == [
        {
            "rule": "digits",
            "detector": "regex",
            "label": "pattern",
            "score": 1.0,
            "action": "redact",
            "mode": "enforce",
            "direction": "output",
            "field": "text",
            "start": 5,
            "end": 11,
        }
    ]


def test_scan_at_open_enforces_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": REDACT})
    _, answers = scan(tmp_path, '{"text": "call 555123"}', level="open")
    assert (answers[0]["verdict"], answers[0]["text"]) == ("flag", "call 555123")


def test_a_bad_line_loses_no_other(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": REDACT})
    status, answers = scan(
        tmp_path,
        "nonsense",
        '{"text": "555"}',
        "",
        '{"txt": 1}',
        '{"text": 5}',
        b"\xff",
        '{"text":"a","text":"b"}',
        '{"text": "\\ud800 555"}',
    )
    assert status == 1
    assert [answer.get("line") for answer in answers] == [1, None, 4, 5, 6, 7, None]
    assert [answer.get("text") for answer in answers if "verdict" in answer] == [
        "<PATTERN>",
        "\ufffd <PATTERN>",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["scan", "--rules", "x", "--direction", "sideways"],
        ["scan", "--rules", "x", "--direction", "output", "--level", "loud"],
        ["scan"],
        ["rules", "test"],
        ["check", "--confg", "x"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["scan", "--rules", "/nowhere", "--direction", "output"],
        ["rules", "test", "/nowhere"],
        ["check", "--config", "/nowhere"],
    ],
)
def test_what_is_not_there_is_status_1_without_a_traceback(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert "cannot be read: No such file or directory" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("arguments", [["check"], ["scan"], ["rules", "test"]])
def test_every_command_shows_an_example(arguments: list[str]) -> None:
    result = run(*arguments, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.output
