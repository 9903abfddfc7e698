"""Which models are in use, as which versions, and whether they have a card."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from proxy.model.card import Card, card_for
from proxy.model.observation import Observation

MODELS_MAX: Final = 1000
"""Models that are remembered; then the one that was not seen for the longest time is forgotten."""
PAUSE_S: Final = 3600.0
"""A version that was not served for so long is served anew."""
VERSIONS_MAX: Final = 20
"""Versions of each, likewise."""


@dataclass(slots=True)
class Seen:
    """One version of a model in use: its name in the settings, as sent, and as the reply named it."""

    version: str | None
    sent: str | None
    served: str | None
    carded: bool
    exchanges: int = 0
    last_seen: float = 0.0  # Unix seconds
    began: float = 0.0  # when it was served after an hour or more in which it was not

    @property
    def names(self) -> frozenset[str | None]:
        return frozenset((self.version, self.sent, self.served))


@dataclass(slots=True)
class InUse:
    """A model and its versions."""

    model: str
    names: frozenset[str]
    versions: OrderedDict[tuple[str | None, str | None, str | None], Seen] = field(
        default_factory=OrderedDict
    )


class Inventory:
    """The models that exchanges were sent to since the start."""

    def __init__(self, cards: tuple[Card, ...] = ()) -> None:
        self._cards = cards
        self._models: OrderedDict[str, InUse] = OrderedDict()

    @property
    def cards(self) -> tuple[Card, ...]:
        return self._cards

    @property
    def in_use(self) -> Iterable[InUse]:
        """The models, by name."""
        return tuple(model for _, model in sorted(self._models.items()))

    def take(self, cards: tuple[Card, ...]) -> None:
        """These cards hold from now on."""
        self._cards = cards
        for model in self._models.values():
            for seen in model.versions.values():
                seen.carded = card_for(cards, model.names, seen.names) is not None

    def note(self, one: Observation) -> tuple[Seen, bool, bool] | None:
        """The version that served an exchange, whether it is new here, and whether the model has others; None where
        no model is known."""
        if one.model is None:
            return None
        model = self._models.get(one.model)
        if model is None:
            model = self._models[one.model] = InUse(one.model, one.names)
            if len(self._models) > MODELS_MAX:
                self._models.popitem(last=False)
        else:
            self._models.move_to_end(one.model)
        key = (one.version, one.sent, one.served)
        seen = model.versions.get(key)
        new = seen is None
        if seen is None:
            carded = card_for(self._cards, model.names, one.versions) is not None
            seen = model.versions[key] = Seen(*key, carded)
            if len(model.versions) > VERSIONS_MAX:
                model.versions.popitem(last=False)
        else:
            model.versions.move_to_end(key)
        if one.at - seen.last_seen > PAUSE_S:
            seen.began = one.at
        seen.exchanges += 1
        seen.last_seen = one.at
        return seen, new, len(model.versions) > 1
