"""How far a growing text must be held for patterns: to the leftmost place from which one could still match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.detect import prefixes
from proxy.detect.regexes import PATTERNS_KEPT_MAX, Leftmost, PatternError, shape_of

UNION_CHARS_MAX: Final = 100_000
"""Beginnings of matches that one expression looks for, in characters. Each expression costs a stream's piece a
microsecond, and what RE2 takes to compile one grows with its length times the number of its parts."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Finds where the text must be held."""

    begun: tuple[Leftmost, ...]  # beginnings of matches, at the text's end
    blind: int  # characters held for patterns whose beginnings could not be spelt out
    longest: int
    late: bool = False  # nothing waits: by length alone, in steps, so that each character is read twice

    def at(self, text: str) -> int:
        """The offset in `text`; its length where nothing is open."""
        length = len(text)
        if self.late:
            return length - self.longest if length > 2 * self.longest else 0
        subject = text.encode()  # RE2 reads UTF-8
        first = len(subject)
        for begun in self.begun:
            first = min(first, begun.at(subject))
        # Where a character is a byte, offsets need no translation.
        hold = first if len(subject) == length else len(subject[:first].decode())
        return min(length, max(min(hold, length - self.blind), length - self.longest, 0))


def hold_of(patterns: Iterable[tuple[str, int]]) -> Hold:
    """The hold for patterns, each with the most characters of a match."""
    begun: dict[str, int] = {}  # beginnings spelt out → characters of a match
    blind = longest = 0
    for pattern, length in patterns:
        longest = max(longest, length)
        spelt = _beginnings(pattern)
        if spelt is None:
            blind = max(blind, length)
        elif spelt:
            begun[spelt] = max(length, begun.get(spelt, 0))
    regexes: list[Leftmost] = []
    unions = list(_unions(begun))
    while unions:
        union = unions.pop()
        try:
            regexes.append(Leftmost(rf"(?:{'|'.join(union)})\z"))
        except (
            PatternError
        ):  # more than RE2 takes: in halves, and what it takes in no way is held by length alone
            if len(union) > 1:
                unions += [union[: len(union) // 2], union[len(union) // 2 :]]
            else:
                blind = max(blind, begun[union[0]])
    return Hold(tuple(regexes), blind, longest)


def _unions(spelt: Iterable[str]) -> Iterator[list[str]]:
    """The beginnings, some together, so that none is too long for RE2 to compile at once."""
    union: list[str] = []
    size = 0
    for one in spelt:
        if union and size + len(one) > UNION_CHARS_MAX:
            yield union
            union, size = [], 0
        union.append(one)
        size += len(one)
    if union:
        yield union


@lru_cache(maxsize=PATTERNS_KEPT_MAX)
def _beginnings(pattern: str) -> str | None:
    """The beginnings of the pattern's matches, spelt out; None where that cannot be done."""
    shape = shape_of(pattern)
    try:
        return None if shape is None else prefixes.closure(shape)
    except (prefixes.UnknownSyntax, RecursionError):
        return None
