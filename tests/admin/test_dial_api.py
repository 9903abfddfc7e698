"""The dial over the API, row by row of the contract."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from proxy.model.level import Level
from proxy.model.record import Json
from tests.admin.conftest import Admin
from tests.dial.helpers import Running, until
from tests.watch.support import seen


async def put(admin: Admin, scope: str, level: str, reason: str = "x", **more: str) -> dict[str, Json]:
    answer = await admin.call(
        "PUT", f"/admin/v1/dial/{scope}", json={"level": level, "reason": reason, **more}
    )
    assert answer.status == 200, answer.raw
    return answer.body


async def test_an_empty_dial(admin: Admin) -> None:
    answer = await admin.call("GET", "/admin/v1/dial")
    assert answer.body == {"version": 0, "settings": []}
    assert answer.headers["ETag"].startswith('"')


async def test_put_then_get_then_delete(admin: Admin) -> None:
    body = await put(admin, "model:twin", "killed", "leaks keys", ttl="30m")
    setting = {
        "scope": "model:twin", "level": "killed", "actor": "operator-token", "reason": "leaks keys",
        "since": "2027-01-15T08:00:00.000Z", "expires": "2027-01-15T08:30:00.000Z",
    }  # fmt: skip
    assert body == {**setting, "holds": "killed", "changed": True, "durable": True, "version": 1}
    answer = await admin.call("GET", "/admin/v1/dial")
    assert answer.body == {"version": 1, "settings": [setting]}
    answer = await admin.call("DELETE", "/admin/v1/dial/model:twin?reason=fixed")
    assert answer.body == {
        "scope": "model:twin", "level": "guarded", "holds": "guarded", "changed": True, "durable": True,
        "version": 2,
    }  # fmt: skip
    assert (await admin.call("GET", "/admin/v1/dial")).body == {"version": 2, "settings": []}


async def test_delete_takes_its_reason_from_the_body_too_and_twice_is_harmless(admin: Admin) -> None:
    await put(admin, "global", "killed")
    first = await admin.call("DELETE", "/admin/v1/dial/global", json={"reason": "y"})
    second = await admin.call("DELETE", "/admin/v1/dial/global", json={"reason": "y"})
    assert (first.body["changed"], second.body["changed"]) == (True, False)
    assert (first.status, second.status) == (200, 200)


@pytest.mark.parametrize(
    ("path", "scope"),
    [("model:org/name", "model:org/name"), ("model:org%2Fname", "model:org/name"), ("model%3Ax", "model:x"),
     ("app:a%20b", "app:a b"), ("app:%E9%9B%AA", "app:雪"), ("model:effective", "model:effective"),
     ("model:a%25b", "model:a%b"), ("model:a%3Fb", "model:a?b")],
)  # fmt: skip
async def test_scopes_in_a_path(admin: Admin, path: str, scope: str) -> None:
    assert (await put(admin, path, "killed"))["scope"] == scope


@pytest.mark.parametrize(
    "scope", ["user:1", "Global", "model:", "model:a%0Ab", "app:%20x", "app:" + "x" * 257]
)
async def test_what_is_no_scope(admin: Admin, scope: str) -> None:
    for method in ("PUT", "DELETE"):
        answer = await admin.call(method, f"/admin/v1/dial/{scope}", json={"reason": "x"})
        assert (answer.status, answer.code) == (422, "invalid_scope")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"level": "killed"}, "reason_required"),
        ({"level": "killed", "reason": "  "}, "reason_required"),
        ({"level": "killed", "reason": None}, "reason_required"),
        ({"level": "killed", "reason": "a\nb"}, "invalid_reason"),
        ({"level": "killed", "reason": "x" * 1001}, "invalid_reason"),
        ({"level": "killed", "reason": "\ud800"}, "invalid_reason"),
        ({"reason": "x"}, "invalid_level"),
        ({"level": "dead", "reason": "x"}, "invalid_level"),
        ({"level": "killed", "reason": "x", "ttl": "soon"}, "invalid_ttl"),
        ({"level": "killed", "reason": "x", "ttl": "367d"}, "invalid_ttl"),
    ],
)
async def test_what_cannot_be_set(admin: Admin, body: dict[str, Json], code: str) -> None:
    answer = await admin.call("PUT", "/admin/v1/dial/global", json=body)
    assert (answer.status, answer.code) == (422, code)
    assert admin.dial.snapshot().settings == ()


async def test_a_delete_without_reason_changes_nothing(admin: Admin) -> None:
    await put(admin, "global", "killed")
    answer = await admin.call("DELETE", "/admin/v1/dial/global")
    assert (answer.status, answer.code) == (422, "reason_required")
    assert len(admin.dial.snapshot().settings) == 1


async def test_a_kill_reaches_a_running_exchange_before_it_is_answered(admin: Admin) -> None:
    running = Running()
    admin.dial.attach(running)
    await put(admin, "global", "killed")
    assert len(running.told) == 1


async def test_a_ttl_ends(admin: Admin) -> None:
    await put(admin, "global", "killed", ttl="90s")
    admin.clock.at += 90
    assert (await admin.call("GET", "/admin/v1/dial")).body["settings"] == []
    assert (await admin.call("GET", "/admin/v1/dial/effective")).body == {
        "level": "guarded", "setting": None, "version": None, "rollback": None, "blocks": [], "limits": [],
    }  # fmt: skip


async def test_effective_names_what_decides(admin: Admin) -> None:
    await put(admin, "model:bot", "killed", "leaks")
    await put(admin, "app:shop", "open")
    answer = await admin.call("GET", "/admin/v1/dial/effective?model=bot&app=shop")
    assert answer.body["level"] == "killed"
    setting = answer.body["setting"]
    assert isinstance(setting, dict)
    assert (setting["scope"], setting["reason"]) == ("model:bot", "leaks")
    assert (await admin.call("GET", "/admin/v1/dial/effective?app=shop")).body["level"] == "open"
    assert (await admin.call("GET", "/admin/v1/dial/effective?model=x&app=")).body["level"] == "guarded"


@pytest.mark.parametrize("asked", ["support-bot", "gpt-2", "twin"])
async def test_effective_knows_a_model_by_each_of_its_names(admin: Admin, asked: str) -> None:
    await put(admin, "model:support-bot", "killed")
    assert (await admin.call("GET", f"/admin/v1/dial/effective?model={asked}")).body["level"] == "killed"
    assert (await admin.call("GET", "/admin/v1/dial/effective?model=gpt-3")).body["level"] == "guarded"


async def test_effective_names_the_blocks_that_refuse_a_caller(admin: Admin) -> None:
    for subject in ("ip:203.0.113.0/24", "user:bob"):
        await admin.call("POST", "/admin/v1/blocks", json={"subject": subject, "reason": "x"})
    asked = "/admin/v1/dial/effective?ip=::ffff:203.0.113.7&user=bob"
    blocks = (await admin.call("GET", asked)).body["blocks"]
    assert isinstance(blocks, list)
    assert {one["subject"] for one in blocks if isinstance(one, dict)} == {"ip:203.0.113.0/24", "user:bob"}
    assert (await admin.call("GET", "/admin/v1/dial/effective?user=eve")).body["blocks"] == []
    for wrong in ("ip=10.0.0.0/8", "ip=somewhere", "region=Germany"):
        answer = await admin.call("GET", f"/admin/v1/dial/effective?{wrong}")
        assert (answer.status, answer.code) == (422, "invalid_parameter")


# If-Match


async def test_if_match_holds_for_put_and_delete(admin: Admin) -> None:
    stale = (await admin.call("GET", "/admin/v1/dial")).headers["ETag"]
    fresh = await admin.call(
        "PUT", "/admin/v1/dial/global", json={"level": "killed", "reason": "x"}, headers={"If-Match": stale}
    )
    assert fresh.status == 200
    for method in ("PUT", "DELETE"):
        body: Json = {"reason": "x", **({"level": "killed"} if method == "PUT" else {})}
        answer = await admin.call(method, "/admin/v1/dial/global", json=body, headers={"If-Match": stale})
        assert (answer.status, answer.code) == (412, "version_mismatch")
    now = (await admin.call("GET", "/admin/v1/dial")).headers["ETag"]
    assert now == fresh.headers["ETag"]
    tags = f'"other", {now}'
    answer = await admin.call("DELETE", "/admin/v1/dial/global?reason=x", headers={"If-Match": tags})
    assert answer.status == 200


@pytest.mark.parametrize(("tag", "status"), [("*", 200), ('"nonsense"', 412), ("", 412)])
async def test_other_if_match_values(admin: Admin, tag: str, status: int) -> None:
    body = {"level": "killed", "reason": "x"}
    answer = await admin.call("PUT", "/admin/v1/dial/global", json=body, headers={"If-Match": tag})
    assert answer.status == status


async def test_a_weak_tag_matches_nothing(admin: Admin) -> None:
    tag = "W/" + (await admin.call("GET", "/admin/v1/dial")).headers["ETag"]
    body = {"level": "killed", "reason": "x"}
    answer = await admin.call("PUT", "/admin/v1/dial/global", json=body, headers={"If-Match": tag})
    assert answer.status == 412


@pytest.mark.parametrize(
    "levels", [("killed", "killed"), ("open", "open"), ("open", "killed"), ("killed", "guarded")]
)
async def test_of_two_concurrent_puts_with_one_tag_one_is_412(admin: Admin, levels: tuple[str, str]) -> None:
    for _ in range(10):
        tag = (await admin.call("GET", "/admin/v1/dial")).headers["ETag"]
        answers = await asyncio.gather(
            *(
                admin.call(
                    "PUT",
                    f"/admin/v1/dial/model:m{number}",
                    json={"level": level, "reason": "race"},
                    headers={"If-Match": tag},
                )
                for number, level in enumerate(levels)
            )
        )
        assert sorted(answer.status for answer in answers) == [200, 412]


async def test_the_tag_is_the_same_after_a_restart_and_only_then(admin: Admin, store_path: Path) -> None:
    await put(admin, "global", "killed")
    before = (await admin.call("GET", "/admin/v1/dial")).headers["ETag"]
    await admin.stop()
    again = Admin(store_path)
    await again.start()
    try:
        answer = await again.call("GET", "/admin/v1/dial")
        assert answer.headers["ETag"] == before
        assert answer.body["version"] == 1
    finally:
        await again.stop()


# Disks that fail


async def test_without_a_disk_a_kill_holds_and_says_that_it_is_not_durable(admin: Admin) -> None:
    admin.store.broken = True
    assert (await put(admin, "global", "killed", "leaks"))["durable"] is False
    assert (await admin.call("GET", "/admin/v1/dial/effective")).body["level"] == "killed"
    trail = (await admin.call("GET", "/admin/v1/changes")).body["changes"]
    assert isinstance(trail, list)
    assert len(trail) == 1  # not stored, and on the trail all the same
    status = (await admin.call("GET", "/admin/v1/status")).body["dial"]
    assert isinstance(status, dict)
    assert status["unstored_changes"] == 1


async def test_what_was_turned_while_a_loosening_was_stored_stays(admin: Admin) -> None:
    await put(admin, "global", "degraded")
    admin.store.gate.clear()
    admin.store.entered.clear()
    loosening = asyncio.ensure_future(
        admin.call("PUT", "/admin/v1/dial/global", json={"level": "guarded", "reason": "x"})
    )
    try:
        await asyncio.to_thread(admin.store.entered.wait, 20)
        turning = asyncio.ensure_future(put(admin, "global", "killed"))
        await until(lambda: admin.dial.snapshot().settings[0].level is Level.KILLED)
    finally:
        admin.store.gate.set()
    answer = await loosening
    assert (answer.status, answer.code) == (409, "conflict")
    await turning
    assert (await admin.call("GET", "/admin/v1/dial/effective")).body["level"] == "killed"


async def test_a_full_dial_takes_no_more_and_says_so(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.dial.setting_turn.SETTINGS_MAX", 1)
    await put(admin, "app:one", "degraded")
    answer = await admin.call("PUT", "/admin/v1/dial/app:two", json={"level": "killed", "reason": "x"})
    assert (answer.status, answer.code) == (409, "too_many_settings")
    assert "clear some first" in str(answer.body["error"])
    assert [str(one.scope) for one in admin.dial.snapshot().settings] == ["app:one"]


async def test_without_a_disk_a_loosening_is_refused(admin: Admin) -> None:
    await put(admin, "global", "killed")
    admin.store.broken = True
    for method, body in (("PUT", {"level": "open", "reason": "x"}), ("DELETE", {"reason": "x"})):
        answer = await admin.call(method, "/admin/v1/dial/global", json=body)
        assert (answer.status, answer.code) == (503, "not_durable")
        assert answer.headers["Retry-After"] == "5"
    assert (await admin.call("GET", "/admin/v1/dial/effective")).body["level"] == "killed"


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        ("global", None),
        ("model:support-bot", None),
        ("model:Support-Bot", None),
        ("model:gpt-2", None),
        ("model:suport-bot", "no model `suport-bot` is in the settings, and since the start nobody asked for one;"
         " did you mean `support-bot`?"),
        ("model:zzz", "no model `zzz` is in the settings, and since the start nobody asked for one"),
        ("app:shop", "no exchange would ever match app:shop: the settings name neither `clients` nor"
         " `identify.app_header`"),
    ],
)  # fmt: skip
async def test_a_scope_that_nothing_fits_holds_and_is_doubted(
    admin: Admin, scope: str, says: str | None
) -> None:
    assert (await put(admin, scope, "killed")).get("doubt") == says
    assert len(admin.dial.snapshot().settings) == 1


async def test_a_model_that_somebody_asked_for_is_not_doubted(admin: Admin) -> None:
    admin.watch.inventory.note(seen(0.0, model="zzz"))
    assert "doubt" not in await put(admin, "model:zzz", "killed")
