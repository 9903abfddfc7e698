"""Where the tripwires stand: `/admin/v1/tripwires`."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from proxy.admin import present, shapes
from proxy.admin.endpoint import Call, Endpoint, answer
from proxy.model.record import Json
from proxy.watch.wire import Standing


async def show(call: Call) -> web.Response:
    """Each tripwire for each group that it knows; those that are not well first."""
    standings = sorted(call.context.watch.standings(call.context.clock()), key=lambda one: -one.state)
    shown: list[Json] = [_standing(one) for one in standings]
    return answer({"tripwires": shown})


def _standing(one: Standing) -> dict[str, Json]:
    wire = one.tripwire
    return {
        "id": wire.id,
        "per": one.group,
        "state": one.state.word,
        "value": one.value,
        "threshold": one.limits.threshold,
        "baseline": baseline(one),
        "since": None if one.since is None else present.moment(one.since),
        "metric": wire.metric,
        "stat": wire.stat,
        "window_s": wire.window_s,
        "samples": one.samples,
        "min_samples": wire.min_samples,
        "severity": wire.severity,
    }


def baseline(one: Standing) -> dict[str, Json] | None:
    """What is normal for a group now, as far as its tripwire compares with that."""
    limits, expected = one.limits, one.limits.expected
    if not one.tripwire.learns:
        return None
    return {
        "learning": limits.learning,
        "learned_samples": limits.learned,
        "expected": None if expected is None else expected.value,
        "low": None if expected is None else expected.limit(-1),
        "high": None if expected is None else expected.limit(1),
        "from": None if expected is None else expected.source,
        "windows": 0 if expected is None else expected.windows,
        "adds_up": one.adds_up,
    }


ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/tripwires", "viewer", show, "Where the tripwires stand",
        shapes.record({"tripwires": shapes.several(shapes.TRIPWIRE)}),
        {200: "`per` names the group, as `model:support-bot`; with fewer `samples` than `min_samples` the value"
              " says nothing yet. `baseline` is what is normal at this hour, give or take one deviation (`low`,"
              " `high`); while it is `learning` there is no threshold. Where it looks for a `shift`, the threshold"
              " is the value beyond which a window counts, and `adds_up` how much of what makes it fire has added"
              " up, from 0 to 1"},
    ),
)  # fmt: skip
