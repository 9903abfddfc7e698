"""openapi.json is true: schemathesis, which knows nothing but that document, finds no answer of a running proxy
that it does not describe, nothing that it forbids and is taken, and nothing that it allows and is refused."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from proxy.settings import ModelSettings, Version
from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import ADMIN_TOKEN, LEAK_RULES, Proxy, post, running, settings_for
from tests.tidy import ROOT

EXAMPLES = 4
"""Drawn requests for each call, beside those that schemathesis derives from the document."""

CONFIG = """\
checks.positive_data_acceptance.enabled = false  # taken_as_the_schema_says is stricter
checks.negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "412", "422"]

[[operations]]
include-path = "/admin/v1/rollbacks/{model}"
parameters = { "path.model" = "bot" }

[[operations]]
include-path = "/admin/v1/exchanges/{id}"
parameters = { "path.id" = "EXCHANGE" }
"""


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    versions = {"v1": Version("main", "gpt-1"), "v2": Version("main", "gpt-2")}
    async with ScriptedBackend([Json({"choices": []})]) as backend:
        settings = settings_for(tmp_path, backend.url, rules=LEAK_RULES)
        models = MappingProxyType({"bot": ModelSettings(versions, serve="v2")})
        async with running(replace(settings, models=models)) as proxy:
            yield proxy


async def test_schemathesis_finds_nothing_that_is_not_so(proxy: Proxy, tmp_path: Path) -> None:
    question = {"model": "bot", "messages": [{"role": "user", "content": "hello"}]}
    id = (await post(f"{proxy.url}/v1/chat/completions", question)).headers["x-guardrail-exchange"]
    (tmp_path / "schemathesis.toml").write_text(CONFIG.replace("EXCHANGE", id))
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "schemathesis", "run", f"{proxy.admin}/admin/v1/openapi.json",
        "--header", f"Authorization: Bearer {ADMIN_TOKEN}", "--phases", "coverage,fuzzing",
        "--max-examples", str(EXAMPLES), "--generation-deterministic",
        "--continue-on-failure", "--no-color",
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT),
             "SCHEMATHESIS_HOOKS": "tests.admin.schemathesis_checks"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 300)
    assert process.returncode == 0, out.decode()
