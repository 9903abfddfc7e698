"""Hot patches over the API, row by row of the contract, and from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.dial.restraint_turn import PATCHES_MAX
from proxy.model.record import Json
from tests.admin.conftest import RULES, Admin
from tests.admin.test_blocks_api import changes
from tests.admin.test_dial_command import run

PATCH: dict[str, Json] = {
    "phrases": ["project nightingale"], "on": "output", "action": "block", "reason": "INC-42: leak",
}  # fmt: skip


async def rules(admin: Admin) -> dict[str, Json]:
    body = (await admin.call("GET", "/admin/v1/rules")).body
    found = body["rules"]
    assert isinstance(found, list)
    return {str(one["id"]): one for one in found if isinstance(one, dict)}


async def test_add_list_remove(admin: Admin) -> None:
    answer = await admin.call("POST", "/admin/v1/rules/patch", json={**PATCH, "ttl": "30m"})
    id = answer.body["id"]
    patch = {
        "id": id, "rule": f"patch:{id}", "phrases": ["project nightingale"], "on": "output", "action": "block",
        "actor": "operator-token", "reason": "INC-42: leak",
        "since": "2027-01-15T08:00:00.000Z", "expires": "2027-01-15T08:30:00.000Z",
    }  # fmt: skip
    digest = admin.policy.current.digest
    assert answer.body == {**patch, "changed": True, "durable": True, "version": 1, "digest": digest}
    assert answer.headers["ETag"] == (await admin.call("GET", "/admin/v1/dial")).headers["ETag"]
    listed = (await rules(admin))[f"patch:{id}"]
    assert isinstance(listed, dict)
    held = {name: patch[name] for name in ("actor", "reason", "since", "expires")}
    assert (listed["action"], listed["patch"]) == ("block", held)
    gone = await admin.call("DELETE", f"/admin/v1/rules/patch/patch:{id}?reason=over")
    assert gone.body == {
        **patch, "changed": True, "durable": True, "version": 2, "digest": admin.policy.current.digest,
    }  # fmt: skip
    assert len(await rules(admin)) == len(RULES)
    removed, added = await changes(admin)
    assert (added["action"], added["scope"], added["actor"]) == ("patch.add", f"patch:{id}", "operator-token")
    assert json.loads(str(added["after"]))["phrases"] == ["project nightingale"]
    assert (removed["action"], removed["after"], removed["reason"]) == ("patch.remove", None, "over")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**PATCH, "reason": ""}, 422, "reason_required"),
        ({**PATCH, "phrases": []}, 422, "invalid_patch"),
        ({**PATCH, "on": "both"}, 422, "invalid_patch"),
        ({**PATCH, "action": "pseudonymize"}, 422, "invalid_patch"),
        ({**PATCH, "ttl": "soon"}, 422, "invalid_ttl"),
        ({**PATCH, "words": 1}, 422, "unknown_key"),
    ],
)
async def test_what_cannot_be_added_says_why_and_changes_nothing(
    admin: Admin, body: Json, status: int, code: str
) -> None:
    answer = await admin.call("POST", "/admin/v1/rules/patch", json=body)
    assert (answer.status, answer.code) == (status, code)
    assert admin.dial.snapshot().version == 0
    assert len(await rules(admin)) == len(RULES)


async def test_what_is_not_there_cannot_be_removed(admin: Admin) -> None:
    answer = await admin.call("DELETE", "/admin/v1/rules/patch/nothing?reason=x")
    assert (answer.status, answer.code) == (404, "no_such_restraint")


async def test_one_too_many_is_refused(admin: Admin) -> None:
    for _ in range(PATCHES_MAX):
        assert (await admin.call("POST", "/admin/v1/rules/patch", json=PATCH)).status == 200
    answer = await admin.call("POST", "/admin/v1/rules/patch", json=PATCH)
    assert (answer.status, answer.code) == (409, "too_many_restraints")


async def test_with_a_broken_store_it_is_in_force_and_says_that_it_is_not_durable(admin: Admin) -> None:
    admin.store.broken = True
    answer = await admin.call("POST", "/admin/v1/rules/patch", json=PATCH)
    assert (answer.status, answer.body["durable"]) == (200, False)
    assert str(answer.body["rule"]) in await rules(admin)
    gone = await admin.call("DELETE", f"/admin/v1/rules/patch/{answer.body['id']}?reason=x")
    assert (gone.status, gone.code) == (503, "not_durable")


async def test_from_a_shell(admin: Admin, tmp_path: Path) -> None:
    words = ("patch", "add", "[b]night[/b]", "ingale", "--on", "output", "--action", "block")
    done = await run(tmp_path, *words, "--reason", "INC-42", "--ttl", "2h", admin=admin.url)
    assert (done.status, done.err) == (0, "")
    (patch,) = admin.dial.restraints()
    assert done.out.startswith(f"In force as rule patch:{patch.id}, for another ")
    shown = await run(tmp_path, "patch", "list", admin=admin.url)
    for word in (patch.id, "“[b]night[/b]”", "operator-token", "INC-42"):
        assert word in shown.out
    gone = await run(tmp_path, "patch", "remove", patch.id, "--reason", "over", admin=admin.url)
    assert gone.out == f"The rule patch:{patch.id} is gone.\n"
    assert (await run(tmp_path, "patch", "list", admin=admin.url)).out == "Nothing is patched in.\n"
    wrong = await run(
        tmp_path,
        "patch",
        "add",
        "x",
        "--on",
        "output",
        "--action",
        "drop",
        "--reason",
        "x",
        admin=admin.url,
    )
    assert wrong.status == 2
    assert "invalid_patch" in wrong.err
