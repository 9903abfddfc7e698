"""How far a growing text must be held for patterns: to the leftmost place from which one could still match.

A place from which none can is never looked at again: more text does not bring a match back to life. So each place
is asked once, and from then on only the leftmost that is open. It is asked by a search anchored there, which gives
up after a few characters nearly everywhere. (One search backwards from the text's end would find it at once, but
keeps every place in every pattern that the last characters could stand at: RE2 then builds states anew for nearly
every word, at twenty times the cost.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.detect import prefixes
from proxy.detect.regexes import PATTERNS_KEPT_MAX, PatternError, Whole, shape_of

UNION_CHARS_MAX: Final = 320_000
"""Beginnings of matches that one expression looks for, in characters. Each expression costs a stream's piece a
microsecond; RE2 takes some 0.1 s to compile one so long."""

OPENING_CHARS: Final = 4
"""So many characters tell most places from which nothing can match."""

LATE_CHARS: Final = 2048
"""So much is searched at once where nothing waits: a search costs as much by itself as some hundred characters."""

OPENINGS_KEPT_MAX: Final = 65_536
"""Of so many openings it is remembered whether a match may begin with them; then all are forgotten."""

_BLANKS: Final = tuple(char for code in range(0x3001) if (char := chr(code)).isspace())
"""All that `str.split` parts words by."""


class _Openings(dict[str, bool]):
    """OPENING_CHARS characters → whether a match may begin with them; worked out when first met."""

    __slots__ = ("_begun",)

    def __init__(self, begun: tuple[Whole, ...]) -> None:
        self._begun = begun

    def __missing__(self, opening: str) -> bool:
        if len(self) >= OPENINGS_KEPT_MAX:
            self.clear()
        subject = opening.encode()
        found = self[opening] = any(begun.matches(subject) for begun in self._begun)
        return found


class _Starts:
    """Beginnings of matches of several patterns, and where in a text one stands that reaches its end."""

    __slots__ = ("_begun", "_openings")

    def __init__(self, begun: tuple[Whole, ...]) -> None:
        self._begun = begun
        self._openings = _Openings(begun)

    def first(self, text: str, start: int, end: int) -> int:
        """The first place in [start, end) from which the text could be the beginning of a match; else `end`."""
        if start >= end or not self._begun:
            return end
        openings = self._openings
        subject = b""
        for at in range(start, end):
            if openings[text[at : at + OPENING_CHARS]]:
                subject = subject or text[start:].encode()
                # Where a character is a byte, offsets need no translation.
                wide = len(subject) != len(text) - start
                pos = len(text[start:at].encode()) if wide else at - start
                for begun in self._begun:
                    if begun.matches(subject, pos):
                        return at
        return end


@dataclass(frozen=True, slots=True)
class Hold:
    """Finds where the text must be held."""

    words: _Starts  # of patterns that match no blanks
    any: _Starts  # of the others
    blind: int  # characters held for patterns whose beginnings could not be spelt out
    longest: int
    late: bool = False  # nothing waits: by length alone, in steps of LATE_CHARS and more

    def at(self, text: str, dead: int = 0) -> int:
        """The offset in `text`; its length where nothing is open. Nothing is open before `dead`, which is what this
        said of less of the text."""
        length = len(text)
        if self.late:
            return length - self.longest if length > self.longest + max(self.longest, LATE_CHARS) else 0
        start = min(max(dead, length - self.longest, 0), length)
        if start == length:
            return length
        word = length if text[-1].isspace() else max(start, length - len(text.rsplit(None, 1)[-1]))
        hold = self.any.first(text, start, self.words.first(text, word, length))
        return min(length, max(min(hold, length - self.blind), start))


def late(longest: int) -> Hold:
    """Holds by length alone."""
    nothing = _Starts(())
    return Hold(nothing, nothing, 0, longest, late=True)


def hold_of(patterns: Iterable[tuple[str, int]]) -> Hold:
    """The hold for patterns, each with the most characters of a match."""
    words: dict[str, None] = {}  # beginnings spelt out, of patterns that match no blanks
    others: dict[str, None] = {}
    blind = longest = 0
    lengths: dict[str, int] = {}
    for pattern, length in patterns:
        longest = max(longest, length)
        spelt = _beginnings(pattern)
        if spelt is None:
            blind = max(blind, length)
        elif spelt:
            (others if _takes_blanks(pattern) else words)[spelt] = None
            lengths[spelt] = max(length, lengths.get(spelt, 0))
    compiled: list[_Starts] = []
    for begun in (words, others):
        regexes, refused = _compiled(begun)
        compiled.append(_Starts(regexes))
        blind = max([blind, *(lengths[one] for one in refused)])
    return Hold(compiled[0], compiled[1], blind, longest)


def _compiled(spelt: Iterable[str]) -> tuple[tuple[Whole, ...], list[str]]:
    """Expressions for all of them, and those that RE2 takes in no way."""
    regexes: list[Whole] = []
    refused: list[str] = []
    unions = list(_unions(spelt))
    while unions:
        union = unions.pop()
        try:
            regexes.append(Whole(f"(?:{'|'.join(union)})"))
        except PatternError:  # more than RE2 takes: in halves
            if len(union) > 1:
                unions += [union[: len(union) // 2], union[len(union) // 2 :]]
            else:
                refused += union
    return tuple(regexes), refused


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


@lru_cache(maxsize=PATTERNS_KEPT_MAX)
def _takes_blanks(pattern: str) -> bool:
    """Whether a match may hold a blank; so does every pattern of unknown shape."""
    shape = shape_of(pattern)
    return shape is None or any(_is_blank(atom) for atom in prefixes.atoms(shape))


@lru_cache(maxsize=PATTERNS_KEPT_MAX)
def _is_blank(atom: str) -> bool:
    """Whether one character's pattern takes a blank."""
    regex = Whole(f"(?s:{atom})")
    return any(regex.matches(blank.encode()) for blank in _BLANKS)
