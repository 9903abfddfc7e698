"""Where a text may be cut so that what Presidio's recognizers find on both sides is what they find in the whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from proxy.detect.escapes import ESCAPE
from proxy.detect.prefixes import closure, parse
from proxy.detect.regexes import Leftmost

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
_STRETCH_CHARS: Final = 32
"""How much is looked through at once for the last cut, at first: it is nearly always near."""
EDGE: Final = "<"
"""No recognizer's pattern spans it, or takes it for a letter."""
_MARKS: Final = "\u3001\u3002\u300a-\u3011\u3014\u3015\u30fb"
_NEVER_SPANNED: Final = re.compile(f"[\n\r\v\f{EDGE}{_MARKS}]")
# Scripts whose words stand beside Latin letters and digits without a blank: of Asia, and Arabic and Hebrew.
_OTHER: Final = (
    "[\u0590-\u109f\u1780-\u17ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ASCII_WORD: Final = re.compile(b"[A-Za-z0-9]")  # `_` and letters of other scripts may be edges to a reader
_PAUSE: Final = rf"(?<={_OTHER})[,;:!?]"
# Behind a name or a value in JSON without blanks: a quoted URL is all that has quotes, at either end.
_QUOTE_ENDED: Final = r'(?<=")(?:,|:(?=["\[{]))'
_END: Final = re.compile(rf"[\s{EDGE}{_MARKS}]|{_PAUSE}|{_QUOTE_ENDED}")
_EDGES: Final = re.compile(rf"(?<=[A-Za-z0-9]){_OTHER}|{_OTHER}(?=[A-Za-z0-9])|[{_MARKS}]|{_PAUSE}")
_ESCAPED: Final = re.compile(rf"(?:{ESCAPE})(?=[A-Za-z0-9+(])")
_DOT: Final = "\u3002"
_DOTTED: Final = re.compile(rf"@[A-Za-z0-9-]+(?:{_DOT}[A-Za-z0-9-]+)+(?![A-Za-z0-9-]|[.{_DOT}][A-Za-z0-9])")
"""A domain whose dots are ideographic, which browsers and mail programs take for dots (RFC 3490, 3.1). In one that
has plain dots too it is the sentence's end."""
_IN_DOMAIN: Final = re.compile(rf"@[A-Za-z0-9-]+(?:{_DOT}[A-Za-z0-9-]+)*{_DOT}\Z")


def edged(text: str) -> str:
    """The text with EDGE for what ends an address or a number to its reader, though Presidio's patterns would read
    on, or not begin: a letter of another script right beside a Latin one or a digit, those scripts' marks, and the
    end of an escape."""
    if "\\" in text or "[" in text:
        text = _ESCAPED.sub(lambda escape: escape[0][:-1] + EDGE, text)
    if text.isascii():
        return text
    if _DOT in text:
        text = _DOTTED.sub(lambda domain: domain[0].replace(_DOT, "."), text)
    return _EDGES.sub(EDGE, text)


class Cuts:
    """Where no match of the recognizers at work spans. `spanning` are RE2 patterns that occur wherever those of
    their patterns do that may hold a blank, but for what `_plain` knows; those `at_edges` begin no match in the
    middle of a word."""

    __slots__ = ("_at_edges", "_begun")

    def __init__(self, spanning: Iterable[str] = (), at_edges: Iterable[str] = ()) -> None:
        self._begun = _begun(spanning)
        self._at_edges = _begun(at_edges)

    def at(self, text: str, at: int) -> bool:
        """Whether no match can span the place before `text[at]`. Looks at CONTEXT_CHARS characters before it."""
        if not _plain(text, at):
            return False
        return at == 0 or not self._begins(text[max(0, at - CONTEXT_CHARS) : at].encode())

    def _begins(self, tail: bytes) -> bool:
        """Whether a beginning of a match, longer than nothing, ends here."""
        end = len(tail)
        if self._begun is not None and self._begun.at(tail) < end:
            return True
        start = 0
        while self._at_edges is not None and (start := self._at_edges.at(tail, start)) < end:
            if start == 0 or not _ASCII_WORD.match(tail, start - 1):
                return True
            start += 1
        return False

    def before(self, text: str, at: int, least: int) -> int:
        """The last cut in [least, at]; `least` where there is none after it."""
        size = _STRETCH_CHARS
        while at > least:
            begin = max(least, at - size)
            for place in reversed([end.end() for end in _END.finditer(text, begin, at)]):
                if self.at(text, place):
                    return place
            at, size = begin, size * 2
        return least

    def after(self, text: str, at: int, most: int) -> int:
        """The first cut in [at, most]; `most` where there is none before it."""
        for blank in _END.finditer(text, max(0, at - 1), most):
            if self.at(text, blank.end()):
                return blank.end()
        return most

    def around(self, text: str, start: int, end: int) -> tuple[int, int]:
        """The range widened to cuts."""
        return self.before(text, start, 0), self.after(text, end, len(text))


def _begun(spanning: Iterable[str]) -> Leftmost | None:
    """Finds the beginnings of matches at a text's end."""
    begun = [closure(parse(pattern)) for pattern in dict.fromkeys(spanning)]
    return Leftmost(rf"(?:{'|'.join(begun)})\z") if begun else None


def merged(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The ranges, ascending; those that overlap become one."""
    begin = until = -1
    for start, end in sorted(ranges):
        if start < until:
            until = max(until, end)
            continue
        if until >= 0:
            yield begin, until
        begin, until = start, end
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
    if last == _DOT and _IN_DOMAIN.search(text, max(0, at - CONTEXT_CHARS), at):
        return False
    if _NEVER_SPANNED.match(last):
        return True
    if not last.isspace():
        return _END.match(text, at - 1) is not None
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
