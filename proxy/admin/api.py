"""The admin API: one application for its own listener, with every request through the same gate.

In this order: Host, Origin, token, path and method, role, parameters, then the handler. Whatever fails, and
wherever, is answered in one shape.
"""

from __future__ import annotations

import re
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from proxy.admin import (
    alerts,
    cards,
    changes,
    dial,
    exchanges,
    external,
    later,
    patches,
    probes,
    restraints,
    rollbacks,
    rules,
    shapes,
    status,
    tripwires,
)
from proxy.admin.endpoint import BODY_BYTES_MAX, Call, Endpoint, answer, read_query
from proxy.admin.errors import ApiError
from proxy.admin.gate import Gate, plain_address
from proxy.admin.listener import marked
from proxy.admin.openapi import describe
from proxy.admin.ports import AdminContext
from proxy.admin.token import ensure_admin_token
from proxy.clock import new_id
from proxy.dial.setting import Actor
from proxy.settings import Token

__all__ = ["build_admin", "ensure_admin_token"]

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HTTP_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
_TOKEN: Final = web.RequestKey("token", Token)

_log = structlog.get_logger("proxy.admin")


async def openapi(call: Call) -> web.Response:
    """What this API has."""
    return answer(describe(ENDPOINTS))


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *dial.ENDPOINTS,
    *restraints.ENDPOINTS,
    *rollbacks.ENDPOINTS,
    *changes.ENDPOINTS,
    *rules.ENDPOINTS,
    *patches.ENDPOINTS,
    *exchanges.ENDPOINTS,
    *cards.ENDPOINTS,
    *tripwires.ENDPOINTS,
    *probes.ENDPOINTS,
    *alerts.ENDPOINTS,
    *external.ENDPOINTS,
    *status.ENDPOINTS,
    Endpoint(
        "GET",
        "/admin/v1/openapi.json",
        "viewer",
        openapi,
        "This description",
        shapes.OBJECT,
        {200: "OpenAPI 3.1"},
    ),
)
_OPEN_PATHS: Final = frozenset(one.path for one in ENDPOINTS if one.role is None)


def build_admin(context: AdminContext) -> web.Application:
    """The application, ready for a runner of its own."""
    gate = Gate(context.tokens, (*context.hosts, context.listen_host))
    app = web.Application(middlewares=[_shield(context, gate)], client_max_size=BODY_BYTES_MAX)
    for one in ENDPOINTS:
        serve = _serve(context, one)
        if one.method == "GET":
            app.router.add_get(one.path, serve, allow_head=True)
        else:
            app.router.add_route(one.method, one.path, serve)
    for path in later.PATHS:
        row = Endpoint("*", path, "viewer", later.not_available, "", None, {}, any_query=True)
        app.router.add_route("*", path, _serve(context, row))
        app.router.add_route("*", path + "/{rest:.*}", _serve(context, row))
    return app


def _serve(context: AdminContext, endpoint: Endpoint) -> Handler:
    async def serve(http: web.Request) -> web.StreamResponse:
        actor = Actor.person("")
        if endpoint.role is not None:
            token = http[_TOKEN]
            Gate.check_role(token, endpoint.role)
            actor = Actor.person(token.name)
        return await endpoint.handler(Call(context, http, actor, read_query(http, endpoint)))

    return serve


def _shield(context: AdminContext, gate: Gate) -> Middleware:
    """Checks every request before it is routed, and gives every failure its shape."""

    @web.middleware
    async def shield(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("X-Request-Id", "")
        id = given if _REQUEST_ID.fullmatch(given) else new_id(context.clock())
        try:
            hosts = request.headers.getall("Host", [])
            gate.check_host(hosts, _own_address(request))
            gate.check_origin(request.headers.getall("Origin", []), hosts[0])
            if request.path not in _OPEN_PATHS:
                request[_TOKEN] = gate.caller(request.headers.getall("Authorization", []))
            response = await handler(request)
        except ApiError as error:
            response = _refuse(request, error)
        except web.HTTPException as error:
            response = _refuse(request, _from_http(request, error))
        except Exception:  # noqa: BLE001  the fault boundary: whatever breaks, the caller gets the one shape, and the log the trace
            _log.exception("admin_request_failed", id=id, method=request.method, path=request.path)
            response = _refuse(
                request, ApiError(500, "internal_error", f"this failed; the log has it under {id}")
            )
        token = request.get(_TOKEN)
        if request.method not in ("GET", "HEAD") or response.status in (401, 403, 421):
            _log.info(
                "admin_request",
                id=id,
                method=request.method,
                path=request.path,
                status=response.status,
                actor=token.name if token is not None else None,
                remote=request.remote,
            )
        marked(response, id)
        return response

    return shield


def _refuse(http: web.Request, error: ApiError) -> web.Response:
    return answer(error.body(), status=error.status, headers=error.headers)


def _from_http(http: web.Request, error: web.HTTPException) -> ApiError:
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    code = _HTTP_CODES.get(error.status, "request_failed")
    text = {
        404: f"there is no {http.path[:200]}",
        405: f"{http.method} is not for {http.path[:200]}; allowed: {headers.get('Allow', '')}",
        413: f"the body is over {BODY_BYTES_MAX} bytes",
    }.get(error.status, error.reason)
    return ApiError(error.status, code, text, headers=headers)


def _own_address(http: web.Request) -> str | None:
    """The address at which this connection came in."""
    name = http.transport.get_extra_info("sockname") if http.transport is not None else None
    return plain_address(str(name[0])) if isinstance(name, tuple) else None
