"""A model's card: what is known of it before anything goes wrong."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.model.record import Json
from proxy.model.subject import fold_name


@dataclass(frozen=True, slots=True)
class Owner:
    """Who answers for a model: a team, and where its alerts go."""

    team: str | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One model, or one version of it. `place` is where it stands in the rule files."""

    model: str
    version: str | None = None
    owner: Owner = Owner()
    type: str | None = None
    base_model: str | None = None
    training_data: str | None = None
    dependencies: tuple[str, ...] | None = None  # an empty list says that there are none
    risks: tuple[str, ...] | None = None
    place: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys that a complete card has and this one has not."""
        said = {
            "version": self.version,
            "owner.team": self.owner.team,
            "owner.contact": self.owner.contact,
            "type": self.type,
            "base_model": self.base_model,
            "training_data": self.training_data,
            "dependencies": self.dependencies,
            "risks": self.risks or None,  # a model without any risk is one that nobody thought about
        }
        return tuple(key for key, value in said.items() if value is None)

    def shown(self) -> dict[str, Json]:
        """The card as the API and alerts write it."""
        return {
            "model": self.model,
            "version": self.version,
            "owner": {"team": self.owner.team, "contact": self.owner.contact},
            "type": self.type,
            "base_model": self.base_model,
            "training_data": self.training_data,
            "dependencies": self.dependencies,
            "risks": self.risks,
        }

    def about(self, names: frozenset[str]) -> bool:
        """Whether it is the card of the model that has those names."""
        return self.model in names or fold_name(self.model) in names


def card_for(cards: tuple[Card, ...], names: frozenset[str], versions: frozenset[str | None]) -> Card | None:
    """The card of a model that has those names, served as a version with those names: the one of that version,
    else the one that names no version."""
    found = None
    for card in cards:
        if card.about(names):
            if card.version is None:
                found = found or card
            elif card.version in versions:
                return card
    return found
