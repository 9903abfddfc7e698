"""What a pattern recognizer of Presidio's finds, without what it builds around each finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

Range = tuple[int, int, float]
"""Start, end, score."""


@dataclass(slots=True)
class Found:
    """One finding, as Presidio's RecognizerResult."""

    start: int
    end: int
    score: float
    entity_type: str


class _Compiled(Protocol):
    """A pattern of the `regex` package."""

    def finditer(self, text: str) -> Iterable[_Match]: ...


class _Match(Protocol):
    def span(self) -> tuple[int, int]: ...


class _Pattern(Protocol):
    @property
    def score(self) -> float: ...
    @property
    def compiled_regex(self) -> _Compiled: ...


class PatternRecognizer(Protocol):
    """Presidio's PatternRecognizer, as far as it is used here."""

    @property
    def patterns(self) -> Iterable[_Pattern]: ...
    def analyze(self, text: str, entities: list[str]) -> object: ...
    def validate_result(self, pattern_text: str) -> bool | None: ...
    def invalidate_result(self, pattern_text: str) -> bool | None: ...


class Matching:
    """Finds what a PatternRecognizer finds that has no `analyze` of its own."""

    __slots__ = ("_entity", "_invalid", "_patterns", "_valid")

    def __init__(self, entity: str, recognizer: PatternRecognizer) -> None:
        recognizer.analyze(" ", [entity])  # compiles its patterns
        self._entity = entity
        self._patterns = tuple((one.compiled_regex, one.score) for one in recognizer.patterns)
        self._valid = recognizer.validate_result
        self._invalid = recognizer.invalidate_result

    def find(self, text: str) -> list[Found]:
        """The findings by start; none that lies within another of at least its score."""
        return outermost(self._entity, set(self._ranges(text)))

    def _ranges(self, text: str) -> Iterator[Range]:
        for compiled, least in self._patterns:
            for match in compiled.finditer(text):
                start, end = match.span()
                value = text[start:end]
                if not value:
                    continue
                valid = self._valid(value)
                score = least if valid is None else 1.0 if valid else 0.0
                if score > 0 and not self._invalid(value):
                    yield start, end, score


def outermost(entity: str, ranges: Iterable[Range]) -> list[Found]:
    """The ranges by start, as findings; none that lies within another of at least its score. (Presidio's
    `remove_duplicates`.)"""
    results: list[Found] = []
    around: list[Found] = []  # those that reach beyond the start of the one at hand
    for start, end, score in sorted(ranges, key=lambda one: (one[0], -one[1], -one[2])):
        around = [other for other in around if other.end > start]
        if not any(end <= other.end and score <= other.score for other in around):
            around.append(Found(start, end, score, entity))
            results.append(around[-1])
    return results
