"""Probes over the admin API and from a shell."""

from __future__ import annotations

from pathlib import Path

from proxy.model.record import Json
from proxy.policy.compile import compile_policy
from tests.admin.conftest import Admin, Answer
from tests.admin.test_dial_command import run
from tests.policy.folders import folder


def listed(answer: Answer, key: str) -> list[dict[str, Json]]:
    assert isinstance(answer.body, dict)
    found = answer.body[key]
    assert isinstance(found, list)
    return [one for one in found if isinstance(one, dict)]


async def test_what_there_is_and_how_it_went(admin: Admin) -> None:
    (before,) = listed(await admin.call("GET", "/admin/v1/probes", role="viewer"), "probes")
    assert before == {
        "id": "capital", "model": "support-bot", "every_s": 3600, "asks": 1, "timeout_s": 30, "last": None,
    }  # fmt: skip
    answer = await admin.call("POST", "/admin/v1/probes/run", json={"id": "capital"})
    (ran,) = listed(answer, "results")
    assert (answer.status, ran["result"], ran["exchanges"]) == (200, "passed", ["exchange-of-capital"])
    (after,) = listed(await admin.call("GET", "/admin/v1/probes"), "probes")
    assert after["last"] == ran


async def test_what_cannot_be_asked_for(admin: Admin) -> None:
    answer = await admin.call("POST", "/admin/v1/probes/run", json={"id": "capitol"})
    assert (answer.status, answer.code) == (404, "no_such_probe")
    assert (await admin.call("POST", "/admin/v1/probes/run", json={})).status == 422
    viewer = await admin.call("POST", "/admin/v1/probes/run", role="viewer", json={"id": "capital"})
    assert viewer.status == 403


async def test_without_probes_the_commands_say_so(admin: Admin, tmp_path: Path) -> None:
    admin.prober.take(compile_policy(folder("rules: []\n")))
    for words in (("probes", "list"), ("probes", "run")):
        done = await run(tmp_path, *words, admin=admin.url, whole=True)
        assert (done.status, "There are no probes in force" in done.out) == (0, True)
