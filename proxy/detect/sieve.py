"""Which of many patterns occur in a text, whatever the text.

One automaton for all patterns together is the fastest on text that says the same again and again. But where
patterns leave gaps ("ignore", any words, "instructions") its states multiply: on English that it has not seen the
shipped rules' 120 patterns need a new one for almost every character, at 12 µs each. So a text is first searched
for the words without which a pattern cannot occur (RE2 works those out), by an automaton that stays small, and then
for the few patterns that are left, each by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, cast

import re2

from proxy.detect.regexes import Leftmost, Regex, RegexSet, options

_MARK: Final = "\x01\x02\x01"
_MARKED: Final = _MARK.encode()
"""Stands behind every text that is sifted, and is a pattern of its own: a sieve that runs out of memory finds
nothing, and so misses this as well."""


class _Filter(Protocol):
    """RE2's filtered set."""

    def Match(self, text: bytes, potential: bool, /) -> Sequence[int]: ...


class Sieve:
    """The patterns of many rules, looked for together. Each must be one that RE2 takes."""

    __slots__ = ("_blind", "_count", "_filter", "_rest", "_searches", "regexes")

    def __init__(self, patterns: Sequence[str]) -> None:
        count = len(patterns)
        self._count = count
        made = re2.Filter()
        for pattern in (*patterns, _MARK):
            made.Add(pattern, options())
        # The filter has compiled each of them, and once is enough.
        self.regexes: Sequence[Regex] = [cast(Regex, made.re(index)) for index in range(count)]
        self._filter = _filter(made)
        # Some need no word at all: those are one set as before.
        wordless = self._filter.Match(_MARKED, True) if self._filter is not None else None
        if wordless is None or count not in wordless:
            self._filter, wordless = None, range(count)
        self._rest = sorted(index for index in wordless if index < count)
        self._blind = RegexSet(patterns[index] for index in self._rest)
        self._searches = {
            index: Leftmost(regex) for index, regex in enumerate(self.regexes) if index not in wordless
        }

    def hits(self, text: str) -> Sequence[int]:
        """The numbers of the patterns that occur, ascending; of all, where RE2 could not tell."""
        rest, searches = self._rest, self._searches
        found = [rest[index] for index in self._blind.hits(text)] if rest else []
        if self._filter is None:
            return found
        subject = text.encode()
        potential = self._filter.Match(subject + _MARKED, True)
        if not potential or self._count not in potential:
            return range(self._count)
        if len(potential) > len(rest) + 1:
            size = len(subject)
            found += [one for one in potential if one in searches and searches[one].at(subject) < size]
            found.sort()
        return found


def _filter(made: re2.Filter) -> _Filter | None:
    """None where there are more words than RE2 takes."""
    try:
        made.Compile()
    except re2.error:
        return None
    return cast(_Filter, made._filter)  # the wrapper costs as much again
