"""The `cards` of the rule files: the inventory of models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import Field

from proxy.errors import Problem
from proxy.model.card import Card, Owner
from proxy.model.subject import fold_name
from proxy.model.text import Path
from proxy.yaml_model import FileModel, validate
from proxy.yaml_source import Document

CARDS_MAX: Final = 1000

Word = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^\S(.*\S)?$")]
Prose = Annotated[str, Field(min_length=1, max_length=4096)]
List = Annotated[tuple[Prose, ...], Field(max_length=100)]


class OwnerFile(FileModel):
    team: Word | None = None
    contact: Word | None = None


class CardFile(FileModel):
    model: Word
    version: Word | None = None
    owner: OwnerFile = OwnerFile()
    type: Word | None = None
    base_model: Prose | None = None
    training_data: Prose | None = None
    dependencies: List | None = None
    risks: List | None = None


@dataclass(slots=True)
class CardsReader:
    """Takes the cards of one file after another. A model's version has one card."""

    problems: list[Problem]
    cards: list[Card] = field(default_factory=list)
    _places: dict[tuple[str, str | None], str] = field(default_factory=dict)

    def take(self, document: Document, count: int) -> None:
        """The cards of this file; what it says wrongly joins the problems."""
        for index in range(count):
            at: Path = ("cards", index)
            file = validate(CardFile, document, self.problems, at)
            if file is not None:
                self._card(document, at, file)

    def _card(self, document: Document, at: Path, file: CardFile) -> None:
        line, column = document.mark((*at, "model"))
        place = f"{document.file}:{line}:{column}"
        version = "" if file.version is None else f", version `{file.version}`,"
        before = self._places.setdefault((fold_name(file.model), file.version), place)
        if before is not place:
            message = f"the model `{file.model}`{version} has a card already, in {before}"
            self.problems.append(document.problem((*at, "model"), message))
            return
        if len(self.cards) >= CARDS_MAX:
            self.problems.append(document.problem(at, f"a policy holds at most {CARDS_MAX} cards"))
            return
        self.cards.append(
            Card(
                file.model,
                file.version,
                Owner(file.owner.team, file.owner.contact),
                file.type,
                file.base_model,
                file.training_data,
                file.dependencies,
                file.risks,
                place,
            )
        )
