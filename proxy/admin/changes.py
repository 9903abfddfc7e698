"""The trail of changes: `/admin/v1/changes`."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from proxy.admin import present, shapes
from proxy.admin.endpoint import Call, Endpoint, answer, whole_number
from proxy.admin.errors import ApiError, unprocessable
from proxy.dial.setting import Change
from proxy.dial.state import StoreError
from proxy.model.record import Json

LIMIT_DEFAULT: Final = 200
LIMIT_MAX: Final = 1000


async def show(call: Call) -> web.Response:
    """A page, newest first. What is not stored yet comes first. While it is being stored a later page may
    repeat a change; none is ever left out."""
    limit = whole_number(call.query, "limit", default=LIMIT_DEFAULT, most=LIMIT_MAX)
    kind, place = _cursor(call.query.get("cursor"))
    page: list[Change] = []
    if kind == "u":
        waiting = [one for one in reversed(call.context.dial.unstored()) if place is None or one[0] < place]
        page = [change for _, change in waiting[:limit]]
        if len(waiting) > limit:
            return _page(page, f"u{waiting[limit - 1][0]}")
        place = None
    seen = {one.id for one in page}
    wanted = limit - len(page)
    try:
        # One more than wanted tells whether there is another page.
        stored = await call.context.dial.changes(wanted + 1 + len(seen), place)
    except StoreError as error:
        raise ApiError(503, "store_unavailable", f"the trail cannot be read now: {error}") from None
    fresh = [one for one in stored if one.change.id not in seen]
    page.extend(one.change for one in fresh[:wanted])
    if len(fresh) <= wanted:
        return _page(page, None)
    return _page(page, f"s{fresh[wanted - 1].seq}" if wanted else f"s{fresh[0].seq + 1}")


def _page(changes: list[Change], following: str | None) -> web.Response:
    shown: list[Json] = [present.change(one) for one in changes]
    return answer({"changes": shown, "next": following})


def _cursor(text: str | None) -> tuple[str, int | None]:
    if text is None:
        return "u", None
    kind, number = text[:1], text[1:]
    if kind in ("u", "s") and number.isascii() and number.isdigit() and len(number) <= 18:
        return kind, int(number)
    raise unprocessable("invalid_parameter", "`cursor` must be the `next` of the page before")


ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/changes", "viewer", show, "Who changed what, when and why; newest first",
        shapes.record({"changes": shapes.several(shapes.CHANGE), "next": shapes.or_null(shapes.TEXT)}),
        {200: "A page", 422: "A parameter that cannot be", 503: "The trail cannot be read now"},
        query={
            "limit": shapes.up_to(LIMIT_MAX, LIMIT_DEFAULT),
            "cursor": shapes.said(shapes.TRAIL_CURSOR, "`next` of the page before"),
        },
    ),
)  # fmt: skip
