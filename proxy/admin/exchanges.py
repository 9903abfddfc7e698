"""The exchange log: `/admin/v1/exchanges`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from proxy.admin import shapes
from proxy.admin.endpoint import Call, Endpoint, answer, whole_number
from proxy.admin.errors import ApiError, unprocessable
from proxy.admin.present import parse_moment
from proxy.errors import LogUnavailable
from proxy.log.filters import BOUND, read_bounds
from proxy.log.port import PAGE_DEFAULT, PAGE_MAX, Search


async def search(call: Call) -> web.Response:
    """A page of exchanges, newest first."""
    query = call.query
    try:
        asked = Search(
            model=query.get("model"),
            app=query.get("app"),
            subject=query.get("subject"),
            outcome=query.get("outcome"),
            rule=query.get("rule"),
            level=query.get("level"),
            policy=query.get("policy"),
            since=parse_moment(query["since"]) if "since" in query else None,
            until=parse_moment(query["until"]) if "until" in query else None,
            scores=_bounds(query, "min_score"),
            max_scores=_bounds(query, "max_score"),
            q=query.get("q"),
            limit=whole_number(query, "limit", default=PAGE_DEFAULT, most=PAGE_MAX),
            cursor=query.get("cursor"),
        )
        page = await call.context.log.search(asked)
    except ValueError as error:
        raise unprocessable("invalid_search", str(error)) from None
    except LogUnavailable as error:
        raise _unavailable(error) from None
    return answer({"exchanges": list(page.exchanges), "next": page.next})


def _bounds(query: Mapping[str, str], name: str) -> Mapping[str, float] | None:
    try:
        return read_bounds(query[name].split(",")) if name in query else None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


async def show(call: Call) -> web.Response:
    """The whole record of one exchange."""
    id = call.path["id"]
    try:
        record = await call.context.log.show(id)
    except LogUnavailable as error:
        raise _unavailable(error) from None
    if record is None:
        raise ApiError(404, "exchange_not_found", f"no exchange {id[:80]} is on the log")
    return answer(record)


_UNREADABLE: Final = "The log cannot be read now"


def _unavailable(error: LogUnavailable) -> ApiError:
    return ApiError(503, "log_unavailable", error.message, headers={"Retry-After": "5"})


_BOUNDS: Final = {"type": "string", "pattern": f"^{BOUND}(?:,{BOUND})*$"}

ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/exchanges", "viewer", search, "Search the exchange log, newest first",
        shapes.record({
            "exchanges": shapes.several(shapes.EXCHANGE_SUMMARY), "next": shapes.or_null(shapes.TEXT),
        }),
        {200: "A page, without the exchanges' content", 422: "A search that makes no sense", 503: _UNREADABLE},
        query={
            "model": shapes.said(shapes.TEXT, "Asked for, sent or served"),
            "app": shapes.said(shapes.TEXT, "The application's name"),
            "subject": shapes.said(shapes.SOUGHT, "user:ID, key:NAME, ip:CIDR, region:CC or app:NAME"),
            "outcome": shapes.said(shapes.OUTCOME, "How it ended, as `blocked_output`"),
            "rule": shapes.said(shapes.TEXT, "The id of a rule that found something"),
            "level": shapes.said(shapes.LEVEL, "The dial's level that it ended at"),
            "policy": shapes.said(shapes.TEXT, "The policy's digest, or its beginning"),
            "min_score": shapes.said(_BOUNDS, "Least scores: toxicity=0.8, or several with commas between"),
            "max_score": shapes.said(_BOUNDS, "Highest scores; what has no score of a label is not found"),
            "q": shapes.said(shapes.TEXT, "Words of the prompt or the reply"),
            "since": shapes.said(shapes.TIME, "RFC 3339 or Unix seconds"),
            "until": shapes.said(shapes.TIME, "RFC 3339 or Unix seconds, excluded"),
            "limit": shapes.up_to(PAGE_MAX, PAGE_DEFAULT),
            "cursor": shapes.said(shapes.TEXT, "`next` of the page before"),
        },
    ),
    Endpoint(
        "GET", "/admin/v1/exchanges/{id}", "viewer", show, "One exchange, whole",
        shapes.EXCHANGE, {200: "The record", 404: "No such exchange", 503: _UNREADABLE},
    ),
)  # fmt: skip
