"""Drills over the admin API and from a shell."""

from __future__ import annotations

from pathlib import Path

from tests.admin.conftest import Admin
from tests.admin.test_dial_command import run

PATH = "/admin/v1/alerts/test"


async def test_a_drill_is_sent_and_its_end_is_told(admin: Admin) -> None:
    answer = await admin.call("POST", PATH, json={"reason": "monthly"})
    assert (answer.status, answer.body) == (
        200,
        {"results": [{"target": "oncall", "delivered": True, "error": None}]},
    )
    (sent,) = admin.channel.sent
    assert sent.drill
    assert "monthly (asked for by operator-token)" in sent.text()
    admin.channel.fails = "refused"
    answer = await admin.call("POST", PATH, json={"reason": "again", "target": "oncall"})
    assert answer.body == {"results": [{"target": "oncall", "delivered": False, "error": "no way through"}]}


async def test_what_cannot_be_asked_for(admin: Admin) -> None:
    answer = await admin.call("POST", PATH, json={"reason": "x", "target": "nobody"})
    assert (answer.status, answer.code) == (422, "unknown_target")
    assert (await admin.call("POST", PATH, json={})).code == "reason_required"


async def test_the_command(admin: Admin, tmp_path: Path) -> None:
    done = await run(tmp_path, "alerts", "test", admin=admin.url, whole=True)
    assert (done.status, done.out) == (0, "oncall: delivered\n")
    admin.channel.fails = "timeout"
    done = await run(tmp_path, "alerts", "test", "--target", "oncall", admin=admin.url, whole=True)
    assert (done.status, done.out) == (1, "oncall: FAILED: no way through\n")
