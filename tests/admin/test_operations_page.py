"""The page for 3 a.m. says what is so: its commands run as they stand, its calls exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from proxy.admin.api import ENDPOINTS
from tests.admin.conftest import Admin
from tests.admin.test_dial_command import ROOT, run

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
OVER_THE_API = {"dial", "block", "limit", "rollback", "patch", "changes"}
COMMANDS = [
    words
    for words in (shlex.split(line)[1:] for line in SHELL if line.startswith("guardrail-proxy "))
    if words[0] in OVER_THE_API
]
CALLS = [
    (re.search(r"-X (\w+)", line), re.search(r"http://127\.0\.0\.1:8081(/[\w/.?=&-]*)", line))
    for line in SHELL
    if line.startswith("curl ")
]


async def test_its_commands_run_in_its_order_and_end_with_nothing_set(admin: Admin, tmp_path: Path) -> None:
    assert len(COMMANDS) >= 10
    levels = []
    for words in COMMANDS:
        done = await run(tmp_path, *words, admin=admin.url)
        assert done.status == 0, (words, done.err)
        levels.append({one.level.word for one in admin.dial.snapshot().settings})
    assert {"killed"} in levels
    assert done.out == "Nothing is set: every exchange is at guarded.\n"
    assert done.out in PAGE


@pytest.mark.parametrize("call", CALLS, ids=[path[1] if path else "?" for _, path in CALLS])
async def test_its_calls_answer(
    admin: Admin, call: tuple[re.Match[str] | None, re.Match[str] | None]
) -> None:
    method, path = call
    assert path is not None
    answer = await admin.call(method[1] if method else "GET", path[1])
    assert answer.status == 200


def test_every_code_that_it_explains_is_one_that_the_api_gives() -> None:
    source = "".join(file.read_text("utf-8") for file in sorted((ROOT / "proxy" / "admin").glob("*.py")))
    explained = set(re.findall(r"\((\w+_\w+|unauthenticated|conflict)\)`", PAGE))
    assert len(explained) >= 5
    assert {code for code in explained if f'"{code}"' not in source} == set()


def test_the_metrics_that_it_names_exist() -> None:
    named = set(re.findall(r"guardrail_(dial_\w+?)(?:_total)?[{`]", PAGE))
    source = (ROOT / "proxy" / "metrics.py").read_text("utf-8")
    assert len(named) == 4
    assert {name for name in named if f'"{name}"' not in source} == set()


def test_the_table_of_calls_has_no_path_twice() -> None:
    rows = [(one.method, one.path) for one in ENDPOINTS]
    assert len(rows) == len(set(rows))
