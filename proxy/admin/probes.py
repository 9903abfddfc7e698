"""Probes and what came of them: `/admin/v1/probes`."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from proxy.admin import present, shapes
from proxy.admin.endpoint import Call, Endpoint, answer, read_object, text_of
from proxy.admin.errors import ApiError, unprocessable
from proxy.model.probe import Ran
from proxy.model.record import Json
from proxy.probe.prober import ProbesRun


async def show(call: Call) -> web.Response:
    """Every probe for each of its models, with its last run."""
    probes: list[Json] = [
        {
            "id": one.probe.id,
            "model": one.model,
            "every_s": one.probe.every_s,
            "asks": one.probe.asks,
            "timeout_s": one.probe.timeout_s,
            "last": _ran(one.last) if one.last is not None else None,
        }
        for one in call.context.probes.planned
    ]
    return answer({"probes": probes})


async def run(call: Call) -> web.Response:
    """Run one probe now, for all of its models, and wait for that."""
    body = await read_object(call, frozenset({"id"}))
    id = text_of(body, "id")
    if id is None:
        raise unprocessable("missing_id", "`id` names the probe to run")
    try:
        ran = await call.context.probes.run(id)
    except KeyError:
        known = ", ".join(dict.fromkeys(one.probe.id for one in call.context.probes.planned)) or "none"
        raise ApiError(
            404, "no_such_probe", f"there is no probe {id[:80]!r} with a model to ask; there are: {known}"
        ) from None
    except ProbesRun as error:
        raise ApiError(409, "conflict", str(error)) from None
    return answer({"results": [_ran(one) for one in ran]})


def _ran(one: Ran) -> dict[str, Json]:
    return {
        "probe": one.probe,
        "model": one.model,
        "result": one.result.value,
        "why": one.why,
        "at": present.moment(one.at),
        "seconds": one.seconds,
        "version": one.version,
        "exchanges": list(one.exchanges),
        "gaps": dict(one.gaps),
    }


ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/probes", "viewer", show, "Probes, each for each of its models, with the last run",
        shapes.record({"probes": shapes.several(shapes.PROBE)}), {200: "All of the policy in force"},
    ),
    Endpoint(
        "POST", "/admin/v1/probes/run", "operator", run, "Run a probe now for all of its models",
        shapes.record({"results": shapes.several(shapes.RAN)}),
        {200: "It ran; each model's `result` says how", 404: "No such probe, or no model to ask",
         409: "Another run by hand is under way", 422: "No id"},
        body={"id": shapes.said(shapes.TEXT, "The probe's id")},
        required=("id",),
    ),
)  # fmt: skip
