"""Rollbacks over the API and from a shell."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.dial.restraint import Kind
from proxy.dial.restraint_turn import restrain
from proxy.model.record import Json
from tests.admin.conftest import Admin
from tests.admin.test_blocks_api import changes
from tests.admin.test_dial_command import run
from tests.dial.helpers import ANN

BACK: dict[str, Json] = {"version": "v1", "reason": "INC-42: v2 insults"}
SUPPORT = "/admin/v1/rollbacks/support-bot"


async def test_put_get_list_delete(admin: Admin) -> None:
    plain = {
        "model": "support-bot",
        "versions": ["v1", "v2"],
        "serve": "v2",
        "served": "v2",
        "rollback": None,
    }
    assert (await admin.call("GET", SUPPORT)).body == plain
    body = (await admin.call("PUT", SUPPORT, json={**BACK, "ttl": "12h"})).body
    rollback = {
        "model": "support-bot", "version": "v1", "actor": "operator-token", "reason": "INC-42: v2 insults",
        "since": "2027-01-15T08:00:00.000Z", "expires": "2027-01-15T20:00:00.000Z", "applies": True,
    }  # fmt: skip
    assert body == {**rollback, "serve": "v2", "changed": True, "durable": True}
    answer = await admin.call("GET", SUPPORT)
    assert answer.body == {**plain, "served": "v1", "rollback": rollback}
    assert (await admin.call("GET", "/admin/v1/rollbacks")).body == {"version": 1, "rollbacks": [rollback]}
    again = await admin.call("PUT", SUPPORT, json={"version": "v2", "reason": "y"})
    assert (again.body["version"], again.body["expires"]) == ("v2", None)
    gone = await admin.call("DELETE", SUPPORT, json={"reason": "fixed"})
    assert (gone.body["changed"], gone.body["serve"], gone.body["durable"]) == (True, "v2", True)
    gone = await admin.call("DELETE", f"{SUPPORT}?reason=fixed")
    assert (gone.status, gone.body["changed"]) == (200, False)
    assert (await admin.call("GET", SUPPORT)).body == plain
    trail = [(one["action"], one["scope"], one["before"], one["after"]) for one in await changes(admin)]
    assert trail == [
        ("rollback.clear", "model:support-bot", "v2", None),
        ("rollback.set", "model:support-bot", "v1", "v2"),
        ("rollback.set", "model:support-bot", None, "v1"),
    ]


async def test_a_ttl_ends(admin: Admin) -> None:
    await admin.call("PUT", SUPPORT, json={**BACK, "ttl": "90s"})
    admin.clock.at += 90
    assert (await admin.call("GET", SUPPORT)).body["served"] == "v2"


@pytest.mark.parametrize(
    ("model", "version", "rollback"),
    [
        ("support-bot", "v1", "support-bot"),
        ("gpt-2", "v1", "support-bot"),
        ("gpt-1", None, "support-bot"),
        ("other", None, None),
    ],
)
async def test_effective_tells_the_version_under_every_name(
    admin: Admin, model: str, version: str | None, rollback: str | None
) -> None:
    await admin.call("PUT", SUPPORT, json=BACK)
    body = (await admin.call("GET", f"/admin/v1/dial/effective?model={model}")).body
    found = body["rollback"]
    assert body["version"] == version
    assert (found["model"] if isinstance(found, dict) else None) == rollback


@pytest.mark.parametrize(
    ("model", "body", "status", "code"),
    [
        ("support-bot", {"version": "v1"}, 422, "reason_required"),
        ("support-bot", {**BACK, "reason": "a\nb"}, 422, "invalid_reason"),
        ("support-bot", {"reason": "x"}, 422, "invalid_version"),
        ("support-bot", {**BACK, "version": "v9"}, 422, "invalid_version"),
        ("support-bot", {**BACK, "version": 1}, 422, "invalid_request"),
        ("support-bot", {**BACK, "ttl": "long"}, 422, "invalid_ttl"),
        ("support-bot", {**BACK, "level": "killed"}, 422, "unknown_key"),
        ("gpt-2", BACK, 404, "no_such_model"),
        ("a%2Fb", BACK, 404, "no_such_model"),
    ],
)
async def test_what_cannot_be_served_says_why_and_changes_nothing(
    admin: Admin, model: str, body: Json, status: int, code: str
) -> None:
    answer = await admin.call("PUT", f"/admin/v1/rollbacks/{model}", json=body)
    assert (answer.status, answer.code) == (status, code)
    if model != "support-bot":
        for method, query in (("GET", ""), ("DELETE", "?reason=x")):
            answer = await admin.call(method, f"/admin/v1/rollbacks/{model}{query}")
            assert (answer.status, answer.code) == (404, "no_such_model")
    assert admin.dial.snapshot().version == 0


async def test_a_version_that_clients_could_not_call_is_refused(admin: Admin, store_path: Path) -> None:
    other = Admin(store_path.with_name("other.sqlite3"))
    backends = {
        **other.settings.backends,
        "claude": replace(other.settings.backends["main"], api="anthropic"),
    }
    support = other.settings.models["support-bot"]
    v1 = replace(support.versions["v1"], backend="claude")
    models = {"support-bot": replace(support, versions={**support.versions, "v1": v1})}
    other.settings = replace(other.settings, backends=backends, models=models)
    await other.start()
    try:
        answer = await other.call("PUT", SUPPORT, json=BACK)
        assert (answer.status, answer.code) == (422, "invalid_version")
    finally:
        await other.stop()


async def test_a_rollback_that_the_settings_do_not_know_any_more_says_so_and_can_be_taken_away(
    admin: Admin,
) -> None:
    await restrain(admin.dial, Kind.ROLLBACK, "gone", "v1", actor=ANN, reason="x")
    await restrain(admin.dial, Kind.ROLLBACK, "support-bot", "v0", actor=ANN, reason="x")
    listed = (await admin.call("GET", "/admin/v1/rollbacks")).body["rollbacks"]
    assert isinstance(listed, list)
    assert [one["applies"] for one in listed if isinstance(one, dict)] == [False, False]
    assert (await admin.call("GET", SUPPORT)).body["served"] == "v2"
    assert (await admin.call("GET", "/admin/v1/dial/effective?model=support-bot")).body["version"] == "v2"
    assert (await admin.call("DELETE", "/admin/v1/rollbacks/gone?reason=x")).body["changed"] is True


async def test_without_a_disk_it_holds_and_is_not_taken_back(admin: Admin) -> None:
    admin.store.broken = True
    assert (await admin.call("PUT", SUPPORT, json=BACK)).body["durable"] is False
    answer = await admin.call("DELETE", f"{SUPPORT}?reason=x")
    assert (answer.status, answer.code) == (503, "not_durable")
    assert (await admin.call("GET", SUPPORT)).body["served"] == "v1"


async def test_of_ten_operators_with_one_version_one_wins(admin: Admin) -> None:
    tag = (await admin.call("GET", SUPPORT)).headers["ETag"]
    answers = await asyncio.gather(
        *(admin.call("PUT", SUPPORT, json=BACK, headers={"If-Match": tag}) for _ in range(10))
    )
    assert sorted(answer.status for answer in answers) == [200] + [412] * 9
    tag = (await admin.call("GET", SUPPORT)).headers["ETag"]
    answers = await asyncio.gather(
        *(admin.call("DELETE", f"{SUPPORT}?reason=x", headers={"If-Match": tag}) for _ in range(10))
    )
    assert sum(answer.status == 200 and answer.body["changed"] is True for answer in answers) == 1
    assert {answer.status for answer in answers} <= {200, 412, 409}


async def test_the_command(admin: Admin, tmp_path: Path) -> None:
    words = ("rollback", "set", "support-bot", "v1", "--reason", "INC-42: [b]v2[/b] insults", "--ttl", "12h")
    done = await run(tmp_path, *words, admin=admin.url)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("support-bot is served as v1 in place of v2, for another ")
    shown = await run(tmp_path, "rollback", "list", admin=admin.url)
    for word in ("support-bot", "v1", "operator-token", "INC-42: [b]v2[/b] insults"):
        assert word in shown.out
    asked = await run(tmp_path, "dial", "effective", "--model", "gpt-2", admin=admin.url)
    assert "served as v1: rolled back by operator-token: INC-42: [b]v2[/b] insults\n" in asked.out
    done = await run(tmp_path, "rollback", "clear", "support-bot", "--reason", "fixed", admin=admin.url)
    assert done.out == "support-bot is served as v2 again.\n"
    done = await run(tmp_path, "rollback", "clear", "support-bot", "--reason", "fixed", admin=admin.url)
    assert done.out == "support-bot was not rolled back: nothing was changed.\n"
    assert (await run(tmp_path, "rollback", "list", admin=admin.url)).out == "No model is rolled back.\n"
    for wrong, status, says in (
        (["support-bot", "v9", "--reason", "x"], 2, "it has: v1, v2"),
        (["suport", "v1", "--reason", "x"], 1, "they have: support-bot, twin"),
        (["support-bot", "v1"], 2, "--reason"),
    ):
        done = await run(tmp_path, "rollback", "set", *wrong, admin=admin.url)
        assert (done.status, done.out) == (status, "")
        assert says in done.err
