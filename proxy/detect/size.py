"""Replies that are too long. A finding is the first character beyond the limit: nothing is held for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.detect.base import Context, InlineScan, Progress
from proxy.model.finding import Match

TOO_MANY_CHARACTERS: Final = "TOO_MANY_CHARACTERS"
TOO_MANY_MESSAGES: Final = "TOO_MANY_MESSAGES"


@dataclass(frozen=True, slots=True)
class SizeEntry:
    """One rule: how many characters a text may have."""

    rule: int
    max_characters: int


class SizeBank:
    """The rules about the size of texts."""

    detector = "size"
    reads_context = False

    def __init__(self, entries: Sequence[SizeEntry]) -> None:
        self.rules = frozenset(entry.rule for entry in entries)
        self.limits = tuple(sorted((entry.max_characters, entry.rule) for entry in entries))

    def open(self, context: Context) -> _SizeScan:
        return _SizeScan(self.limits)


class _SizeScan(InlineScan):
    """One text."""

    __slots__ = ("_length", "_limits")

    def __init__(self, limits: tuple[tuple[int, int], ...]) -> None:
        self._limits = limits
        self._length = 0

    @property
    def scores(self) -> Mapping[str, float]:
        return {}

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        before, self._length = self._length, self._length + len(piece)
        matches = tuple(
            Match(rule, TOO_MANY_CHARACTERS, 1.0, limit, limit + 1)
            for limit, rule in self._limits
            if before <= limit < self._length
        )
        return Progress(matches, self._length)
