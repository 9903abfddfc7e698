"""Drills: `/admin/v1/alerts/test`."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from proxy.admin import shapes
from proxy.admin.endpoint import Call, Endpoint, answer, read_object, reason_of, text_of
from proxy.admin.errors import ApiError, unprocessable
from proxy.model.record import Json
from proxy.respond.notice import drill

_KEYS: Final = frozenset({"target", "reason"})


async def test(call: Call) -> web.Response:
    """Send a drill to one target or to all, once, and say how that went."""
    body = await read_object(call, _KEYS)
    reason = reason_of(text_of(body, "reason"))
    target, alerts = text_of(body, "target"), call.context.alerts
    if not alerts.targets:
        raise ApiError(404, "no_targets", "the settings name no `alerts`")
    if target is not None and target not in alerts.targets:
        known = ", ".join(alerts.targets)
        raise unprocessable("unknown_target", f"there is no alert target {target[:80]!r}; there are: {known}")
    notice = drill(call.context.clock(), f"{reason} (asked for by {call.actor})")
    tried = await alerts.drill(notice, alerts.targets if target is None else (target,))
    results: list[Json] = [
        {"target": one.target, "delivered": one.error is None, "error": one.error} for one in tried
    ]
    return answer({"results": results})


ENDPOINTS: Final = (
    Endpoint(
        "POST", "/admin/v1/alerts/test", "operator", test, "Send a drill to the alert targets",
        shapes.record({"results": shapes.several(shapes.DELIVERY)}),
        {200: "One delivery to each was tried", 404: "The settings name no targets",
         422: "No reason, or no such target"},
        body={"target": shapes.said(shapes.TEXT_OR_NULL, "One of them; without it all"),
              "reason": shapes.said(shapes.REASON, "Why, in one line; it stands in the message")},
        required=("reason",),
    ),
)  # fmt: skip
