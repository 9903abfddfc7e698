"""Blocks and limits: `/admin/v1/blocks`, `/admin/v1/limits`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

from proxy.admin import present, shapes
from proxy.admin.endpoint import (
    Call,
    Endpoint,
    Handler,
    answer,
    if_match,
    read_object,
    reason_of,
    removal_reason,
    text_of,
    ttl_of,
)
from proxy.admin.errors import from_turn, unprocessable
from proxy.dial.restraint import Kind
from proxy.dial.restraint_turn import Restrained, lift, restrain
from proxy.dial.turn import TurnError
from proxy.errors import Invalid
from proxy.model.record import Json
from proxy.subjects import Rate, SubjectName

_ADD_KEYS: Final = frozenset({"subject", "reason", "ttl"})
LIFT_KEYS: Final = frozenset({"reason"})
_SUBJECT: Final = "user:ID, key:NAME, ip:CIDR, region:CC or app:NAME"
REFUSALS: Final[Mapping[int, str]] = MappingProxyType(
    {
        409: "So many hold that no more are taken, it was changed meanwhile, or it stands in the rule files",
    }
)


def _show(kind: Kind) -> Handler:
    async def show(call: Call) -> web.Response:
        """All of them, the oldest first."""
        now = call.context.dial.snapshot()
        shown: list[Json] = [present.restraint(one) for one in now.board.restraints.of(kind)]
        return answer({"version": now.version, f"{kind}s": shown}, headers={"ETag": f'"{now.etag}"'})

    return show


def _add(kind: Kind) -> Handler:
    keys = _ADD_KEYS | {"rate"} if kind is Kind.LIMIT else _ADD_KEYS

    async def add(call: Call) -> web.Response:
        """One more."""
        body = await read_object(call, keys)
        reason = reason_of(text_of(body, "reason"))
        subject = _subject(call, text_of(body, "subject"))
        rate = str(_rate(text_of(body, "rate"))) if kind is Kind.LIMIT else ""
        ttl_s = ttl_of(body)
        try:
            done = await restrain(
                call.context.dial, kind, str(subject), rate,
                actor=call.actor, reason=reason, ttl_s=ttl_s, if_match=if_match(call.http),
            )  # fmt: skip
        except TurnError as error:
            raise from_turn(error) from None
        return _answer(done)

    return add


def _remove(kind: Kind) -> Handler:
    async def remove(call: Call) -> web.Response:
        """Take one away, whoever added it."""
        body = await read_object(call, LIFT_KEYS)
        reason = removal_reason(call, body)
        try:
            done = await lift(
                call.context.dial, kind, call.path["id"],
                actor=call.actor, reason=reason, if_match=if_match(call.http),
            )  # fmt: skip
        except TurnError as error:
            raise from_turn(error) from None
        return _answer(done)

    return remove


def _answer(done: Restrained) -> web.Response:
    shown = present.restraint(done.restraint) if done.restraint is not None else {}
    body: dict[str, Json] = {
        **shown,
        "changed": done.changed,
        "durable": done.durable,
        "version": done.version,
    }
    return answer(body, headers={"ETag": f'"{done.etag}"'})


def _subject(call: Call, text: str | None) -> SubjectName:
    if text is None:
        raise unprocessable("invalid_subject", f"`subject` is missing: {_SUBJECT}")
    try:
        subject = SubjectName.parse(text)
    except Invalid as error:
        raise unprocessable("invalid_subject", str(error)) from None
    why = call.context.settings.unmatched(subject)
    if why is not None:
        raise unprocessable("unmatched_subject", f"no exchange would ever match {subject}: {why}")
    return subject


def _rate(text: str | None) -> Rate:
    try:
        return Rate.parse(text or "")
    except Invalid as error:
        raise unprocessable("invalid_rate", str(error)) from None


_BLOCKED: Final[shapes.Schema] = {"id": shapes.TEXT, "subject": shapes.TEXT, **shapes.HELD}
_LIMITED: Final[shapes.Schema] = {**_BLOCKED, "rate": shapes.TEXT}

ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/blocks", "viewer", _show(Kind.BLOCK), "Who is blocked",
        shapes.listed("blocks", shapes.BLOCK), {200: "The blocks, with an ETag"},
    ),
    Endpoint(
        "POST", "/admin/v1/blocks", "operator", _add(Kind.BLOCK),
        "Block a subject", shapes.done(_BLOCKED),
        {200: "The block, and `durable`", **REFUSALS, 422: "No reason, or a subject or ttl that cannot be"},
        body={"subject": shapes.SUBJECT, "reason": shapes.REASON, "ttl": shapes.TTL},
        required=("subject", "reason"), if_match=True,
    ),
    Endpoint(
        "DELETE", "/admin/v1/blocks/{id}", "operator", _remove(Kind.BLOCK), "Take a block away",
        shapes.done(_BLOCKED),
        {200: "The block that was", **REFUSALS, 404: "No such block", 422: "No reason",
         503: "It loosens and could not be stored: it holds still"},
        query={"reason": shapes.REASON}, body={"reason": shapes.OPTIONAL_REASON}, if_match=True,
    ),
    Endpoint(
        "GET", "/admin/v1/limits", "viewer", _show(Kind.LIMIT), "Whose calls are limited",
        shapes.listed("limits", shapes.LIMIT), {200: "The limits, with an ETag"},
    ),
    Endpoint(
        "POST", "/admin/v1/limits", "operator", _add(Kind.LIMIT), "Limit how often a subject may call",
        shapes.done(_LIMITED),
        {200: "The limit, and `durable`", **REFUSALS, 422: "No reason, or a subject, rate or ttl that cannot be"},
        body={"subject": shapes.SUBJECT, "rate": shapes.RATE, "reason": shapes.REASON, "ttl": shapes.TTL},
        required=("subject", "rate", "reason"), if_match=True,
    ),
    Endpoint(
        "DELETE", "/admin/v1/limits/{id}", "operator", _remove(Kind.LIMIT), "Take a limit away",
        shapes.done(_LIMITED),
        {200: "The limit that was", **REFUSALS, 404: "No such limit", 422: "No reason",
         503: "It loosens and could not be stored: it holds still"},
        query={"reason": shapes.REASON}, body={"reason": shapes.OPTIONAL_REASON}, if_match=True,
    ),
)  # fmt: skip
