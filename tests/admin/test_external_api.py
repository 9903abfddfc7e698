"""Samples from elsewhere over the admin API, and the tripwires that watch them."""

from __future__ import annotations

import pytest

from proxy.model.observation import Metric
from proxy.model.record import Json
from proxy.model.tripwire import Per, Stat
from tests.admin.conftest import Admin
from tests.watch.support import tripwire

PATH = "/admin/v1/metrics"
GPU = tripwire(
    id="gpu", metric=Metric.EXTERNAL, name="gpu-busy", stat=Stat.MEAN, per=Per.MODEL, above=0.9, min_samples=3,
    for_s=0,
)  # fmt: skip


async def test_what_is_posted_is_watched(admin: Admin) -> None:
    admin.watch.take((), (GPU,), admin.clock())
    for value in (0.95, 0.99, 1):
        sample = {"name": "gpu-busy", "value": value, "group": "model:bot", "at": admin.clock() - 10}
        answer = await admin.call("POST", PATH, json=sample)
        assert (answer.status, answer.body) == (
            200,
            {"name": "gpu-busy", "value": value, "group": "model:bot"},
        )
    await admin.call("POST", PATH, json={"name": "gpu-busy", "value": 5})  # of no model
    (turned,) = [one for many in admin.watch.look(admin.clock()) for one in many]
    assert (turned.group, turned.samples, turned.examples) == ("model:bot", 3, ())
    assert tuple(admin.watch.inventory.in_use) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "other"}, "known: gpu-busy"),
        ({"name": "A b"}, "`name` must be"),
        ({"name": None}, "`name` must be"),
        ({"value": "1"}, "`value` must be a number"),
        ({"value": True}, "`value` must be a number"),
        ({"value": None}, "`value` must be a number"),
        ({"value": 1e15}, "at most 1e+12"),
        ({"group": "user:ann"}, "a scope is `global`"),
        ({"at": 1.0}, "of the last 300 s"),
        ({"labels": {}}, "unknown key `labels`"),
    ],
)
async def test_what_is_no_sample(admin: Admin, changes: dict[str, Json], said: str) -> None:
    admin.watch.take((), (GPU,), admin.clock())
    answer = await admin.call("POST", PATH, json={"name": "gpu-busy", "value": 1.0, **changes})
    assert answer.status == 422
    assert said in str(answer.body)
