"""One call of the admin API as a value, and how its parts are read: query, body, If-Match.

The table of these values is what is routed, guarded and described in openapi.json, so that the three agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from aiohttp import web

from proxy import jsonio
from proxy.admin.errors import ApiError, unprocessable
from proxy.admin.ports import AdminContext
from proxy.admin.shapes import Schema
from proxy.dial.setting import Actor, parse_ttl
from proxy.errors import Invalid
from proxy.jsonio import DuplicateKey, InvalidJson
from proxy.model.record import Json
from proxy.scopes import check_reason
from proxy.settings import Role

BODY_BYTES_MAX: Final = 64 * 1024
BODY_WAIT_S: Final = 10.0
"""How long a body may take to arrive."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that passed the gate."""

    context: AdminContext
    http: web.Request
    actor: Actor
    query: Mapping[str, str]

    @property
    def path(self) -> Mapping[str, str]:
        """The variable parts of the path, decoded."""
        return self.http.match_info


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the table. `role` None needs no token. `gives` is the JSON Schema of a success; None: no JSON.
    `answers` maps each status to what it says, beside those that every call has; `query` and `body` map names to
    their JSON Schemas."""

    method: str
    path: str
    role: Role | None
    handler: Handler
    summary: str
    gives: Schema | None
    answers: Mapping[int, str]
    query: Mapping[str, Schema] = field(default_factory=lambda: MappingProxyType({}))
    body: Mapping[str, Schema] = field(default_factory=lambda: MappingProxyType({}))
    required: tuple[str, ...] = ()  # of the body
    if_match: bool = False
    any_query: bool = False  # a path that does not exist yet cannot say which parameters it takes


def answer(
    body: Mapping[str, Json], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer."""
    return web.Response(
        status=status, body=jsonio.dumps(body), content_type="application/json", headers=dict(headers or {})
    )


def read_query(http: web.Request, endpoint: Endpoint) -> Mapping[str, str]:
    """The parameters. One that is unknown or stands twice is refused: a filter that is silently not applied
    answers another question. Raises ApiError."""
    query: dict[str, str] = {}
    for name, value in http.query.items():
        if name not in endpoint.query and not endpoint.any_query:
            known = ", ".join(sorted(endpoint.query)) or "none"
            raise unprocessable("unknown_parameter", f"unknown parameter `{name[:80]}`; known here: {known}")
        if name in query:
            raise unprocessable("invalid_parameter", f"the parameter `{name[:80]}` stands twice")
        query[name] = value
    return query


async def read_object(call: Call, endpoint_keys: frozenset[str]) -> dict[str, Json]:
    """The body's JSON object; an absent body is an empty one. Raises ApiError for anything else, for a key
    that stands twice, and for an unknown key."""
    try:
        async with asyncio.timeout(BODY_WAIT_S):
            raw = await call.http.read()
    except TimeoutError:
        raise ApiError(408, "body_timeout", f"the body did not arrive within {BODY_WAIT_S:g} s") from None
    except web.RequestPayloadError as error:
        raise ApiError(400, "invalid_body", f"the body cannot be read: {error}") from None
    if not raw.strip():
        return {}
    try:
        body = jsonio.loads_strict(raw)
    except DuplicateKey as error:
        raise ApiError(400, "duplicate_key", str(error)) from None
    except InvalidJson as error:
        raise ApiError(400, "invalid_json", f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise unprocessable("invalid_request", "the body must be a JSON object")
    for key in body:
        if key not in endpoint_keys:
            known = ", ".join(sorted(endpoint_keys))
            raise unprocessable("unknown_key", f"unknown key `{key[:80]}`; known here: {known}")
    return body


def text_of(body: Mapping[str, Json], key: str) -> str | None:
    """A string of the body; None where it is absent or null. Raises ApiError."""
    value = body.get(key)
    if value is None or isinstance(value, str):
        return value
    raise unprocessable("invalid_request", f"`{key}` must be a string")


def reason_of(text: str | None) -> str:
    """The reason that every change needs. Raises ApiError."""
    if text is None or not text.strip():
        raise unprocessable("reason_required", "every change needs a `reason`")
    try:
        return check_reason(text)
    except Invalid as error:
        raise unprocessable("invalid_reason", str(error)) from None


def removal_reason(call: Call, body: Mapping[str, Json]) -> str:
    """The reason of a DELETE: of its body, else of `?reason=`. Raises ApiError."""
    given = (text_of(body, "reason"), call.query.get("reason"))
    reasons = [reason_of(text) for text in given if text is not None]
    return reasons[0] if reasons else reason_of(None)


def ttl_of(body: Mapping[str, Json]) -> float | None:
    """The seconds after which a change ends by itself; None for never. Raises ApiError."""
    text = text_of(body, "ttl")
    try:
        return None if text is None else parse_ttl(text)
    except Invalid as error:
        raise unprocessable("invalid_ttl", str(error)) from None


def if_match(http: web.Request) -> frozenset[str] | None:
    """The versions that a change may start from; None: any (no header, or `*`). A weak tag matches nothing."""
    headers = http.headers.getall("If-Match", None)
    if headers is None:
        return None
    tags = [tag.strip() for header in headers for tag in header.split(",")]
    return None if "*" in tags else frozenset(tag.strip('"') for tag in tags if not tag.startswith("W/"))


def whole_number(query: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    """A parameter from 1 to `most`. Raises ApiError."""
    text = query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most:
        return int(text)
    raise unprocessable("invalid_parameter", f"`{name}` must be a whole number from 1 to {most}")
