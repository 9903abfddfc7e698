"""Rollbacks: `/admin/v1/rollbacks`."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from proxy.admin import present, shapes
from proxy.admin.endpoint import (
    Call,
    Endpoint,
    answer,
    if_match,
    read_object,
    reason_of,
    removal_reason,
    text_of,
    ttl_of,
)
from proxy.admin.errors import ApiError, from_turn, unprocessable
from proxy.admin.restraints import LIFT_KEYS, REFUSALS
from proxy.dial.restraint import Kind, Restraint
from proxy.dial.restraint_turn import Restrained, lift, restrain
from proxy.dial.turn import TurnError
from proxy.model.record import Json
from proxy.settings import ModelSettings

_PUT_KEYS: Final = frozenset({"version", "reason", "ttl"})


async def show_all(call: Call) -> web.Response:
    """All of them, the oldest first."""
    now = call.context.dial.snapshot()
    shown: list[Json] = [_shown(call, one) for one in now.board.restraints.of(Kind.ROLLBACK)]
    return answer({"version": now.version, "rollbacks": shown}, headers={"ETag": f'"{now.etag}"'})


async def show(call: Call) -> web.Response:
    """One model: its versions, the one that is served, and its rollback."""
    now, name = call.context.dial.snapshot(), call.path["model"]
    model = _model(call, name)
    held = now.board.restraints.get((Kind.ROLLBACK, name))
    applies = held is not None and _applies(call, held)
    return answer(
        {
            "model": name,
            "versions": sorted(model.versions),
            "serve": model.serve,
            "served": held.value if held is not None and applies else model.serve,
            "rollback": None if held is None else _shown(call, held),
        },
        headers={"ETag": f'"{now.etag}"'},
    )


async def put(call: Call) -> web.Response:
    """Serve that version, from the next exchange on."""
    name = call.path["model"]
    model = _model(call, name)
    body = await read_object(call, _PUT_KEYS)
    reason = reason_of(text_of(body, "reason"))
    version = _version(call, name, model, text_of(body, "version"))
    ttl_s = ttl_of(body)
    try:
        done = await restrain(
            call.context.dial, Kind.ROLLBACK, name, version,
            actor=call.actor, reason=reason, ttl_s=ttl_s, if_match=if_match(call.http),
        )  # fmt: skip
    except TurnError as error:
        raise from_turn(error) from None
    return _answer(call, name, done)


async def delete(call: Call) -> web.Response:
    """Back to the version that the settings say."""
    name = call.path["model"]
    if call.context.dial.restraints().get((Kind.ROLLBACK, name)) is None:
        _model(call, name)
    body = await read_object(call, LIFT_KEYS)
    reason = removal_reason(call, body)
    try:
        done = await lift(
            call.context.dial, Kind.ROLLBACK, name,
            actor=call.actor, reason=reason, if_match=if_match(call.http),
        )  # fmt: skip
    except TurnError as error:
        raise from_turn(error) from None
    return _answer(call, name, done)


def _answer(call: Call, name: str, done: Restrained) -> web.Response:
    model = call.context.settings.models.get(name)
    body: dict[str, Json] = {
        "model": name,
        **(_shown(call, done.restraint) if done.restraint is not None else {}),
        "serve": model.serve if model is not None else None,
        "changed": done.changed,
        "durable": done.durable,
    }
    return answer(body, headers={"ETag": f'"{done.etag}"'})


def _shown(call: Call, one: Restraint) -> dict[str, Json]:
    return present.rollback(one, applies=_applies(call, one))


def _applies(call: Call, one: Restraint) -> bool:
    model = call.context.settings.models.get(one.about)
    return model is not None and one.value in model.versions


def _model(call: Call, name: str) -> ModelSettings:
    model = call.context.settings.models.get(name)
    if model is None:
        known = ", ".join(sorted(call.context.settings.models)) or "none"
        raise ApiError(404, "no_such_model", f"the settings have no model {name[:80]!r}; they have: {known}")
    return model


def _version(call: Call, name: str, model: ModelSettings, word: str | None) -> str:
    if word is None or word not in model.versions:
        known = ", ".join(sorted(model.versions))
        what = "`version` is missing" if word is None else f"{name} has no version {word[:80]!r}"
        raise unprocessable("invalid_version", f"{what}; it has: {known}")
    backends = call.context.settings.backends
    apis = [backends[model.versions[one].backend].api for one in (word, model.serve)]
    if apis[0] != apis[1]:
        text = f"{word} speaks the {apis[0]} API and {model.serve}, which clients use, {apis[1]}"
        raise unprocessable("invalid_version", f"{text}: they could not call it")
    return word


_PATH: Final = "/admin/v1/rollbacks/{model:(?s:.+)}"
_ROLLED: Final[shapes.Schema] = {
    "model": shapes.TEXT, "version": shapes.TEXT, **shapes.HELD, "applies": shapes.FLAG,
    "serve": shapes.or_null(shapes.TEXT), "changed": shapes.FLAG, "durable": shapes.FLAG,
}  # fmt: skip

ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/rollbacks", "viewer", show_all, "The models that are rolled back",
        shapes.listed("rollbacks", shapes.ROLLBACK), {200: "The rollbacks, with an ETag"},
    ),
    Endpoint(
        "GET", _PATH, "viewer", show, "A model's versions, and its rollback",
        shapes.record({
            "model": shapes.TEXT, "versions": shapes.several(shapes.TEXT), "serve": shapes.TEXT,
            "served": shapes.TEXT, "rollback": shapes.or_null(shapes.ROLLBACK),
        }),
        {200: "`rollback` is null where there is none",
         404: "No such model"},
    ),
    Endpoint(
        "PUT", _PATH, "operator", put, "Serve another version of a model, from the next exchange on",
        shapes.record(_ROLLED),
        {200: "The rollback, `serve` (the version of the settings) and `durable`", **REFUSALS,
         404: "No such model", 422: "No reason, or a version or ttl that cannot be"},
        body={"version": shapes.said(shapes.TEXT, "One of the model's versions in the settings"),
              "reason": shapes.REASON, "ttl": shapes.TTL},
        required=("version", "reason"), if_match=True,
    ),
    Endpoint(
        "DELETE", _PATH, "operator", delete, "Serve the version of the settings again",
        shapes.record(_ROLLED, optional=("version", "applies", *shapes.HELD)),
        {200: "`changed` is false where it was not rolled back", **REFUSALS, 404: "No such model", 422: "No reason",
         503: "It could not be stored: the rollback holds still"},
        query={"reason": shapes.REASON}, body={"reason": shapes.OPTIONAL_REASON}, if_match=True,
    ),
)  # fmt: skip
