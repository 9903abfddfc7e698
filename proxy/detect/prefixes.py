r"""What could still become a match: from an RE2 pattern, the pattern of all beginnings of its matches.

RE2 has no partial matching, so the beginnings are spelt out: every character of the pattern may also be the
text's end, `a` is `(?:a|\z)`; from there on all the rest matches nothing. So the pattern's length and its
automaton grow by a factor only. (Spelt as P(ab) = P(a) | a P(b) it takes RE2 fifteen times as long to compile.) A
text must be held from the leftmost place from which all of it is such a beginning (`hold.py`).

The parser knows RE2's own syntax (https://github.com/google/re2/wiki/Syntax) as far as widths and beginnings
need it: an atom is kept as its source text, an assertion is dropped (that only holds more). What it does not
know it refuses, and the caller holds back by length alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

WIDTH_MAX: Final = 1 << 30
"""Stands for no bound."""

_CLOSURE_CHARS_MAX: Final = 200_000

# Instructions of RE2, at most.
_LETTER_WEIGHT: Final = 6
_ATOM_WEIGHT: Final = 16
_PROPERTY_WEIGHT: Final = 2_000


class UnknownSyntax(Exception):
    """The pattern uses something that this parser does not know. Never leaves the package."""


@dataclass(frozen=True, slots=True)
class Atom:
    """One character: a literal, a class, a dot."""

    source: str


@dataclass(frozen=True, slots=True)
class Text:
    """Letters, digits and blanks that stand for themselves, one after the other: most of a pattern."""

    source: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """Its parts one after the other; empty: an assertion, or nothing."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of its parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times; `most` None is no bound."""

    part: Node
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Flagged:
    """A group with flags of its own, as `i` or `s-i`."""

    flags: str
    part: Node


Node: TypeAlias = Atom | Text | Sequence | Choice | Repeat | Flagged

_ONE_CHAR_ESCAPE: Final = re.compile(
    r"\\(?:x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|0[0-7]{0,2}|[1-7][0-7]{1,2}|[pP](?:\{\^?\w+\}|\w)"
    r"|[dDsSwWafnrtv]|[^\w\s])"
)
_ASSERTION: Final = re.compile(r"\\[AbBz]|[$^]")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]", re.DOTALL)
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ]+(?![*+?{])")
"""What becomes a `Text`."""

_COUNT: Final = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_GROUP: Final = re.compile(r"\((?:\?P?<\w+>|\?([imsU]*(?:-[imsU]+)?)([:)])|(?!\?))")


def parse(pattern: str) -> Node:
    """The pattern's shape. Raises UnknownSyntax."""
    parser = _Parser(pattern)
    node = parser.choice()
    if parser.at != len(pattern):
        raise UnknownSyntax(pattern[parser.at :])
    return node


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def _take(self, regex: re.Pattern[str]) -> re.Match[str] | None:
        found = regex.match(self.pattern, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def choice(self) -> Node:
        parts = [self.sequence()]
        while self.pattern.startswith("|", self.at):
            self.at += 1
            parts.append(self.sequence())
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            if plain := self._take(_PLAIN):
                parts.append(Text(plain.group()))
            elif self.pattern.startswith(r"\Q", self.at):
                end = self.pattern.find(r"\E", self.at)
                end = len(self.pattern) if end < 0 else end
                parts.extend(Atom(_literal(char)) for char in self.pattern[self.at + 2 : end])
                self.at = min(end + 2, len(self.pattern))
            else:
                parts.append(self.counted(self.part()))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def part(self) -> Node:
        char = self.pattern[self.at]
        if self._take(_ASSERTION):
            return Sequence(())
        if char == "(":
            return self.group()
        if char == "[":
            found = self._take(_CLASS)
        elif char == "\\":
            found = self._take(_ONE_CHAR_ESCAPE)
        elif char in "*+?":
            found = None
        else:
            self.at += 1
            return Atom("." if char == "." else _literal(char))
        if found is None:
            raise UnknownSyntax(self.pattern[self.at : self.at + 20])
        return Atom(found.group())

    def group(self) -> Node:
        found = self._take(_GROUP)
        if found is None:
            raise UnknownSyntax(self.pattern[self.at : self.at + 20])
        flags, ends = found.group(1), found.group(2)
        if ends == ")":
            if found.start() != 0:
                raise UnknownSyntax("flags in the midst of a pattern")
            return Flagged(flags, self.choice())
        inner = self.choice()
        if not self.pattern.startswith(")", self.at):
            raise UnknownSyntax("a group without its end")
        self.at += 1
        return Flagged(flags, inner) if flags else inner

    def counted(self, part: Node) -> Node:
        while self.at < len(self.pattern):
            sign = self.pattern[self.at]
            if sign in "*+?":
                self.at += 1
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
            elif found := self._take(_COUNT):
                least = int(found.group(1))
                most = int(found.group(3)) if found.group(3) else None if found.group(2) else least
            else:
                break
            if self.pattern.startswith("?", self.at):  # lazy: the same beginnings
                self.at += 1
            part = Repeat(part, least, most)
        return part


def _literal(char: str) -> str:
    return (
        "\\" + char if not char.isalnum() and char.isascii() and char.isprintable() and char != " " else char
    )


def width(node: Node) -> int:
    """The most characters that a match has; WIDTH_MAX or more where there is no bound."""
    match node:
        case Atom():
            return 1
        case Text(source):
            return len(source)
        case Sequence(parts):
            return min(WIDTH_MAX, sum(map(width, parts)))
        case Choice(parts):
            return max(map(width, parts))
        case Repeat(part, _, most):
            one = width(part)
            return 0 if one == 0 else WIDTH_MAX if most is None else min(WIDTH_MAX, one * most)
        case Flagged(_, part):
            return width(part)


def least_width(node: Node) -> int:
    """The fewest characters that a match has."""
    match node:
        case Atom():
            return 1
        case Text(source):
            return len(source)
        case Sequence(parts):
            return min(WIDTH_MAX, sum(map(least_width, parts)))
        case Choice(parts):
            return min(map(least_width, parts))
        case Repeat(part, least, _):
            return min(WIDTH_MAX, least_width(part) * least)
        case Flagged(_, part):
            return least_width(part)


def weight(node: Node) -> int:
    """At least as many instructions as RE2 compiles the pattern to."""
    match node:
        case Atom(source):
            return _class_weight(source)
        case Text(source):
            return _LETTER_WEIGHT * len(source)
        case Sequence(parts) | Choice(parts):
            return len(parts) + sum(map(weight, parts))
        case Repeat(part, least, most):
            return (1 + weight(part)) * max(1, least if most is None else most)
        case Flagged(_, part):
            return weight(part)


def _class_weight(source: str) -> int:
    """Of one character's pattern: each property of Unicode is some hundreds of ranges, and a range beyond ASCII
    some sequences of bytes."""
    properties = source.count(r"\p") + source.count(r"\P")
    return _ATOM_WEIGHT + (4 if source.isascii() else 24) * len(source) + _PROPERTY_WEIGHT * properties


def atoms(node: Node) -> Iterator[str]:
    """The patterns of the single characters that it is made of."""
    match node:
        case Atom(source):
            yield source
        case Text(source):
            yield from source
        case Sequence(parts) | Choice(parts):
            for part in parts:
                yield from atoms(part)
        case Repeat(part) | Flagged(_, part):
            yield from atoms(part)


def closure(node: Node) -> str:
    """An RE2 pattern of every beginning of a match, the empty one included, to be matched up to the text's end; ""
    for a pattern that takes no characters. Raises UnknownSyntax if too long."""
    out = _ended(node) if width(node) > 0 else ""
    if len(out) > _CLOSURE_CHARS_MAX:
        raise UnknownSyntax("too long to spell out")
    return out


def _source(node: Node) -> str:
    match node:
        case Atom(source) | Text(source):
            return source
        case Sequence(parts):
            return "".join(map(_source, parts)) or "(?:)"
        case Choice(parts):
            return f"(?:{'|'.join(map(_source, parts))})"
        case Repeat(part, least, most):
            return f"(?:{_source(part)}){_count(least, most)}"
        case Flagged(flags, part):
            return f"(?{flags}:{_source(part)})"


def _count(least: int, most: int | None) -> str:
    if most is None:
        return {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    return f"{{{least},{most}}}"


def _ended(node: Node) -> str:
    match node:
        case Atom(source):
            return rf"(?:{source}|\z)"
        case Text(source):
            return "".join([rf"(?:{char}|\z)" for char in source])
        case Sequence(parts):
            return "".join(map(_ended, parts))
        case Choice(parts):
            return f"(?:{'|'.join(map(_ended, parts))})"
        case Repeat(Atom() as part, least, most):
            # A text that ends among those that need not be there has ended a match as well.
            needed = f"{_ended(part)}{{{least}}}" if least else ""
            return f"{needed}(?:{_source(part)}){_count(0, None if most is None else most - least)}"
        case Repeat(part, least, most):
            return f"(?:{_ended(part)}){_count(least, most)}"
        case Flagged(flags, part):
            return f"(?{flags}:{_ended(part)})"
