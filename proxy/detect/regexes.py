"""RE2 as the detectors use it: compiled patterns, sets of them, and what a pattern looks like inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Protocol, cast

import re2

from proxy.detect import prefixes
from proxy.errors import GuardrailError

PATTERN_CHARS_MAX: Final = 10_000
"""A longer pattern is refused before RE2 reads it."""

PATTERNS_KEPT_MAX: Final = 4096
"""Patterns whose compiled form, shape and beginnings are kept: an edit somewhere else costs them nothing."""

CHECKED_MAX: Final = 200_000
"""A pattern of more instructions is compiled when it is checked: RE2 might refuse it for its size."""

LIGHT_MAX: Final = 20_000
"""A pattern of more is not left for the first exchange that needs it: it would wait for milliseconds."""

_ANYWHERE: Final = re2._re2.RE2.Anchor.UNANCHORED
_WHOLE: Final = re2._re2.RE2.Anchor.ANCHOR_BOTH

_HINTS: Final = MappingProxyType(
    {
        **{
            f"invalid perl operator: (?{sign}": " (RE2 has no look-around)" for sign in ("=", "!", "<=", "<!")
        },
        **{f"invalid escape sequence: \\{digit}": " (RE2 has no back-references)" for digit in range(1, 10)},
    }
)
"""How RE2's words begin → what to add, for those who know other engines."""

_MEMORY_BYTES: Final = 64 << 20
"""What RE2 may spend on a set's automata; they grow only as texts need them."""


class PatternError(GuardrailError):
    """A pattern that cannot be looked for; the message says why."""


class Found(Protocol):
    """RE2's match."""

    def span(self, group: int = ..., /) -> tuple[int, int]: ...


class Regex(Protocol):
    """A compiled RE2 pattern. Offsets are characters; text before `pos` and after `endpos` is context."""

    @property
    def groups(self) -> int: ...

    def search(self, text: str | bytes, pos: int = ..., endpos: int = ...) -> Found | None: ...
    def match(self, text: str | bytes, pos: int = ..., endpos: int = ...) -> Found | None: ...
    def finditer(self, text: str, pos: int = ...) -> Iterator[Found]: ...


class _Extension(Protocol):
    """RE2 itself, as the package's extension shows it: spans of bytes, the whole match's first."""

    def Match(self, anchor: object, text: bytes, pos: int, end: int) -> Sequence[tuple[int, int]]: ...


class _Wrapper(Protocol):
    _regexp: _Extension


class _Set(Protocol):
    """RE2's set, as the extension shows it."""

    def Match(self, text: bytes, /) -> Sequence[int]: ...


class Leftmost:
    """Where a pattern begins to match, for what every piece of a stream asks several times. The package's wrapper
    spends three to seven times the search on generators, match objects and offsets, so it is passed by."""

    __slots__ = ("_match",)

    def __init__(self, pattern: str | Regex) -> None:
        """Raises PatternError as `compile_unchecked` does."""
        regex = compile_unchecked(pattern) if isinstance(pattern, str) else pattern
        self._match = cast(_Wrapper, regex)._regexp.Match

    def at(self, text: bytes, pos: int = 0) -> int:
        """The offset in UTF-8 of the first match from `pos` on; the text's length where there is none."""
        end = len(text)
        start = self._match(_ANYWHERE, text, pos, end)[0][0]
        return start if start >= 0 else end


class Whole:
    """Whether a pattern matches a text from some place on to its end, as cheaply."""

    __slots__ = ("_match",)

    def __init__(self, pattern: str) -> None:
        """Raises PatternError as `compile_unchecked` does."""
        self._match = cast(_Wrapper, compile_unchecked(pattern))._regexp.Match

    def matches(self, text: bytes, pos: int = 0) -> bool:
        """`pos` counts bytes of UTF-8."""
        return self._match(_WHOLE, text, pos, len(text))[0][0] >= 0


class RegexSet:
    """Which of many patterns occur in a text, in one pass over it."""

    __slots__ = ("_count", "_set")

    def __init__(self, patterns: Iterable[str]) -> None:
        made = re2.Set.SearchSet(options())
        self._count = 0
        for pattern in patterns:
            made.Add(pattern)
            self._count += 1
        # A set that runs out of memory reports no match at all. This one matches anywhere: missed, the set
        # failed.
        made.Add("")
        made.Compile()
        self._set = cast(_Set, made._set)  # the wrapper costs as much again

    def hits(self, text: str) -> Sequence[int]:
        """The numbers of the patterns that occur; of all, where RE2 could not tell."""
        found = self._set.Match(text.encode())
        if not found or self._count not in found:
            return range(self._count)
        if len(found) == 1:
            return ()
        return sorted(index for index in found if index != self._count)


def options() -> re2.Options:
    """How every pattern is compiled."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    return options


@lru_cache(maxsize=PATTERNS_KEPT_MAX)
def check_regex(pattern: str) -> str:
    """The pattern, if RE2 takes it: it is read, and compiled only where it is large. Raises PatternError with RE2's
    own words."""
    if len(pattern) > PATTERN_CHARS_MAX:
        raise PatternError(
            f"the pattern has {len(pattern)} characters; at most {PATTERN_CHARS_MAX} are taken"
        )
    try:
        re2.Set.SearchSet(options()).Add(pattern)
    except (re2.error, UnicodeEncodeError):
        compile_unchecked(pattern)  # says why
    if _heavier(pattern, CHECKED_MAX):
        compile_unchecked(pattern)
    return pattern


def _heavier(pattern: str, instructions: int) -> bool:
    shape = shape_of(pattern)
    return shape is None or prefixes.weight(shape) > instructions


def compile_regex(pattern: str) -> Regex:
    """Raises PatternError as `check_regex` does."""
    return compile_unchecked(check_regex(pattern))


class AtNeed:
    """A pattern that was checked, compiled when it is first asked for: of most it never is. With `light_only` a
    heavy one is compiled at once."""

    __slots__ = ("_made", "_pattern")

    def __init__(self, pattern: str, *, light_only: bool = False) -> None:
        self._pattern = pattern
        self._made = compile_unchecked(pattern) if light_only and _heavier(pattern, LIGHT_MAX) else None

    @property
    def regex(self) -> Regex:
        if self._made is None:
            self._made = compile_unchecked(self._pattern)
        return self._made


@lru_cache(maxsize=PATTERNS_KEPT_MAX)
def compile_unchecked(pattern: str) -> Regex:
    """As `compile_regex`, for patterns that the program made, of any length."""
    try:
        return cast(Regex, re2.compile(pattern, options()))
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        words = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        hint = next((hint for begin, hint in _HINTS.items() if words.startswith(begin)), "")
        raise PatternError(words + hint) from None
    except UnicodeEncodeError:
        raise PatternError("the pattern holds a lone surrogate") from None


@lru_cache(maxsize=PATTERNS_KEPT_MAX)
def shape_of(pattern: str) -> prefixes.Node | None:
    """The pattern's shape; None where it cannot be read."""
    try:
        return prefixes.parse(pattern)
    except (prefixes.UnknownSyntax, RecursionError):
        return None
