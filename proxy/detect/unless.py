"""Matches that do not count where they stand: within a place that one of their rule's `unless` patterns found.

A place is what a pattern matched, or the group of it that took part. It covers a match that lies within it from end
to end, and so begins no later than the match: once both scans are settled beyond a match's first character every
place is known that could cover it. So what is told does not hang on how the text was cut, and at most a pattern's
length more is held back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TypeAlias

from proxy.detect.base import Bank, Context, InlineScan, Progress, Scan
from proxy.detect.patterns import PatternBank, PatternEntry
from proxy.model.finding import Match

Places: TypeAlias = tuple[tuple[str, int | None], ...]
"""Patterns, each with its `max_length`."""


class UnlessBank:
    """A bank without what its rules are not to find. It and the patterns answer at once.

    `unless` has the patterns of each rule that has any, with their `max_length`. Rules with the same ones share
    them: their places are looked for once."""

    def __init__(self, found: Bank, unless: Mapping[int, Places], *, holds: bool = True) -> None:
        self.detector = found.detector
        self.rules = found.rules
        self.reads_context = found.reads_context
        self._found = found
        lists = list(dict.fromkeys(unless.values()))
        self._list_of = {rule: lists.index(patterns) for rule, patterns in unless.items()}
        entries = [PatternEntry(number, *one) for number, patterns in enumerate(lists) for one in patterns]
        self._places = PatternBank(entries, holds=holds, parts=True)

    def open(self, context: Context, /) -> _UnlessScan:
        return _UnlessScan(self._found.open(context), self._places.open(context), self._list_of)


class _UnlessScan(InlineScan):
    """One text."""

    __slots__ = ("_covered", "_found", "_list_of", "_matches", "_places", "_read", "_scan")

    def __init__(self, found: Scan, places: Scan, list_of: Mapping[int, int]) -> None:
        self._found = found
        self._scan = places
        self._read = False  # anything of the text so far
        self._matches: deque[Match] = deque()  # for which a place may yet be found
        self._places: list[Match] = []  # the last first
        self._list_of = list_of  # rule → which list of places counts for it
        self._covered: dict[int, int] = {}  # list → how far the places reach that began so far

    @property
    def scores(self) -> Mapping[str, float]:
        return self._found.scores

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        progress = self._found.feed(piece, final=final)
        if final and not self._read and not progress.matches:
            return progress  # of most whole texts there is nothing to tell, wherever it would stand
        self._read = True
        self._matches.extend(progress.matches)
        places = self._scan.feed(piece, final=final)
        if places.matches:
            self._places = sorted((*self._places, *places.matches), key=lambda place: -place.start)
        safe = min(progress.safe_upto, places.safe_upto)
        told: list[Match] = []
        while self._matches and (final or self._matches[0].start < safe):
            match = self._matches.popleft()
            self._reach(match.start)
            if match.end > self._covered.get(self._list_of.get(match.rule, -1), 0):
                told.append(match)
        self._reach(safe - 1)
        return Progress(tuple(told), safe)

    def _reach(self, start: int) -> None:
        """Take the places that begin no later."""
        while self._places and self._places[-1].start <= start:
            place = self._places.pop()
            self._covered[place.rule] = max(place.end, self._covered.get(place.rule, 0))
