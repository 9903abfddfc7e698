"""Hot patches of the rules: `/admin/v1/rules/patch`."""

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
from proxy.admin.restraints import LIFT_KEYS, REFUSALS
from proxy.dial.restraint import Kind
from proxy.dial.restraint_turn import Restrained, lift, restrain
from proxy.dial.turn import TurnError
from proxy.errors import Invalid
from proxy.model.record import Json
from proxy.policy.patch import RULE_PREFIX, Patch

ABOUT: Final = "rules"
_ADD_KEYS: Final = frozenset({"phrases", "on", "action", "reason", "ttl"})


async def add(call: Call) -> web.Response:
    """One more rule, in force for new exchanges when this is answered."""
    body = await read_object(call, _ADD_KEYS)
    reason = reason_of(text_of(body, "reason"))
    ttl_s = ttl_of(body)
    try:
        patch = Patch.parse(body)
    except Invalid as error:
        raise unprocessable("invalid_patch", str(error)) from None
    try:
        done = await restrain(
            call.context.dial, Kind.PATCH, ABOUT, patch.dumps(),
            actor=call.actor, reason=reason, ttl_s=ttl_s, if_match=if_match(call.http),
        )  # fmt: skip
    except TurnError as error:
        raise from_turn(error) from None
    return await _in_force(call, done)


async def remove(call: Call) -> web.Response:
    """Take one away, whoever added it. Its id is taken with and without `patch:`."""
    body = await read_object(call, LIFT_KEYS)
    reason = removal_reason(call, body)
    try:
        done = await lift(
            call.context.dial, Kind.PATCH, call.path["id"].removeprefix(RULE_PREFIX),
            actor=call.actor, reason=reason, if_match=if_match(call.http),
        )  # fmt: skip
    except TurnError as error:
        raise from_turn(error) from None
    return await _in_force(call, done)


async def _in_force(call: Call, done: Restrained) -> web.Response:
    await call.context.policy.patch(call.context.dial.restraints().patches)
    body: dict[str, Json] = {
        **({} if done.restraint is None else present.patch(done.restraint)),
        "changed": done.changed,
        "durable": done.durable,
        "version": done.version,
        "digest": call.context.policy.current.digest,
    }
    return answer(body, headers={"ETag": f'"{done.etag}"'})


_PATCHED: Final[shapes.Schema] = {
    "id": shapes.TEXT, "rule": shapes.TEXT, "on": shapes.DIRECTION, "action": shapes.PATCH_ACTION,
    "phrases": shapes.several(shapes.TEXT), **shapes.HELD, "digest": shapes.TEXT,
}  # fmt: skip

ENDPOINTS: Final = (
    Endpoint(
        "POST", "/admin/v1/rules/patch", "operator", add, "Add a rule of phrases to the policy in force",
        shapes.done(_PATCHED), {200: "The patch, `durable`, and the policy's `digest` with it", **REFUSALS,
         422: "No reason, or phrases, a direction, an action or a ttl that cannot be"},
        body={"phrases": shapes.PHRASES, "on": shapes.DIRECTION, "action": shapes.PATCH_ACTION,
              "reason": shapes.REASON, "ttl": shapes.TTL},
        required=("phrases", "on", "action", "reason"), if_match=True,
    ),
    Endpoint(
        "DELETE", "/admin/v1/rules/patch/{id}", "operator", remove, "Take a patch away",
        shapes.done(_PATCHED),
        {200: "The patch that was, and the policy's `digest` without it", **REFUSALS, 404: "No such patch",
         422: "No reason", 503: "It loosens and could not be stored: it holds still"},
        query={"reason": shapes.REASON}, body={"reason": shapes.OPTIONAL_REASON}, if_match=True,
    ),
)  # fmt: skip
