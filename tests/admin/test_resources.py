"""Rules, exchanges, status, health and the API's own description."""

from __future__ import annotations

import re

import pytest

from proxy.admin.api import ENDPOINTS
from proxy.errors import LogUnavailable, Problem
from proxy.log.port import Search
from tests.admin.conftest import Admin

PROBLEM = Problem("rules/a.yaml", 3, 5, "unknown action `blok`; did you mean `block`?")
SHOWN = {"file": PROBLEM.file, "line": 3, "column": 5, "message": PROBLEM.message}


async def test_rules_show_what_is_in_force(admin: Admin) -> None:
    body = (await admin.call("GET", "/admin/v1/rules")).body
    assert body["digest"] == "digest-1"
    assert body["loaded_at"] == "2027-01-15T08:00:00.000Z"
    assert body["last_error"] is None
    rules = body["rules"]
    assert isinstance(rules, list)
    assert rules[0] == {
        "id": "words", "on": "output", "detect": {"phrases": {"any": ["codeword"], "whole_word": True}},
        "action": "block", "levels": {"degraded": "block"}, "on_error": "block", "mode": "enforce",
        "severity": "medium", "message": "no", "when": {"models": ["bot"], "apps": ["shop"]},
    }  # fmt: skip
    detects = [one["detect"] for one in rules if isinstance(one, dict)]
    assert detects[1:] == [
        {"regex": {"patterns": [{"pattern": "sk-[a-z]+", "max_length": 80}]}},
        {"pii": {"entities": ["EMAIL_ADDRESS", "US_SSN"], "min_score": 0.5}},
        {"secrets": {"kinds": ["AWS_ACCESS_KEY_ID", "NPM_TOKEN"]}},
        {"toxicity": {"toxicity": 0.8}},
    ]
    assert isinstance(rules[1], dict)
    assert rules[1]["on_error"] == "allow"


async def test_a_reload_answers_with_what_is_in_force_and_is_on_the_trail(admin: Admin) -> None:
    answer = await admin.call("POST", "/admin/v1/rules/reload")
    assert (answer.status, answer.body) == (200, {"digest": "digest-2"})
    assert (await admin.call("GET", "/admin/v1/rules")).body["digest"] == "digest-2"
    changes = (await admin.call("GET", "/admin/v1/changes")).body["changes"]
    assert isinstance(changes, list)
    assert isinstance(changes[0], dict)
    shown = {name: changes[0][name] for name in ("actor", "action", "before", "after")}
    assert shown == {
        "actor": "operator-token",
        "action": "rules.reload",
        "before": "digest-1",
        "after": "digest-2",
    }
    await admin.call("POST", "/admin/v1/rules/reload", json={"reason": "again"})
    again = (await admin.call("GET", "/admin/v1/changes")).body["changes"]
    assert again == changes  # nothing changed, so no change


async def test_a_reload_with_problems_keeps_the_policy(admin: Admin) -> None:
    admin.policy.problems = (PROBLEM,)
    answer = await admin.call("POST", "/admin/v1/rules/reload")
    assert (answer.status, answer.code) == (422, "invalid_rules")
    assert answer.body["problems"] == [SHOWN]
    body = (await admin.call("GET", "/admin/v1/rules")).body
    assert body["digest"] == "digest-1"
    assert body["last_error"] == {"problems": [SHOWN]}


async def test_a_search_reaches_the_log_as_it_was_asked(admin: Admin) -> None:
    query = (
        "model=m&app=a&subject=user:1&outcome=redacted&rule=r&q=two%20words&since=2027-01-15T08:00:00Z"
        "&until=1800000060.5&limit=7&cursor=c&level=degraded&policy=d1&min_score=toxicity=0.5,insult=.25"
        "&max_score=toxicity%3D0.9"
    )
    answer = await admin.call("GET", f"/admin/v1/exchanges?{query}")
    assert answer.body == {"exchanges": [{"id": "e1", "outcome": "released"}], "next": "cursor-2"}
    assert admin.log.asked == [
        Search(
            model="m", app="a", subject="user:1", outcome="redacted", rule="r", q="two words",
            since=1_800_000_000.0, until=1_800_000_060.5, limit=7, cursor="c",
            level="degraded", policy="d1", scores={"toxicity": 0.5, "insult": 0.25}, max_scores={"toxicity": 0.9},
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "until=1e400",
        "limit=0",
        "limit=1001",
        "since=",
        "since=nan",
        "min_score=toxicity",
        "max_score=toxicity<=1",
        "max_score=",
        "min_score=toxicity=0.5,",
        "max_score=a=1,a=0.5",
        "max_score=a=-1",
    ],
)
async def test_searches_that_cannot_be(admin: Admin, query: str) -> None:
    answer = await admin.call("GET", f"/admin/v1/exchanges?{query}")
    assert answer.status == 422
    assert answer.code in ("invalid_search", "invalid_parameter")


async def test_what_the_log_finds_senseless_is_422(admin: Admin) -> None:
    admin.log.failure = ValueError("no such subject")
    answer = await admin.call("GET", "/admin/v1/exchanges?subject=x")
    assert (answer.status, answer.code) == (422, "invalid_search")


async def test_one_exchange_or_none(admin: Admin) -> None:
    assert (await admin.call("GET", "/admin/v1/exchanges/e1")).body["id"] == "e1"
    answer = await admin.call("GET", "/admin/v1/exchanges/e2")
    assert (answer.status, answer.code) == (404, "exchange_not_found")


@pytest.mark.parametrize("path", ["/admin/v1/exchanges", "/admin/v1/exchanges/e1"])
async def test_a_log_that_cannot_be_read_is_503(admin: Admin, path: str) -> None:
    admin.log.failure = LogUnavailable("the disk is gone")
    answer = await admin.call("GET", path)
    assert (answer.status, answer.code) == (503, "log_unavailable")


async def test_status_has_the_proxys_own_figures_and_the_dials(admin: Admin) -> None:
    body = (await admin.call("GET", "/admin/v1/status")).body
    assert body["version"] == "0.1.0"
    assert body["dial"] == {
        "version": 0, "settings": 0, "blocks": 0, "rollbacks": 0, "limits": 0,
        "unstored_changes": 0, "exchanges_attached": 0,
    }  # fmt: skip


async def test_readiness_names_what_is_wrong(admin: Admin) -> None:
    assert (await admin.call("GET", "/readyz", role=None)).body == {
        "ready": True, "checks": {"policy": "ok", "log": "ok"},
    }  # fmt: skip
    admin.checks["log"] = "the disk is full"
    answer = await admin.call("GET", "/readyz", role=None)
    assert (answer.status, answer.code) == (503, "not_ready")
    assert b"the disk is full" in answer.raw
    assert (await admin.call("GET", "/healthz", role=None)).body == {"status": "ok"}


async def test_metrics_are_prometheus_text(admin: Admin) -> None:
    answer = await admin.call("GET", "/metrics", role=None)
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert b"guardrail_in_flight" in answer.raw


async def test_the_description_names_every_call_and_no_other(admin: Admin) -> None:
    body = (await admin.call("GET", "/admin/v1/openapi.json")).body
    assert body["openapi"] == "3.1.0"
    paths = body["paths"]
    assert isinstance(paths, dict)
    described = {
        (method.upper(), path)
        for path, methods in paths.items()
        if isinstance(methods, dict)
        for method in methods
    }
    assert described == {(one.method, re.sub(r":[^}]*}", "}", one.path)) for one in ENDPOINTS}
