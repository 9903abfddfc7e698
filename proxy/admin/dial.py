"""The dial: `/admin/v1/dial`."""

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
from proxy.admin.errors import from_turn, unprocessable
from proxy.admin.ports import AdminContext, Known
from proxy.dial.restraint import Kind
from proxy.dial.setting_turn import Turned
from proxy.dial.turn import TurnError
from proxy.errors import Invalid
from proxy.model.level import Level
from proxy.model.record import Json
from proxy.model.subject import Reach, Subject, fold_name
from proxy.scopes import Scope, ScopeKind
from proxy.subjects import SubjectKind, SubjectName
from proxy.yaml_source import nearest

_SET_KEYS: Final = frozenset({"level", "reason", "ttl"})
_CLEAR_KEYS: Final = frozenset({"reason"})
_REFUSALS: Final = {
    409: "The scope was turned meanwhile, or the dial is full",
    422: "No reason, or a scope, level or ttl that cannot be",
}


async def show(call: Call) -> web.Response:
    """All settings, with the version that If-Match understands."""
    now = call.context.dial.snapshot()
    return answer(
        {"version": now.version, "settings": [present.setting(one) for one in now.settings]},
        headers={"ETag": f'"{now.etag}"'},
    )


async def effective(call: Call) -> web.Response:
    """What would hold for an exchange of that model, app and caller, the app's name taken as verified."""
    model, app = call.query.get("model") or None, call.query.get("app") or None
    restraints = call.context.dial.restraints()
    known = Known(frozenset()) if model is None else call.context.known(model, restraints.rollbacks)
    level = call.context.dial.effective(Reach(known.names, app, app_verified=app is not None))
    subject = Subject(
        **{name: _caller(name, call.query.get(name)) for name in ("key", "user", "ip", "region")}
    )
    rollback = restraints.get((Kind.ROLLBACK, known.rollback or ""))
    blocks: list[Json] = [present.restraint(one) for one in restraints.blocks(subject, app)]
    limits: list[Json] = [present.restraint(one) for one in restraints.limits(subject, app)]
    served: dict[str, Json] = {
        "version": known.version,
        "rollback": None if rollback is None else present.rollback(rollback, applies=True),
    }
    return answer({**present.effective(level), **served, "blocks": blocks, "limits": limits})


def _caller(name: str, value: str | None) -> str | None:
    """A caller's name in the form in which exchanges carry it."""
    if not value:
        return None
    try:
        subject = SubjectName.parse(f"{name}:{value}")
    except Invalid as error:
        raise unprocessable("invalid_parameter", str(error)) from None
    if subject.network is None:
        return subject.value
    if subject.network.num_addresses > 1:
        raise unprocessable("invalid_parameter", "`ip` is one address")
    return str(subject.network.network_address)


async def put(call: Call) -> web.Response:
    """Set one's own level at a scope."""
    scope = _scope(call)
    body = await read_object(call, _SET_KEYS)
    reason = reason_of(text_of(body, "reason"))
    level = _level(text_of(body, "level"))
    ttl_s = ttl_of(body)
    try:
        turned = await call.context.dial.set(
            scope, level, actor=call.actor, reason=reason, ttl_s=ttl_s, if_match=if_match(call.http)
        )
    except TurnError as error:
        raise from_turn(error) from None
    return _turned(turned, _doubt(call.context, scope))


async def delete(call: Call) -> web.Response:
    """Take one's own setting at a scope away."""
    scope = _scope(call)
    body = await read_object(call, _CLEAR_KEYS)
    reason = removal_reason(call, body)
    try:
        turned = await call.context.dial.clear(
            scope, actor=call.actor, reason=reason, if_match=if_match(call.http)
        )
    except TurnError as error:
        raise from_turn(error) from None
    return _turned(turned)


def _doubt(context: AdminContext, scope: Scope) -> str | None:
    """What to tell who turned a scope that nothing fits: a slip of a tired hand must not pass for a kill. It is no
    refusal, since a model that is not in the settings may be asked for by any name."""
    if scope.kind is ScopeKind.GLOBAL:
        return None
    if scope.kind is ScopeKind.APP:
        why = context.settings.unmatched(SubjectName(SubjectKind.APP, scope.name))
        return None if why is None else f"no exchange would ever match {scope}: {why}"
    models = context.settings.models
    listed = {*models, *(version.model for model in models.values() for version in model.versions.values())}
    in_use = tuple(context.watch.inventory.in_use)
    names = {fold_name(name) for name in context.known(scope.name, {}).names}
    if names & {fold_name(name) for name in listed} or any(
        scope.matches(Reach(model.names)) for model in in_use
    ):
        return None
    near = nearest(scope.name, [*listed, *(model.model for model in in_use)])
    return f"no model `{scope.name}` is in the settings, and since the start nobody asked for one{near}"


def _turned(turned: Turned, doubt: str | None = None) -> web.Response:
    body: dict[str, Json] = {
        "scope": str(turned.scope),
        "level": turned.level.word if turned.setting is None else turned.setting.level.word,
        "holds": turned.level.word,
        "changed": turned.changed,
        "durable": turned.durable,
        "version": turned.version,
    }
    if turned.setting is not None:
        body = {**body, **present.setting(turned.setting)}
    if doubt is not None:
        body["doubt"] = doubt
    return answer(body, headers={"ETag": f'"{turned.etag}"'})


def _scope(call: Call) -> Scope:
    try:
        return Scope.parse(call.path["scope"])
    except Invalid as error:
        raise unprocessable("invalid_scope", str(error)) from None


def _level(word: str | None) -> Level:
    words = ", ".join(level.word for level in Level)
    if word is None:
        raise unprocessable("invalid_level", f"`level` is missing; one of {words}")
    try:
        return Level.parse(word)
    except ValueError as error:
        raise unprocessable("invalid_level", str(error)) from None


_UNSTORED: Final = "It may loosen and could not be stored: it does not hold"
_CLEARED: Final[shapes.Schema] = {"scope": shapes.TEXT, "level": shapes.LEVEL, "holds": shapes.LEVEL}
_SET: Final[shapes.Schema] = {**_CLEARED, **shapes.HELD, "doubt": shapes.TEXT}

# `effective` is no scope: a call of its own stands there.
_SCOPED: Final = "/admin/v1/dial/{scope:(?!effective$)(?s:.+)}"

ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/dial", "viewer", show, "All settings of the dial",
        shapes.listed("settings", shapes.SETTING), {200: "The settings, with an ETag"},
    ),
    Endpoint(
        "GET", "/admin/v1/dial/effective", "viewer", effective, "What would hold, and what decides",
        shapes.record({
            "level": shapes.LEVEL, "setting": shapes.or_null(shapes.SETTING),
            "version": shapes.or_null(shapes.TEXT), "rollback": shapes.or_null(shapes.ROLLBACK),
            "blocks": shapes.several(shapes.BLOCK), "limits": shapes.several(shapes.LIMIT),
        }),
        {200: "`setting` is null where nothing is set", 422: "A parameter that cannot be"},
        query={"model": shapes.said(shapes.TEXT, "The model by any of its names"),
               "app": shapes.said(shapes.TEXT, "The app's name, taken as verified"),
               "key": shapes.said(shapes.CALLER, "The client key's name"),
               "user": shapes.said(shapes.CALLER, "The user"), "ip": shapes.said(shapes.ADDRESS, "The address"),
               "region": shapes.said(shapes.REGION, "The region")},
    ),
    Endpoint(
        "PUT", _SCOPED, "operator", put, "Set your level at a scope",
        shapes.done(_SET, optional=("doubt",)),
        {200: "The setting, `holds` (the level of the scope by anyone's setting), `durable`, and a `doubt` where"
              " nothing is known that the scope would fit", **_REFUSALS,
         503: _UNSTORED},
        body={"level": shapes.LEVEL, "reason": shapes.REASON, "ttl": shapes.TTL},
        required=("level", "reason"), if_match=True,
    ),
    Endpoint(
        "DELETE", _SCOPED, "operator", delete, "Take your setting at a scope away",
        shapes.done(_CLEARED),
        {200: "`level` and `holds`: what the scope is at now; `changed` is false where nothing was set",
         **_REFUSALS, 503: _UNSTORED},
        query={"reason": shapes.REASON}, body={"reason": shapes.OPTIONAL_REASON}, if_match=True,
    ),
)  # fmt: skip
