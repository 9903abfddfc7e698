"""Matches that do not count where they stand: within a place that one of their rule's `unless` patterns finds.

A place is what a pattern matches, or the group of it that took part; it covers a match that lies within it from end
to end. It is looked for in the text around each match, as far as a pattern may reach, and only there: where nothing
is found nothing is looked for, and nothing held back. What is looked at hangs on the match alone, so no cut of the
text changes what is told. Patterns read the text as it is written: a disguise is no talk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from proxy.detect.base import Bank, Context, Glancing, InlineScan, Progress, Scan
from proxy.detect.regexes import AtNeed, RegexSet, check_regex
from proxy.model.finding import Match

LOOKED_AT_MAX: Final = 16
"""So many matches of a text are looked at, at some 0.1 ms each; all further ones count. Who talks of attacks does
not quote more."""

LISTS_KEPT_MAX: Final = 64
"""Lists whose set is kept: many rules have the same, and a set of some thirty patterns takes 25 ms and 1 MB."""

Places: TypeAlias = tuple[tuple[str, int], ...]
"""Patterns, each with the most characters of a match."""


class UnlessBank:
    """A bank without what its rules are not to find. It answers at once.

    `unless` has the patterns of each rule that has any. Raises PatternError as `check_regex` does."""

    def __init__(self, found: Bank, unless: Mapping[int, Places]) -> None:
        self.detector = found.detector
        self.rules = found.rules
        self.reads_context = found.reads_context
        self._found = found
        self._glancing = found if isinstance(found, Glancing) else None
        self._unless = {rule: _places(patterns) for rule, patterns in unless.items()}

    def glance(self, text: str, /) -> Iterable[bool]:
        """See `Glancing`."""
        return (False,) if self._glancing is None else self._glancing.glance(text)

    def open(self, context: Context, /) -> _UnlessScan:
        return _UnlessScan(self._found.open(context), self._unless)


class _Places:
    """One list of patterns."""

    def __init__(self, patterns: Places) -> None:
        self.reach = max(length for _, length in patterns)
        self._patterns = [
            (AtNeed(check_regex(pattern), light_only=True), length) for pattern, length in patterns
        ]
        self._any = RegexSet(pattern for pattern, _ in patterns)

    def cover(self, text: str, begins: int, start: int, end: int) -> bool:
        """Whether a place covers characters [start, end) of the text. None begins before `begins`."""
        for number in self._any.hits(text):
            pattern, length = self._patterns[number]
            regex = pattern.regex
            for found in regex.finditer(text, begins):
                first, last = found.span()
                if first > start:
                    break
                if last - first <= length:
                    groups = (found.span(group) for group in range(1, regex.groups + 1))
                    first, last = next((span for span in groups if span[0] >= 0), (first, last))
                    if first <= start and end <= last:
                        return True
        return False


@lru_cache(maxsize=LISTS_KEPT_MAX)
def _places(patterns: Places) -> _Places:
    return _Places(patterns)


class _UnlessScan(InlineScan):
    """One text."""

    __slots__ = ("_base", "_found", "_left", "_matches", "_reach", "_text", "_unless")

    def __init__(self, found: Scan, unless: Mapping[int, _Places]) -> None:
        self._found = found
        self._unless = unless
        self._reach = max(places.reach for places in unless.values())
        self._text = ""  # what may be around a match that is yet to come
        self._base = 0  # where that begins
        self._matches: deque[Match] = deque()  # that are not told
        self._left = LOOKED_AT_MAX

    @property
    def scores(self) -> Mapping[str, float]:
        return self._found.scores

    def unhurried(self) -> None:
        """See `InlineScan`."""
        if isinstance(self._found, InlineScan):
            self._found.unhurried()

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        progress = self._found.feed(piece, final=final)
        self._text += piece
        self._matches.extend(progress.matches)
        told: list[Match] = []
        while self._matches:
            match = self._matches[0]
            places = self._unless.get(match.rule) if self._left else None
            if places is not None:
                if not final and self._base + len(self._text) <= match.end + places.reach:
                    break  # a place may still end
                self._left -= 1
            self._matches.popleft()
            if places is None or not self._covered(match, places):
                told.append(match)
        safe = min(progress.safe_upto, self._matches[0].start) if self._matches else progress.safe_upto
        gone = max(0, safe - self._reach - 1 - self._base)
        self._text = self._text[gone:]
        self._base += gone
        return Progress(tuple(told), safe)

    def _covered(self, match: Match, places: _Places) -> bool:
        # A character more on both sides tells a word's end from the text's.
        first = max(0, match.start - places.reach - 1)
        text = self._text[first - self._base : match.end + places.reach + 1 - self._base]
        return places.cover(text, min(first, 1), match.start - first, match.end - first)
