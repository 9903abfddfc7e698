"""Samples from elsewhere, for tripwires to watch: `/admin/v1/metrics`."""

from __future__ import annotations

import re
from math import isfinite
from typing import Final

from aiohttp import web

from proxy.admin import shapes
from proxy.admin.endpoint import Call, Endpoint, answer, read_object, text_of
from proxy.admin.errors import unprocessable
from proxy.errors import Invalid
from proxy.model.record import Json
from proxy.model.tripwire import SERIES_NAME
from proxy.scopes import Scope

LATE_S_MAX: Final = 300.0
EARLY_S_MAX: Final = 60.0
VALUE_MAX: Final = 1e12
_KEYS: Final = frozenset({"name", "value", "group", "at"})


async def post(call: Call) -> web.Response:
    """Take one sample of a series that some tripwire watches."""
    body = await read_object(call, _KEYS)
    name, watch = text_of(body, "name"), call.context.watch
    if name is None or not re.fullmatch(SERIES_NAME, name):
        raise unprocessable("invalid_request", f"`name` must be the name of a series, as {SERIES_NAME}")
    value = _number(body, "value")
    if value is None or not abs(value) <= VALUE_MAX:
        raise unprocessable("invalid_request", f"`value` must be a number of at most {VALUE_MAX:g}")
    now = call.context.clock()
    at = _number(body, "at")
    if at is not None and not now - LATE_S_MAX <= at <= now + EARLY_S_MAX:
        raise unprocessable(
            "not_now",
            f"`at` must be Unix seconds of the last {LATE_S_MAX:g} s: a sample counts when it comes",
        )
    group = text_of(body, "group")
    try:
        scope = str(Scope.parse("global" if group is None else group))
    except Invalid as error:
        raise unprocessable("invalid_request", f"`group`: {error}") from None
    kind, _, about = scope.partition(":")
    model, app = (about if kind == word else None for word in ("model", "app"))
    if not watch.external(name, value, now, model, app):
        known = ", ".join(watch.external_names) or "none"
        raise unprocessable(
            "unknown_series", f"no tripwire watches `external` with the name `{name}`; known: {known}"
        )
    return answer({"name": name, "value": value, "group": scope})


def _number(body: dict[str, Json], key: str) -> float | None:
    """Raises ApiError for what is no finite number."""
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise unprocessable("invalid_request", f"`{key}` must be a number")
    return float(value)


ENDPOINTS: Final = (
    Endpoint(
        "POST", "/admin/v1/metrics", "operator", post, "Post a sample for the tripwires with `metric: external`",
        shapes.record({"name": shapes.TEXT, "value": shapes.NUMBER, "group": shapes.TEXT}),
        {200: "It was taken", 422: "It is no sample, or no tripwire watches its series"},
        body={"name": {"type": "string", "pattern": SERIES_NAME, "description": "The `name` of the tripwire"},
              "value": {"type": "number", "minimum": -VALUE_MAX, "maximum": VALUE_MAX, "description": "The sample"},
              "group": shapes.said(shapes.or_null(shapes.SCOPE), "`global` where none is named"),
              "at": shapes.said(shapes.or_null(shapes.NUMBER), "Unix seconds, of the last five minutes")},
        required=("name", "value"),
    ),
)  # fmt: skip
