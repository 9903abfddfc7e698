"""One growing text under one policy: every active rule's verdict, piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.model.finding import Finding
from proxy.model.level import Direction, Level


@dataclass(frozen=True, slots=True)
class Selection:
    """What of an exchange decides which rules are active and how strict they are."""

    level: Level
    models: frozenset[str]
    app: str | None


@dataclass(frozen=True, slots=True)
class Ruling:
    """One answer. `findings` became final with this piece, by start. Every finding that acts and starts before
    `settled` is known; no later character can add one there. With nothing enforced `settled` is the length."""

    findings: tuple[Finding, ...]
    settled: int


class Judge(Protocol):
    """Judges one text. Feeding it in any pieces gives the same findings as feeding it at once."""

    def feed(self, piece: str, *, final: bool = False) -> Ruling: ...

    @property
    def scores(self) -> Mapping[str, float]: ...


class Policy(Protocol):
    """All rule files together, compiled; immutable."""

    @property
    def digest(self) -> str: ...

    def judge(self, direction: Direction, selection: Selection, field: str) -> Judge: ...
