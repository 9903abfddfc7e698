"""Where a text may be cut so that what Presidio's recognizers find on both sides is what they find in the whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from proxy.detect.patterns import compile_unchecked
from proxy.detect.prefixes import closure, parse

CONTEXT_CHARS: Final = 128
"""Characters before a place that decide whether it is a cut."""


# What may stand between the digits of a phone number (phonenumbers' _VALID_PUNCTUATION, folded), or beside
# them.
_BESIDE: Final = "-xX/ ()[].~⁓∼+,:#\t"
_LEADS: Final = frozenset("([+")
_EXTENSION: Final = re.compile(
    r"\d[ \t,]*(?:e?xt(?:ensi(?:o\u0301?|ó)?)?n?|доб|anexo|int|;ext=)\Z", re.IGNORECASE
)
_EXTENSION_ENDS: Final = frozenset("tTnNiIoOóxXбБ=\u0301")
_IBAN_BEGUN: Final = re.compile(r"[A-Za-zıİ]{2}[0-9]{2}(?:[ -]?[A-Za-zıİ0-9]{4}){0,7}[ -]\Z")
_NEVER_SPANNED: Final = frozenset("\n\r\v\f")
_BLANK: Final = re.compile(r"\s")


class Cuts:
    """Where no match of the recognizers at work spans. `spanning` are RE2 patterns that occur wherever those of
    their patterns do that may hold a blank, but for what `_plain` knows."""

    __slots__ = ("_begun",)

    def __init__(self, spanning: Iterable[str] = ()) -> None:
        begun = [closure(parse(pattern)) for pattern in dict.fromkeys(spanning)]
        self._begun = compile_unchecked(rf"(?:{'|'.join(begun)})\z") if begun else None

    def at(self, text: str, at: int) -> bool:
        """Whether no match can span the place before `text[at]`. Looks at CONTEXT_CHARS characters before it."""
        if not _plain(text, at):
            return False
        return self._begun is None or at == 0 or not self._begins(text[max(0, at - CONTEXT_CHARS) : at])

    def _begins(self, tail: str) -> bool:
        """Whether a beginning of a match, longer than nothing, ends here."""
        assert self._begun is not None
        found = self._begun.search(tail)
        return found is not None and found.span()[0] < len(tail)

    def before(self, text: str, at: int, least: int) -> int:
        """The last cut in [least, at]; `least` where there is none after it."""
        while at > least:
            if text[at - 1].isspace() and self.at(text, at):
                return at
            at -= 1
        return least

    def after(self, text: str, at: int, most: int) -> int:
        """The first cut in [at, most]; `most` where there is none before it."""
        for blank in _BLANK.finditer(text, max(0, at - 1), most):
            if self.at(text, blank.end()):
                return blank.end()
        return most

    def neighbourhoods(self, text: str, ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """The ranges widened to cuts, ascending; those that meet become one."""
        ranges.sort()
        begin = until = -1
        for start, end in ranges:
            if end <= until:
                continue
            first = self.before(text, start, max(until, 0))
            if first > until:
                if until >= 0:
                    yield begin, until
                begin = first
            until = self.after(text, end, len(text))
        if until >= 0:
            yield begin, until


def _plain(text: str, at: int) -> bool:
    """As `Cuts.at`, for the recognizers of DEFAULT_ENTITIES.

    Most patterns span no blank at all. Those that do join groups of digits, groups of an IBAN, a phone
    number's opening signs and its digits, or a number and its extension.
    """
    if at == 0:
        return True
    last = text[at - 1]
    if last in _NEVER_SPANNED:
        return True
    if not last.isspace():
        return False
    tail = text[max(0, at - CONTEXT_CHARS) : at]
    said = tail.rstrip(_BESIDE)
    if len(said) < len(tail) - 1 and not _LEADS.isdisjoint(tail[len(said) :]):
        return False
    if not said:
        return True
    end = said[-1]
    if end.isdigit() or (end in _EXTENSION_ENDS and _EXTENSION.search(said)):
        return False
    return not (end.isalpha() and _IBAN_BEGUN.search(tail))
