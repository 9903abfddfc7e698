"""A version that is fallen back to gets what its own level and model leave of the request, and gets it once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from proxy.settings import ModelSettings, Version
from tests.fakes import Json, Pause, Reset
from tests.scenario.test_fallback import ask, between
from tests.scenario.test_identity import REPLY

RULES = """\
rules: []
containment:
  degraded: {keep_messages: 1, system_prompt: Be brief., temperature: 0.0, max_output_tokens: 40}
"""
LONG: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "You sell shoes."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "said"},
        {"role": "user", "content": "last"},
    ],
}


def models(spare: str) -> MappingProxyType[str, ModelSettings]:
    versions = {"v2": Version("main", "gpt-4o"), "v1": Version("spare", spare)}
    return MappingProxyType({"support": ModelSettings(MappingProxyType(versions), "v2", ("v1",))})


@pytest.mark.parametrize(
    ("spare", "temperature", "cap"),
    [("gpt-4o-mini", 0.0, "max_tokens"), ("o3-mini", None, "max_completion_tokens")],
)
async def test_at_degraded_it_is_cut_down_for_the_version_that_answers(
    spare: str, temperature: float | None, cap: str, tmp_path: Path
) -> None:
    async with between(tmp_path, [Reset()], [Json(REPLY)], models=models(spare), rules=RULES) as (
        proxy,
        backends,
    ):
        await proxy.dial("degraded")
        assert (await ask(proxy, **LONG)).status == 200
        first, second = (backend.requests[0].json for backend in backends)
        assert isinstance(first, dict)
        assert isinstance(second, dict)
        assert (first["temperature"], first["model"]) == (0.0, "gpt-4o")
        assert (second.get("temperature"), second[cap], second["model"]) == (temperature, 40, spare)
        said = str(second["messages"])
        assert (said.count("Be brief."), said.count("You sell shoes."), said.count("last")) == (1, 1, 1)
        assert "first" not in said
        (record,) = await proxy.records()
        assert (record["level"], record["outcome"]) == ("degraded", "released")
        assert record["request"]["sent"] == second
        assert [one["version"] for one in record["attempts"]] == ["v2"]


async def test_a_level_that_rose_meanwhile_holds_for_the_version_that_is_asked_next(tmp_path: Path) -> None:
    hang = Pause()
    async with between(
        tmp_path, [hang, Reset()], [Json(REPLY)], models=models("gpt-4o-mini"), rules=RULES
    ) as (proxy, backends):
        asking = asyncio.ensure_future(ask(proxy, **LONG))
        await backends[0].received(1)
        await proxy.dial("degraded")
        hang.event.set()
        assert (await asking).headers["x-guardrail-level"] == "degraded"
        second = backends[1].requests[0].json
        assert isinstance(second, dict)
        assert (second["temperature"], len(second["messages"])) == (0.0, 2)


async def test_a_version_at_a_stricter_level_is_passed_over(tmp_path: Path) -> None:
    for scope, level in (("model:gpt-4o-mini", "degraded"), ("model:gpt-4o-mini", "restricted")):
        folder = tmp_path / level
        folder.mkdir()
        async with between(folder, [Reset()], [Json(REPLY)], models=models("gpt-4o-mini"), rules=RULES) as (
            proxy,
            backends,
        ):
            await proxy.dial(level, scope)
            assert (await ask(proxy, **LONG)).status == 502
            assert not backends[1].requests
