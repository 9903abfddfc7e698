"""The models' cards, joined with what is in use: `/admin/v1/cards`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from proxy.admin import present, shapes
from proxy.admin.endpoint import Call, Endpoint, answer
from proxy.admin.tripwires import AT_ONCE, baselines
from proxy.model.card import Card
from proxy.model.record import Json
from proxy.respond.responder import by_turns
from proxy.watch.inventory import InUse, Seen
from proxy.watch.wire import Standing


async def show(call: Call) -> web.Response:
    """Every card, and every model in use that has none."""
    watch = call.context.watch
    inventory, standings = watch.inventory, await by_turns(watch.standings(call.context.clock()), AT_ONCE)
    in_use = tuple(inventory.in_use)
    bare: list[Json] = []
    for model in in_use:
        without = [seen for seen in model.versions.values() if not seen.carded]
        if without:
            bare.append({"model": model.model, **_live(without), "baselines": _normal((model,), standings)})
    cards: list[Json] = []
    for card in inventory.cards:
        models = [model for model in in_use if card.about(model.names)]
        cards.append({**_card(card, _served(card, models)), "baselines": _normal(models, standings)})
    return answer({"cards": cards, "without_card": bare})


def _normal(models: Iterable[InUse], standings: Iterable[Standing]) -> list[Json]:
    """What tripwires have learned as normal of these models, over all their versions."""
    groups = {f"model:{model.model}" for model in models}
    return baselines(one for one in standings if one.group in groups)


def _served(card: Card, models: Iterable[InUse]) -> list[Seen]:
    return [
        seen
        for model in models
        for seen in model.versions.values()
        if card.version is None or card.version in seen.names
    ]


def _card(card: Card, served: list[Seen]) -> dict[str, Json]:
    return {
        **card.shown(),
        "missing": card.missing,
        "live": _live(served) if served else None,
    }


def _live(served: list[Seen]) -> dict[str, Json]:
    versions: list[Json] = [
        {
            "version": seen.version,
            "sent": seen.sent,
            "served": seen.served,
            "exchanges": seen.exchanges,
            "last_seen": present.moment(seen.last_seen),
        }
        for seen in served
    ]
    return {
        "exchanges": sum(seen.exchanges for seen in served),
        "last_seen": present.moment(max(seen.last_seen for seen in served)),
        "versions": versions,
    }


ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/cards", "viewer", show, "The models' cards, and what is in use",
        shapes.record({
            "cards": shapes.several(shapes.CARD), "without_card": shapes.several(shapes.WITHOUT_CARD),
        }),
        {200: "`live` counts from the start of the proxy; `baselines` are what is normal of the model now"},
    ),
)  # fmt: skip
