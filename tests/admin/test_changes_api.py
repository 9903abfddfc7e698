"""The trail of changes over the API."""

from __future__ import annotations

import pytest

from proxy.dial.setting import Actor
from proxy.model.record import Json
from tests.admin.conftest import Admin


async def turn(admin: Admin, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        level = "killed"
        body: Json = {"level": level, "reason": f"turn {number}"}
        assert (await admin.call("PUT", "/admin/v1/dial/global", json=body)).status == 200


async def pages(admin: Admin, limit: int) -> list[list[str]]:
    found: list[list[str]] = []
    cursor = ""
    while True:
        answer = await admin.call("GET", f"/admin/v1/changes?limit={limit}{cursor}")
        assert answer.status == 200
        changes = answer.body["changes"]
        assert isinstance(changes, list)
        found.append([str(one["reason"]) for one in changes if isinstance(one, dict)])
        if answer.body["next"] is None:
            return found
        cursor = f"&cursor={answer.body['next']}"


async def test_a_change_as_the_contract_has_it(admin: Admin) -> None:
    await turn(admin, 1)
    answer = await admin.call("GET", "/admin/v1/changes")
    assert answer.body == {
        "changes": [
            {
                "at": "2027-01-15T08:00:00.000Z", "actor": "operator-token", "action": "dial.set",
                "scope": "global", "before": None, "after": "killed", "reason": "turn 0",
            }
        ],
        "next": None,
    }  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
async def test_pages_hold_every_change_once_newest_first(admin: Admin, count: int) -> None:
    await turn(admin, count)
    found = await pages(admin, 2)
    assert sum(found, []) == [f"turn {number}" for number in range(count - 1, -1, -1)]  # noqa: RUF017
    assert all(len(page) == 2 for page in found[:-1])


@pytest.mark.parametrize("unstored", [1, 2, 3, 5])
async def test_what_is_not_stored_yet_is_on_the_trail_first(admin: Admin, unstored: int) -> None:
    await turn(admin, 3)
    admin.store.broken = True
    await turn(admin, unstored, first=3)
    found = await pages(admin, 2)
    assert [one for page in found for one in page] == [
        f"turn {number}" for number in range(2 + unstored, -1, -1)
    ]


async def test_the_limit_is_200_by_default_and_1000_at_most(admin: Admin) -> None:
    for number in range(205):
        note = admin.dial.note(
            actor=Actor.rules(), action="x", scope="x", before=None, after=None, reason=f"{number}"
        )
        await note
    changes = (await admin.call("GET", "/admin/v1/changes")).body["changes"]
    assert isinstance(changes, list)
    assert len(changes) == 200
    changes = (await admin.call("GET", "/admin/v1/changes?limit=1000")).body["changes"]
    assert isinstance(changes, list)
    assert len(changes) == 205


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=", "cursor=x", "cursor=s", "cursor=u1x"]
)
async def test_parameters_that_cannot_be(admin: Admin, query: str) -> None:
    answer = await admin.call("GET", f"/admin/v1/changes?{query}")
    assert (answer.status, answer.code) == (422, "invalid_parameter")
