"""Calls that the contract names and this version does not have: they say so, in place of a bare 404."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from proxy.admin.endpoint import Call
from proxy.admin.errors import ApiError

PATHS: Final = (
    "/admin/v1/incidents",
    "/admin/v1/backtests",
    "/admin/v1/evidence",
    "/console",
)


async def not_available(call: Call) -> web.StreamResponse:
    raise ApiError(404, "not_available", f"{call.http.path} is not available in this version")
