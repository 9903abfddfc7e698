"""Limits over the API and from a shell: as blocks, and with a rate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.model.record import Json
from tests.admin.conftest import Admin
from tests.admin.test_blocks_api import changes
from tests.admin.test_dial_command import run

LIMIT: dict[str, Json] = {"subject": "user:bob", "rate": "10 / minutes", "reason": "INC-42"}


async def test_add_list_remove(admin: Admin) -> None:
    body = (await admin.call("POST", "/admin/v1/limits", json={**LIMIT, "ttl": "30m"})).body
    id = body["id"]
    limit = {
        "id": id, "subject": "user:bob", "rate": "10/minute", "actor": "operator-token", "reason": "INC-42",
        "since": "2027-01-15T08:00:00.000Z", "expires": "2027-01-15T08:30:00.000Z",
    }  # fmt: skip
    assert body == {**limit, "changed": True, "durable": True, "version": 1}
    assert (await admin.call("GET", "/admin/v1/limits")).body == {"version": 1, "limits": [limit]}
    assert (await admin.call("GET", "/admin/v1/dial/effective?user=bob")).body["limits"] == [limit]
    assert (await admin.call("GET", "/admin/v1/blocks")).body["blocks"] == []
    answer = await admin.call("DELETE", f"/admin/v1/blocks/{id}?reason=over")
    assert (answer.status, answer.code) == (404, "no_such_restraint"), "a limit is no block"
    answer = await admin.call("DELETE", f"/admin/v1/limits/{id}", json={"reason": "over"})
    assert answer.body == {**limit, "changed": True, "durable": True, "version": 2}
    gone, came = await changes(admin)
    assert (came["action"], came["before"], came["after"]) == ("limit.add", None, f"10/minute ({id})")
    assert (gone["action"], gone["before"], gone["after"]) == ("limit.remove", f"10/minute ({id})", None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({**LIMIT, "reason": ""}, "reason_required"),
        ({**LIMIT, "subject": "global"}, "invalid_subject"),
        ({**LIMIT, "subject": "app:shop"}, "unmatched_subject"),
        ({**LIMIT, "rate": "often"}, "invalid_rate"),
        ({**LIMIT, "rate": "0/minute"}, "invalid_rate"),
        ({**LIMIT, "rate": "10/minute;100/hour"}, "invalid_rate"),
        ({"subject": "user:bob", "reason": "x"}, "invalid_rate"),
        ({**LIMIT, "rate": 10}, "invalid_request"),
        ({**LIMIT, "ttl": "1w"}, "invalid_ttl"),
        ({**LIMIT, "level": "killed"}, "unknown_key"),
    ],
)
async def test_what_cannot_be_added_says_why_and_changes_nothing(admin: Admin, body: Json, code: str) -> None:
    answer = await admin.call("POST", "/admin/v1/limits", json=body)
    assert (answer.status, answer.code) == (422, code)
    assert admin.dial.snapshot().version == 0


async def test_too_many_calls_to_remember_are_refused(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.dial.restraint_turn.CALLS_HELD_MAX", 9)
    answer = await admin.call("POST", "/admin/v1/limits", json=LIMIT)
    assert (answer.status, answer.code) == (409, "too_many_restraints")


async def test_the_command(admin: Admin, tmp_path: Path) -> None:
    words = ("limit", "add", "ip:2001:db8::/32", "500/12 hours", "--reason", "INC-42: loop", "--ttl", "2h")
    done = await run(tmp_path, *words, admin=admin.url)
    assert (done.status, done.err) == (0, "")
    (limit,) = admin.dial.restraints()
    assert done.out.startswith("ip:2001:db8::/32 is limited to 500/12 hours, for another ")
    shown = await run(tmp_path, "limit", "list", admin=admin.url)
    for word in (limit.id, "ip:2001:db8::/32", "500/12 hours", "operator-token", "INC-42: loop"):
        assert word in shown.out
    asked = await run(tmp_path, "dial", "effective", "--ip", "2001:db8::1", admin=admin.url)
    assert (
        f"limited: ip:2001:db8::/32 to 500/12 hours by operator-token: INC-42: loop ({limit.id})\n"
        in asked.out
    )
    gone = await run(
        tmp_path, "limit", "remove", "ip:2001:db8::/32", "--reason", "x", "--json", admin=admin.url
    )
    assert [one["rate"] for one in json.loads(gone.out)["removed"]] == ["500/12 hours"]
    assert (await run(tmp_path, "limit", "list", admin=admin.url)).out == "Nobody is limited.\n"
    done = await run(tmp_path, "limit", "add", "user:bob", "often", "--reason", "x", admin=admin.url)
    assert (done.status, done.out) == (2, "")
    assert "invalid_rate" in done.err
