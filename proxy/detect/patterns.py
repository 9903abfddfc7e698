"""Regular expressions of RE2: linear time whatever the text, many rules' patterns in one pass.

A match is leftmost, and none overlaps the one before it, as in RE2's own search. A pattern whose matches have
no bound needs `max_length`: at each place the match is the one that RE2 prefers among those of at most that
many characters, and is `cut` where it took them all and the text goes on. No answer depends on how the text
was cut: a place is decided only when no further character can change it (`prefixes`), or when the bound lies
behind it. Patterns read the folded view; findings are ranges of the raw text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.detect import prefixes
from proxy.detect.base import HELD_CHARS_MAX, Context, InlineScan, Progress
from proxy.detect.hold import hold_of, late
from proxy.detect.normalise import Reader, folded
from proxy.detect.regexes import (
    PATTERNS_KEPT_MAX,
    Found,
    PatternError,
    Regex,
    check_regex,
    shape_of,
)
from proxy.detect.sieve import Sieve
from proxy.model.finding import Match

GLANCE_CHARS: Final = 4096
"""A longer text is glanced over in parts of so many characters: a hundred patterns may be left over to be searched
for one by one, at some 10 µs each. Larger parts gain a tenth."""


@dataclass(frozen=True, slots=True)
class PatternEntry:
    """One pattern of a rule. `max_length` is in characters, at most HELD_CHARS_MAX."""

    rule: int
    pattern: str
    max_length: int | None = None


@lru_cache(maxsize=PATTERNS_KEPT_MAX)
def check_pattern(pattern: str, max_length: int | None = None) -> int:
    """The most characters that a match can have. Raises PatternError where RE2 refuses the pattern, or where
    that number is not bounded by HELD_CHARS_MAX and `max_length` does not bound it."""
    check_regex(pattern)
    return _longest(shape_of(pattern), max_length)


def _longest(shape: prefixes.Node | None, max_length: int | None) -> int:
    if max_length is not None and not 1 <= max_length <= HELD_CHARS_MAX:
        raise PatternError(f"max_length must be between 1 and {HELD_CHARS_MAX}")
    widest = prefixes.WIDTH_MAX if shape is None else prefixes.width(shape)
    if max_length is not None:
        return min(widest, max_length)
    if widest >= prefixes.WIDTH_MAX:
        raise PatternError("a match can be of any length: give max_length")
    if widest > HELD_CHARS_MAX:
        raise PatternError(f"a match can have {widest} characters: give max_length, at most {HELD_CHARS_MAX}")
    return widest


@dataclass(frozen=True, slots=True)
class _Pattern:
    rule: int
    regex: Regex
    length: int  # the most characters of a match
    least: int  # the fewest
    bounded: bool  # by its own shape, so that RE2's search needs no help


class PatternBank:
    """The patterns of many rules. Raises PatternError as `check_pattern` does.

    With `holds` false its answers come late in a stream: for rules that only watch."""

    detector = "regex"
    reads_context = False

    def __init__(self, entries: Sequence[PatternEntry], *, holds: bool = True) -> None:
        self.rules = frozenset(entry.rule for entry in entries)
        self.view = folded()
        lengths = [check_pattern(entry.pattern, entry.max_length) for entry in entries]
        self.every = Sieve([entry.pattern for entry in entries])
        self.patterns = tuple(map(_pattern, entries, lengths, self.every.regexes))
        self.least = min((pattern.least for pattern in self.patterns), default=1)
        named = ((entry.pattern, length) for entry, length in zip(entries, lengths, strict=True))
        self.longest = max(lengths, default=0)
        self.late = late(self.longest)
        self.hold = hold_of(named) if holds else self.late

    def open(self, context: Context) -> _PatternScan:
        return _PatternScan(self)

    def glance(self, text: str, /) -> Iterable[bool]:
        """See `Glancing`: no pattern occurs, whatever the bound of its matches."""
        shown = Reader(self.view).push(text)
        if len(shown) > GLANCE_CHARS:
            return self._glances(shown)
        return (not self.every.hits(shown),)

    def _glances(self, shown: str) -> Iterator[bool]:
        """By parts, each match whole in one of them, with the characters on both sides that tell a word's end."""
        beside = self.longest + 2
        for at in range(0, len(shown), GLANCE_CHARS):
            yield not self.every.hits(shown[max(0, at - beside) : at + GLANCE_CHARS + beside])


def _pattern(entry: PatternEntry, length: int, regex: Regex) -> _Pattern:
    shape = shape_of(entry.pattern)
    bounded = shape is not None and prefixes.width(shape) <= length
    return _Pattern(
        entry.rule, regex, length, 1 if shape is None else max(1, prefixes.least_width(shape)), bounded
    )


class _PatternScan(InlineScan):
    """One text. Offsets are those of the folded view until a match is reported."""

    __slots__ = ("_decided", "_hold", "_late", "_least", "_next", "_patterns", "_reader", "_set", "_waiting")

    def __init__(self, bank: PatternBank) -> None:
        self._reader = Reader(bank.view)
        self._patterns = bank.patterns
        self._set = bank.every
        self._hold, self._late = bank.hold, bank.late
        self._least = bank.least  # the fewest characters of any match
        self._next: dict[int, int] = {}  # where a pattern's next match may begin, where it has had one
        self._decided = 0  # every match that begins before here is known
        # Start, end, rule, cut of matches whose raw end is not known yet, or that stand behind such a one.
        self._waiting: list[tuple[int, int, int, bool]] = []

    @property
    def scores(self) -> Mapping[str, float]:
        return {}

    def unhurried(self) -> None:
        """See `InlineScan`."""
        self._hold = self._late

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        reader = self._reader
        reader.push(piece)
        text, base = reader.text, reader.base
        hold = reader.end if final else max(self._decided, base + self._hold.at(text, self._decided - base))
        found = self._waiting
        if reader.end - self._decided >= self._least and (hold > self._decided or final):
            for index in self._set.hits(text):
                found.extend(
                    self._find(index, max(self._next.get(index, 0), self._decided) - base, hold - base, final)
                )
        self._decided = hold
        safe = hold
        matches: list[Match] = []
        if found:
            found.sort(key=lambda one: (one[0], -one[1], one[2]))
            # A range whose last character may still get invisible company is not known yet.
            if not final:
                safe = min([hold, *(start for start, end, _, _ in found if not self._known(start, end))])
            for start, end, rule, cut in found:
                if start < safe or final:
                    first = reader.raw_start(start)
                    last = min(reader.raw_end(end), first + HELD_CHARS_MAX)
                    matches.append(Match(rule, "pattern", 1.0, first, last, cut))
            self._waiting = [] if final else [one for one in found if one[0] >= safe]
        safe_upto = reader.length if safe >= reader.end else reader.raw_start(safe)
        reader.let_go(min(safe, self._decided) - 1)
        return Progress(tuple(matches), safe_upto)

    def _known(self, start: int, end: int) -> bool:
        reader = self._reader
        return reader.closed(end) or reader.length >= reader.raw_start(start) + HELD_CHARS_MAX

    def _find(self, index: int, pos: int, hold: int, final: bool) -> Iterator[tuple[int, int, int, bool]]:
        """The matches of one pattern that begin in [pos, hold), all offsets but the results' in the
        window."""
        reader, pattern = self._reader, self._patterns[index]
        text, base = reader.text, reader.base
        walk = pattern.regex.finditer(text, pos) if pattern.bounded else self._walk(pattern, pos)
        for found in walk:
            start, end = found.span()
            if start >= hold and not (final and end > start):
                break
            if end > start:
                self._next[index] = base + end
                cut = not pattern.bounded and end - start == pattern.length and (end < len(text) or not final)
                yield base + start, base + end, pattern.rule, cut

    def _walk(self, pattern: _Pattern, pos: int) -> Iterator[Found]:
        """The matches from `pos` on, none longer than the pattern's bound."""
        text, length = self._reader.text, pattern.length
        while pos <= len(text):
            # Any match from here on shows in so much text; RE2 need not read to the end of a long one.
            reach = min(len(text), pos + 2 * length)
            found = pattern.regex.search(text, pos, reach)
            if found is None:
                if reach == len(text):
                    return
                pos = reach - length + 1
                continue
            start, end = found.span()
            if start + length > reach and reach < len(text):
                pos = start  # its end may lie beyond what was read
                continue
            if end - start > length:
                short = pattern.regex.match(text, start, start + length)
                if short is None:
                    pos = start + 1
                    continue
                found = short
                end = short.span()[1]
            yield found
            pos = end if end > start else end + 1
