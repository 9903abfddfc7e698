"""When which probe is due for which model. Pure: time and chance are passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from proxy.model.card import Card
from proxy.model.probe import Probe
from proxy.policy.probes import MODELS_MAX

JITTER: Final = 0.1
"""How much sooner or later than `every` the next run may be, as a share of it: probes must not come in step."""
AGAIN_S: Final = 60.0
"""When one is tried again that the proxy was too busy for."""

Key = tuple[str, str]
"""A probe's id and a model."""


def models_of(probe: Probe, cards: Iterable[Card]) -> tuple[str, ...]:
    """The models that a probe is put to: those that it names, else all that have a card, up to a bound."""
    if probe.models is not None:
        return probe.models
    return tuple(dict.fromkeys(card.model for card in cards))[:MODELS_MAX]


class Schedule:
    """The next run of each probe for each model, by a clock that never goes back. `chance` draws from 0 to 1."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._probes: Mapping[Key, Probe] = {}
        self._due: dict[Key, float] = {}

    @property
    def probes(self) -> Mapping[Key, Probe]:
        """Every probe for each of its models, in the order of the files."""
        return self._probes

    def take(self, probes: Iterable[Probe], cards: tuple[Card, ...], now: float) -> None:
        """These hold from now on. One that is as it was keeps its turn; a new one comes some time within its first
        span, so that neither a start nor a reload asks everything at once."""
        before = self._probes
        self._probes = {(one.id, model): one for one in probes for model in models_of(one, cards)}
        self._due = {
            key: self._due[key] if before.get(key) == one else self._first(one, now)
            for key, one in self._probes.items()
        }

    def _first(self, one: Probe, now: float) -> float:
        return now + one.every_s * (JITTER + (1 - JITTER) * self._chance())

    def ready(self, now: float) -> list[Key]:
        """What is due, the longest overdue first."""
        return sorted((key for key, at in self._due.items() if at <= now), key=self._due.__getitem__)

    def ran(self, key: Key, now: float) -> None:
        """It runs now; its next turn follows from now."""
        one = self._probes.get(key)
        if one is not None:
            self._due[key] = now + one.every_s * (1 + JITTER * (2 * self._chance() - 1))

    def put_off(self, key: Key, now: float) -> None:
        """There was no room for it."""
        one = self._probes.get(key)
        if one is not None:
            self._due[key] = now + min(one.every_s, AGAIN_S)
