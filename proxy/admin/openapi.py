"""The API's own description, `/admin/v1/openapi.json`, made from the same table that is served."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from proxy import __version__
from proxy.admin.endpoint import Endpoint
from proxy.admin.shapes import IN_PATHS, record
from proxy.model.record import Json

_PATTERN = re.compile(r"\{(\w+)(?::[^}]*)?\}")
_ERROR: Mapping[str, Json] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "object"},
            },
        }
    },
}
_ERROR_REFERENCE: Mapping[str, Json] = {"$ref": "#/components/schemas/Error"}
_EVERY_CALL: Mapping[int, str] = {
    403: "A foreign Origin",
    421: "A foreign Host",
    422: "An unknown parameter, or one that stands twice",
    500: "A fault of the proxy's own; its log has it under X-Request-Id",
}
_WITH_TOKEN: Mapping[int, str] = {
    401: "No valid token",
    403: "The token's role is too low, or a foreign Origin",
}
_WITH_BODY: Mapping[int, str] = {
    400: "The body is not a JSON document, or has a key twice",
    408: "The body did not arrive in time",
    413: "The body is too large",
}
_WITH_IF_MATCH: Mapping[int, str] = {412: "If-Match names another version than the present one"}


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Json]:
    """An OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Json]] = {}
    for one in endpoints:
        paths.setdefault(_PATTERN.sub(r"{\1}", one.path), {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Guardrail proxy: admin API", "version": __version__},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR},
        },
    }


def _operation(one: Endpoint) -> dict[str, Json]:
    answers = {
        **_EVERY_CALL,
        **(_WITH_TOKEN if one.role is not None else {}),
        **(_WITH_BODY if one.body else {}),
        **(_WITH_IF_MATCH if one.if_match else {}),
        **one.answers,
    }
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": IN_PATHS[name]}
        for name in _PATTERN.findall(one.path)
    ]
    for name, schema in one.query.items():
        parameters.append({"name": name, "in": "query", "schema": schema})
    if one.if_match:
        parameters.append(
            {"name": "If-Match", "in": "header", "description": "An ETag", "schema": {"type": "string"}}
        )
    operation: dict[str, Json] = {
        "summary": one.summary,
        "parameters": parameters,
        "responses": {str(status): _response(one, status, text) for status, text in sorted(answers.items())},
        "security": [] if one.role is None else [{"token": []}],
    }
    if one.role is not None:
        operation["description"] = f"Needs the role {one.role}."
    if one.body:
        optional = tuple(name for name in one.body if name not in one.required)
        operation["requestBody"] = {
            "required": bool(one.required),
            "content": {"application/json": {"schema": record(one.body, optional=optional)}},
        }
    return operation


def _response(one: Endpoint, status: int, text: str) -> dict[str, Json]:
    if status >= 400:
        return {"description": text, "content": {"application/json": {"schema": _ERROR_REFERENCE}}}
    if one.gives is None:
        return {"description": text, "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {"description": text, "content": {"application/json": {"schema": one.gives}}}
