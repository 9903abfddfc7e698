"""Takes what every exchange tells of its model."""

from __future__ import annotations

from typing import Protocol

import structlog

from proxy.model.card import Card
from proxy.model.observation import Observation
from proxy.watch.inventory import Inventory

_log = structlog.get_logger("proxy.watch")


class WatchObserver(Protocol):
    """Told of what is noticed, for the metrics."""

    def on_uncarded(self, model: str | None) -> None:
        """An exchange of a model that has no card, or none for its version."""
        ...


class Watch:
    """All that is known of how models behave. Belongs to one event loop."""

    def __init__(self, observer: WatchObserver) -> None:
        self._observer = observer
        self.inventory = Inventory()

    def take(self, cards: tuple[Card, ...]) -> None:
        """A policy came into force."""
        self.inventory.take(cards)

    def observe(self, one: Observation) -> None:
        """An exchange ended. Called once for each, on the event loop."""
        noted = self.inventory.note(one)
        if noted is not None and not noted[0].carded:
            seen, new = noted
            self._observer.on_uncarded(one.model)
            if new:
                _log.warning(
                    "model_without_card",
                    model=one.model,
                    version=seen.version,
                    sent=seen.sent,
                    served=seen.served,
                )
