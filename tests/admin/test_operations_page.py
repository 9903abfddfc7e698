"""The page for 3 a.m. and the one behind it say what is so: their commands run as they stand, their calls exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from proxy.admin.api import ENDPOINTS
from tests.admin.conftest import Admin
from tests.admin.test_dial_command import ROOT, run

AT_NIGHT = (ROOT / "docs" / "operations.md").read_text("utf-8")
PAGE = (ROOT / "docs" / "operating.md").read_text("utf-8")
OVER_THE_API = {"dial", "block", "limit", "rollback", "patch", "changes"}


def shell(page: str) -> list[str]:
    return [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]


SHELL = shell(PAGE)
CALLS = [
    (re.search(r"-X (\w+)", line), re.search(r"http://127\.0\.0\.1:8081(/[\w/.?=&-]*)", line))
    for line in SHELL
    if line.startswith("curl ")
]


@pytest.mark.parametrize("page", [AT_NIGHT, PAGE], ids=["at-3-am", "operations"])
async def test_its_commands_run_in_its_order_and_end_with_nothing_set(
    admin: Admin, tmp_path: Path, page: str
) -> None:
    every = [
        shlex.split(line, comments=True)[1:] for line in shell(page) if line.startswith("guardrail-proxy ")
    ]
    commands = [words for words in every if words[0] in OVER_THE_API]
    assert len(commands) >= 10
    levels = []
    for words in commands:
        done = await run(tmp_path, *words, admin=admin.url)
        assert done.status == 0, (words, done.err)
        levels.append({one.level.word for one in admin.dial.snapshot().settings})
    assert {"killed"} in levels
    assert done.out == "Nothing is set: every exchange is at guarded.\n"


def test_what_to_do_at_night_is_one_page() -> None:
    assert len(AT_NIGHT.split()) <= 500
    assert len(AT_NIGHT.splitlines()) <= 75


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
