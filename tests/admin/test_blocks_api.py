"""Blocks over the API, row by row of the contract."""

from __future__ import annotations

import asyncio

import pytest

from proxy.model.record import Json
from tests.admin.conftest import Admin

BLOCK: dict[str, Json] = {"subject": "user:bob", "reason": "INC-42"}


async def add(admin: Admin, subject: str = "user:bob", **more: str) -> dict[str, Json]:
    answer = await admin.call("POST", "/admin/v1/blocks", json={**BLOCK, "subject": subject, **more})
    assert answer.status == 200, answer.raw
    return answer.body


async def changes(admin: Admin) -> list[dict[str, Json]]:
    """The trail, newest first."""
    found = (await admin.call("GET", "/admin/v1/changes")).body["changes"]
    assert isinstance(found, list)
    return [one for one in found if isinstance(one, dict)]


async def test_add_list_remove(admin: Admin) -> None:
    body = await add(admin, "ip:::ffff:203.0.113.0/120", ttl="30m")
    id = body["id"]
    block = {
        "id": id, "subject": "ip:203.0.113.0/24", "actor": "operator-token", "reason": "INC-42",
        "since": "2027-01-15T08:00:00.000Z", "expires": "2027-01-15T08:30:00.000Z",
    }  # fmt: skip
    assert body == {**block, "changed": True, "durable": True, "version": 1}
    answer = await admin.call("GET", "/admin/v1/blocks")
    assert answer.body == {"version": 1, "blocks": [block]}
    assert answer.headers["ETag"] == (await admin.call("GET", "/admin/v1/dial")).headers["ETag"]
    answer = await admin.call("DELETE", f"/admin/v1/blocks/{id}?reason=over")
    assert answer.body == {**block, "changed": True, "durable": True, "version": 2}
    assert (await admin.call("GET", "/admin/v1/blocks")).body == {"version": 2, "blocks": []}
    gone, came = await changes(admin)
    assert (gone["action"], gone["scope"], gone["before"], gone["after"], gone["reason"]) == (
        "block.remove", "ip:203.0.113.0/24", f"blocked ({id})", None, "over",
    )  # fmt: skip
    assert (came["action"], came["actor"], came["after"]) == (
        "block.add",
        "operator-token",
        f"blocked ({id})",
    )


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**BLOCK, "reason": " "}, 422, "reason_required"),
        ({"subject": "user:bob"}, 422, "reason_required"),
        ({"reason": "x"}, 422, "invalid_subject"),
        ({**BLOCK, "subject": 7}, 422, "invalid_request"),
        ({**BLOCK, "subject": "model:bot"}, 422, "invalid_subject"),
        ({**BLOCK, "subject": "ip:10.0.0.5/8"}, 422, "invalid_subject"),
        ({**BLOCK, "subject": "key:shop"}, 422, "unmatched_subject"),
        ({**BLOCK, "subject": "region:DE"}, 422, "unmatched_subject"),
        ({**BLOCK, "subject": "app:shop"}, 422, "unmatched_subject"),
        ({**BLOCK, "ttl": "soon"}, 422, "invalid_ttl"),
        ({**BLOCK, "rate": "10/minute"}, 422, "unknown_key"),
        ([], 422, "invalid_request"),
    ],
)
async def test_what_cannot_be_added_says_why_and_changes_nothing(
    admin: Admin, body: Json, status: int, code: str
) -> None:
    answer = await admin.call("POST", "/admin/v1/blocks", json=body)
    assert (answer.status, answer.code) == (status, code)
    assert admin.dial.snapshot().version == 0


async def test_what_is_no_json_and_what_is_too_much(admin: Admin) -> None:
    for data, status in ((b"{", 400), (b'{"reason": "x", "reason": "y"}', 400), (b" " * 70_000, 413)):
        assert (await admin.call("POST", "/admin/v1/blocks", data=data)).status == status
    assert admin.dial.snapshot().version == 0


async def test_what_is_not_there_is_404_and_no_reason_is_422(admin: Admin) -> None:
    id = (await add(admin))["id"]
    answer = await admin.call("DELETE", f"/admin/v1/blocks/{id}")
    assert (answer.status, answer.code) == (422, "reason_required")
    for other in ("none", "%00", "a%2Fb"):
        answer = await admin.call("DELETE", f"/admin/v1/blocks/{other}?reason=x")
        assert (answer.status, answer.code) == (404, "no_such_restraint")
    assert len(admin.dial.restraints()) == 1


async def test_an_old_version_is_412(admin: Admin) -> None:
    tag = (await admin.call("GET", "/admin/v1/blocks")).headers["ETag"]
    body = await add(admin)
    for method, path, sent in (
        ("POST", "/admin/v1/blocks", BLOCK), ("DELETE", f"/admin/v1/blocks/{body['id']}", {"reason": "x"}),
    ):  # fmt: skip
        answer = await admin.call(method, path, json=sent, headers={"If-Match": tag})
        assert (answer.status, answer.code) == (412, "version_mismatch")
    assert len(admin.dial.restraints()) == 1


async def test_without_a_disk_a_block_holds_and_its_removal_is_refused(admin: Admin) -> None:
    id = (await add(admin))["id"]
    admin.store.broken = True
    assert (await add(admin, "user:eve"))["durable"] is False
    answer = await admin.call("DELETE", f"/admin/v1/blocks/{id}?reason=x")
    assert (answer.status, answer.code) == (503, "not_durable")
    assert len(admin.dial.restraints()) == 2


async def test_ten_operators_at_once_with_one_version(admin: Admin) -> None:
    tag = (await admin.call("GET", "/admin/v1/blocks")).headers["ETag"]
    bodies: list[Json] = [{**BLOCK, "subject": f"user:{at}"} for at in range(10)]
    answers = await asyncio.gather(
        *(admin.call("POST", "/admin/v1/blocks", json=one, headers={"If-Match": tag}) for one in bodies)
    )
    assert sorted(answer.status for answer in answers) == [200] + [412] * 9
    assert len(admin.dial.restraints()) == 1
