"""What is normal of a model: beside its card, and learned anew where it was learned from a fault."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from proxy.model.observation import Metric
from proxy.model.record import Json
from proxy.model.tripwire import Margin, Stat
from proxy.respond.responder import Responder
from proxy.watch.watch import Watch
from tests.admin.conftest import Admin
from tests.admin.test_dial_command import run
from tests.admin.test_external_api import GPU
from tests.admin.test_probes_api import listed
from tests.watch.support import collected, seen, tripwire
from tests.watch.test_baseline import taught

LENGTH = tripwire(
    id="length", metric=Metric.REPLY_LENGTH, stat=Stat.MEAN, above=None,
    above_baseline=Margin(3, 200, shift=True), for_s=0,
)  # fmt: skip
RELEARN: Final[dict[str, Json]] = {"tripwire": "length", "per": "model:support-bot", "reason": "INC-42"}
PATH: Final = "/admin/v1/baselines/relearn"


def teach(admin: Admin) -> None:
    """Weeks of a model, and one exchange of today."""
    admin.watch.take((), (GPU, LENGTH), admin.clock())
    of: list[Json] = ["reply_length", "mean", "model", LENGTH.window_s]
    groups: dict[str, Json] = {"model:support-bot": taught(2).as_json()}
    admin.watch.restore_learned({"format": 1, "learned": {"length": {"of": of, "groups": groups}}})
    admin.watch.observe(seen(admin.clock(), reply_length=300.0))


async def test_what_is_normal_stands_with_the_model_and_can_be_learned_anew(
    admin: Admin, tmp_path: Path
) -> None:
    teach(admin)
    (model,) = listed(await admin.call("GET", "/admin/v1/cards"), "without_card")
    baselines = model["baselines"]
    assert isinstance(baselines, list)
    (normal,) = baselines
    assert (normal["tripwire"], normal["metric"], normal["value"]) == ("length", "reply_length", 300.0)
    baseline = normal["baseline"]
    assert isinstance(baseline, dict)
    assert (baseline["learning"], baseline["from"], baseline["adds_up"]) == (False, "hour", 0.0)
    done = await run(tmp_path, "cards", "show", admin=admin.url, whole=True)
    assert done.status == 0
    assert "support-bot" in done.out
    assert "reply_length" in done.out

    answer = await admin.call("POST", PATH, json=RELEARN)
    assert answer.body == {
        "tripwire": "length", "per": "model:support-bot", "forgotten_samples": 67200, "durable": True,
    }  # fmt: skip
    (standing,) = (one for one in admin.watch.standings(admin.clock()) if one.tripwire is LENGTH)
    assert (standing.limits.learning, standing.limits.learned, standing.limits.threshold) == (True, 0, None)
    (change,) = listed(await admin.call("GET", "/admin/v1/changes"), "changes")
    assert (change["action"], change["scope"], change["before"], change["reason"]) == (
        "baseline.relearn", "model:support-bot", "length: 67200 samples", "INC-42",
    )  # fmt: skip
    again = await admin.call("POST", PATH, json=RELEARN)
    assert (again.status, again.code) == (404, "no_such_baseline")


async def restarted(admin: Admin) -> object:
    """What a process after a crash has learned."""
    after = Watch(admin.metrics)
    after.take((), (LENGTH,), admin.clock())
    responder = Responder(after, admin.dial, {}, admin.kept, clock=admin.clock, alerts=admin.alerts)
    await responder.start()
    learned = collected(after.learned_json())
    await responder.stop()
    assert isinstance(learned, dict)
    return learned["learned"]


async def test_what_is_forgotten_stays_forgotten_after_a_crash(admin: Admin) -> None:
    teach(admin)
    await admin.responder.stop()  # all is written
    assert await restarted(admin)
    await admin.call("POST", PATH, json=RELEARN)
    assert await restarted(admin) == {}


async def test_what_there_is_is_named_to_who_asks_for_another(admin: Admin, tmp_path: Path) -> None:
    teach(admin)
    for body in ({**RELEARN, "tripwire": "lenght"}, {**RELEARN, "per": "model:bot"}):
        answer = await admin.call("POST", PATH, json=body)
        assert (answer.status, answer.code) == (404, "no_such_baseline")
        assert b"length for model:support-bot" in answer.raw
    assert (await admin.call("POST", PATH, json={**RELEARN, "per": 1})).status == 422
    words = ("tripwires", "relearn", "length", "model:support-bot", "--reason", "INC-42")
    done = await run(tmp_path, *words, admin=admin.url, whole=True)
    assert (done.status, "length forgot 6.72e+04 samples of model:support-bot." in done.out) == (0, True)
