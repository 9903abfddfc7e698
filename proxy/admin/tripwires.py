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
        "threshold": wire.threshold,
        "since": None if one.since is None else present.moment(one.since),
        "metric": wire.metric,
        "stat": wire.stat,
        "window_s": wire.window_s,
        "samples": one.samples,
        "min_samples": wire.min_samples,
        "severity": wire.severity,
    }


ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/tripwires", "viewer", show, "Where the tripwires stand",
        shapes.record({"tripwires": shapes.several(shapes.TRIPWIRE)}),
        {200: "`per` names the group, as `model:support-bot`; with fewer `samples` than `min_samples` the value"
              " says nothing yet"},
    ),
)  # fmt: skip
