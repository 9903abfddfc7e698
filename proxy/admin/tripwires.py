"""Where the tripwires stand: `/admin/v1/tripwires`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from proxy.admin import present, shapes
from proxy.admin.endpoint import Call, Endpoint, answer, read_object, reason_of, text_of
from proxy.admin.errors import ApiError, unprocessable
from proxy.model.record import Json
from proxy.respond.responder import by_turns
from proxy.watch.wire import Standing

AT_ONCE: Final = 16
"""Standings that are worked out before others get their turn: less than a millisecond."""
KNOWN_MAX: Final = 20
"""Of the baselines that there are, so many are named to who asks for another."""


async def show(call: Call) -> web.Response:
    """Each tripwire for each group that it knows; those that are not well first."""
    standings = await by_turns(call.context.watch.standings(call.context.clock()), AT_ONCE)
    shown: list[Json] = [_standing(one) for one in sorted(standings, key=lambda one: -one.state)]
    return answer({"tripwires": shown})


def _standing(one: Standing) -> dict[str, Json]:
    wire = one.tripwire
    return {
        "id": wire.id,
        "per": one.group,
        "state": one.state.word,
        "value": one.value,
        "threshold": one.limits.threshold,
        "baseline": baseline(one),
        "since": None if one.since is None else present.moment(one.since),
        "metric": wire.metric,
        "stat": wire.stat,
        "window_s": wire.window_s,
        "samples": one.samples,
        "min_samples": wire.min_samples,
        "severity": wire.severity,
    }


async def relearn(call: Call) -> web.Response:
    """Forget what a tripwire has learned of a group, which it then learns anew."""
    body = await read_object(call, frozenset({"tripwire", "per", "reason"}))
    reason, id, per = reason_of(text_of(body, "reason")), text_of(body, "tripwire"), text_of(body, "per")
    if id is None or per is None:
        raise unprocessable(
            "invalid_request", "`tripwire` and `per` say what to forget, as `tripwires show` does"
        )
    context = call.context
    try:
        forgot = await context.responder.relearn(id, per)
    except KeyError:
        standings = await by_turns(context.watch.standings(context.clock()), AT_ONCE)
        known = [f"{one.tripwire.id} for {one.group}" for one in standings if one.limits.learned]
        message = f"the tripwire {id[:80]!r} has learned nothing for {per[:80]!r}; there are: "
        raise ApiError(404, "no_such_baseline", message + (", ".join(known[:KNOWN_MAX]) or "none")) from None
    durable = await context.dial.note(
        actor=call.actor,
        action="baseline.relearn",
        scope=per,
        before=f"{id}: {forgot} samples",
        after=f"{id}: none",
        reason=reason,
    )
    return answer({"tripwire": id, "per": per, "forgotten_samples": forgot, "durable": durable})


def baseline(one: Standing) -> dict[str, Json] | None:
    """What is normal for a group now, as far as its tripwire compares with that."""
    limits, expected = one.limits, one.limits.expected
    if not one.tripwire.learns:
        return None
    return {
        "learning": limits.learning,
        "learned_samples": limits.learned,
        "expected": None if expected is None else expected.value,
        "low": None if expected is None else expected.limit(-1),
        "high": None if expected is None else expected.limit(1),
        "from": None if expected is None else expected.source,
        "windows": 0 if expected is None else expected.windows,
        "adds_up": one.adds_up,
    }


def baselines(standings: Iterable[Standing]) -> list[Json]:
    """What is normal now, by tripwire and group."""
    return [
        {
            "tripwire": one.tripwire.id,
            "per": one.group,
            "metric": one.tripwire.metric,
            "stat": one.tripwire.stat,
            "state": one.state.word,
            "value": one.value,
            "baseline": baseline(one),
        }
        for one in standings
        if one.tripwire.learns
    ]


ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/tripwires", "viewer", show, "Where the tripwires stand",
        shapes.record({"tripwires": shapes.several(shapes.TRIPWIRE)}),
        {200: "`per` names the group, as `model:support-bot`; with fewer `samples` than `min_samples` the value"
              " says nothing yet. `baseline` is what is normal at this hour, give or take one deviation (`low`,"
              " `high`); while it is `learning` there is no threshold. Where it looks for a `shift`, the threshold"
              " is the value beyond which a window counts, and `adds_up` how much of what makes it fire has added"
              " up, from 0 to 1"},
    ),
    Endpoint(
        "POST", "/admin/v1/baselines/relearn", "operator", relearn,
        "Have a tripwire learn anew what is normal, as after it learned from a fault",
        shapes.record({
            "tripwire": shapes.TEXT, "per": shapes.TEXT, "forgotten_samples": shapes.COUNT, "durable": shapes.FLAG,
        }),
        {200: "It has forgotten, and is silent until it has learned; a restart changes nothing in that",
         404: "There is no such baseline; the message names some that there are", 422: "No reason, or no group"},
        body={"tripwire": shapes.said(shapes.TEXT, "Its id"),
              "per": shapes.said(shapes.TEXT, "The group, as `model:support-bot`"), "reason": shapes.REASON},
        required=("tripwire", "per", "reason"),
    ),
)  # fmt: skip
