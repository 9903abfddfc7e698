"""The API's own description, `/admin/v1/openapi.json`, made from the same table that is served."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from proxy import __version__
from proxy.admin.endpoint import Endpoint
from proxy.model.record import Json

_PATTERN = re.compile(r"\{(\w+)(?::[^}]*)?\}")
_ERROR: Mapping[str, Json] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "object"},
            },
        }
    },
}
_GUARDED = {401: "No valid token", 403: "The token's role is too low, or a foreign Origin"}


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
    answers = {**one.answers, **(_GUARDED if one.role is not None else {}), 421: "A foreign Host"}
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATTERN.findall(one.path)
    ]
    for name, text in one.query.items():
        parameters.append({"name": name, "in": "query", "description": text, "schema": {"type": "string"}})
    if one.if_match:
        parameters.append(
            {"name": "If-Match", "in": "header", "description": "An ETag", "schema": {"type": "string"}}
        )
    operation: dict[str, Json] = {
        "summary": one.summary,
        "parameters": parameters,
        "responses": {str(status): _response(status, text) for status, text in sorted(answers.items())},
        "security": [] if one.role is None else [{"token": []}],
    }
    if one.role is not None:
        operation["description"] = f"Needs the role {one.role}."
    if one.body:
        schema: dict[str, Json] = {
            "type": "object",
            "additionalProperties": False,
            "required": list(one.required),
            "properties": {name: {"type": "string", "description": text} for name, text in one.body.items()},
        }
        operation["requestBody"] = {
            "required": bool(one.required),
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _response(status: int, text: str) -> dict[str, Json]:
    if status < 400:
        return {"description": text}
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
