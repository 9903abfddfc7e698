"""What the rule files set on the dial: `containment.set`, `blocks` and `limits`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field

from proxy.detect.offers import Offers
from proxy.errors import Invalid, Problem
from proxy.model.level import Level
from proxy.model.text import Path
from proxy.policy.containment import warn_of_nobody
from proxy.scopes import Scope, check_reason
from proxy.subjects import Rate, SubjectName
from proxy.yaml_model import FileModel, validate
from proxy.yaml_source import Document

LEVELS_MAX: Final = 200
RESTRAINTS_MAX: Final = 2000
"""Blocks and limits of all rule files together."""
CALLS_MAX: Final = 500_000
"""How many calls all limits of the files together may allow: each call in a window is remembered."""

T = TypeVar("T")


class SetFile(FileModel):
    scope: Annotated[str, Field(max_length=512)]
    level: Literal["open", "guarded", "degraded", "restricted", "killed"]
    reason: str
    until: str | None = None


class BlockFile(FileModel):
    subject: Annotated[str, Field(max_length=512)]
    reason: str
    until: str | None = None


class LimitFile(BlockFile):
    rate: Annotated[str, Field(max_length=64)]


@dataclass(frozen=True, slots=True)
class StandingLevel:
    """A level at a scope; `until` in Unix seconds, None for as long as the files say so."""

    scope: Scope
    level: Level
    reason: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class StandingRestraint:
    """A block, or with a rate a limit."""

    subject: SubjectName
    rate: Rate | None
    reason: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """All that the files set on the dial."""

    levels: tuple[StandingLevel, ...] = ()
    restraints: tuple[StandingRestraint, ...] = ()


@dataclass(slots=True)
class StandingReader:
    """Takes what one file after another sets. A scope is set, and a subject blocked or limited, in one place."""

    problems: list[Problem]
    warnings: list[Problem]
    offers: Offers
    levels: list[StandingLevel] = field(default_factory=list)
    restraints: list[StandingRestraint] = field(default_factory=list)
    _places: dict[tuple[str, ...], str] = field(default_factory=dict)

    def take(self, document: Document, *, sets: int, blocks: int, limits: int) -> None:
        """So many entries of each key of this file; what it says wrongly joins the problems."""
        for index in range(sets):
            at: Path = ("containment", "set", index)
            file = validate(SetFile, document, self.problems, at)
            if file is not None:
                self._level(document, at, file)
        for index in range(blocks):
            at = ("blocks", index)
            block = validate(BlockFile, document, self.problems, at)
            if block is not None:
                self._restraint(document, at, block, None)
        for index in range(limits):
            at = ("limits", index)
            limit = validate(LimitFile, document, self.problems, at)
            if limit is not None:
                rate = self._parsed(document, (*at, "rate"), Rate.parse, limit.rate)
                if rate is not None:
                    self._restraint(document, at, limit, rate)

    @property
    def value(self) -> Standing:
        return Standing(tuple(self.levels), tuple(self.restraints))

    def _level(self, document: Document, at: Path, file: SetFile) -> None:
        scope = self._parsed(document, (*at, "scope"), Scope.parse, file.scope)
        reason = self._parsed(document, (*at, "reason"), check_reason, file.reason)
        until = self._until(document, at, file.until)
        if scope is None or reason is None or not self._first(document, (*at, "scope"), "set", str(scope)):
            return
        if len(self.levels) >= LEVELS_MAX:
            self.problems.append(document.problem(at, f"rule files set at most {LEVELS_MAX} scopes"))
            return
        self.levels.append(StandingLevel(scope, Level.parse(file.level), reason, until))

    def _restraint(self, document: Document, at: Path, file: BlockFile, rate: Rate | None) -> None:
        subject = self._parsed(document, (*at, "subject"), SubjectName.parse, file.subject)
        reason = self._parsed(document, (*at, "reason"), check_reason, file.reason)
        until = self._until(document, at, file.until)
        if subject is None or reason is None:
            return
        warn_of_nobody(self.warnings, self.offers, subject, document, (*at, "subject"))
        if not self._first(document, (*at, "subject"), str(at[0]), str(subject), str(rate or "")):
            return
        calls = sum(one.rate.calls for one in self.restraints if one.rate is not None)
        if len(self.restraints) >= RESTRAINTS_MAX:
            message = f"rule files hold at most {RESTRAINTS_MAX} blocks and limits"
            self.problems.append(document.problem(at, message))
        elif rate is not None and calls + rate.calls > CALLS_MAX:
            message = (
                f"all limits of the rule files together allow at most {CALLS_MAX} calls, each remembered"
            )
            self.problems.append(document.problem((*at, "rate"), message))
        else:
            self.restraints.append(StandingRestraint(subject, rate, reason, until))

    def _first(self, document: Document, at: Path, *what: str) -> bool:
        line, column = document.mark(at)
        place = f"{document.file}:{line}:{column}"
        before = self._places.setdefault(what, place)
        if before is not place:
            self.problems.append(document.problem(at, f"`{what[1]}` stands twice; also in {before}"))
        return before is place

    def _until(self, document: Document, at: Path, text: str | None) -> float | None:
        return None if text is None else self._parsed(document, (*at, "until"), _moment, text)

    def _parsed(self, document: Document, at: Path, parse: Callable[[str], T], text: str) -> T | None:
        try:
            return parse(text)
        except Invalid as error:
            self.problems.append(document.problem(at, str(error)))
            return None


def _moment(text: str) -> float:
    """Unix seconds of a date (its first moment, UTC) or of an RFC 3339 time. Raises Invalid."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("a moment is a date, as 2027-01-01, or a time, as 2027-01-01T03:00:00Z") from None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
