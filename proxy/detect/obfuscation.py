"""Text that is not what it seems: hidden characters, words of mixed scripts, words in code.

It reads the raw text, since what the other detectors' views fold away is what it looks for. Marks are looked for
in stretches of letters (`obfuscation_marks`), codes in tokens and rows of tokens (`obfuscation_encoded`); an open
stretch or token is held, and a row that may go on. Prose is held by its open word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_letters
from typing import Final

from proxy.detect.base import HELD_CHARS_MAX, Context, InlineScan, Progress
from proxy.detect.obfuscation_encoded import (
    CIPHERED,
    CIPHERED_GAP_MAX,
    CIPHERED_MIN,
    CODE,
    CODE_BEGINS,
    CODE_GAP_CHARS_MAX,
    ENCODED_TEXT,
    PUNCTUATION,
    SOLID_CHARS_MIN,
    TOKEN,
    in_codes,
    in_token,
    may_tell,
    next_telling,
)
from proxy.detect.obfuscation_marks import (
    BIDI_CONTROL,
    BIDI_REACH_CHARS,
    CONTEXT_CHARS,
    INVISIBLE_TEXT,
    MIXED_SCRIPT,
    ODD,
    SPLIT_WORD,
    STRETCH,
    STRETCH_CHARS_MAX,
    STRETCH_KINDS,
    Kinds,
    found_in,
)
from proxy.model.finding import Match

KINDS: Final = (INVISIBLE_TEXT, SPLIT_WORD, BIDI_CONTROL, MIXED_SCRIPT, ENCODED_TEXT)

_SEARCHED_CHARS_MIN: Final = 64  # words in less text are looked at one by one, where none stands in code
_ENDS: Final = frozenset("RPn")


@dataclass(frozen=True, slots=True)
class ObfuscationEntry:
    """One rule's kinds, of KINDS."""

    rule: int
    kinds: frozenset[str]


class ObfuscationBank:
    """The rules about text in disguise."""

    detector = "obfuscation"
    reads_context = False

    def __init__(self, entries: Sequence[ObfuscationEntry]) -> None:
        self.rules = frozenset(entry.rule for entry in entries)
        self.wanted = {kind: tuple(entry.rule for entry in entries if kind in entry.kinds) for kind in KINDS}
        self.kinds = Kinds()

    def open(self, context: Context) -> _ObfuscationScan:
        return _ObfuscationScan(self)

    def glance(self, text: str, /) -> Iterable[bool]:
        """See `Glancing`: ASCII has letters of one script and no marks, and no words of it may be codes."""
        return (text.isascii() and not (self.wanted[ENCODED_TEXT] and may_tell(text.encode())),)


@dataclass(slots=True)
class _Row:
    """Tokens one behind the other that may come to mean something."""

    tokens: list[str] = field(default_factory=list)
    start: int = 0
    end: int = 0
    number: int = 0  # of the last token

    def takes(self, end: int) -> bool:
        """Whether a token that ends there lies near enough to be held with the others."""
        return not self.tokens or end < self.start + HELD_CHARS_MAX

    def add(self, token: str, start: int, end: int, number: int = 0) -> None:
        if not self.tokens:
            self.start = start
        self.tokens.append(token)
        self.end, self.number = end, number


class _ObfuscationScan(InlineScan):
    """One text. Offsets are those of the raw text."""

    __slots__ = (
        "_bank",
        "_base",
        "_cipher",
        "_codes",
        "_encoded_at",
        "_found",
        "_kinds",
        "_marks_at",
        "_number",
        "_text",
    )

    def __init__(self, bank: ObfuscationBank) -> None:
        self._bank = bank
        self._base = 0
        self._text = ""  # the window
        self._kinds = ""  # and the kinds of its characters, as far as they were asked for
        self._marks_at = 0  # where the first stretch begins that is not judged
        self._encoded_at = 0  # and the first token
        self._number = 0  # tokens so far
        self._codes = _Row()
        self._cipher = _Row()
        self._found: list[tuple[int, int, int, str]] = []  # start, -end, rule, kind

    @property
    def scores(self) -> Mapping[str, float]:
        return {}

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        bank = self._bank
        self._text += piece
        length = self._base + len(self._text)
        safe = self._marks(final)
        if bank.wanted[ENCODED_TEXT]:
            safe = min(safe, self._encoded(final))
        cut = min(
            self._marks_at - CONTEXT_CHARS - 1, self._encoded_at if bank.wanted[ENCODED_TEXT] else length
        )
        if cut > self._base:
            self._text, self._kinds = self._text[cut - self._base :], self._kinds[cut - self._base :]
            self._base = cut
        if not self._found:
            return Progress((), safe)
        self._found.sort()
        ready = [one for one in self._found if final or one[0] < safe]
        self._found = self._found[len(ready) :]
        return Progress(tuple(Match(rule, kind, 1.0, start, -end) for start, end, rule, kind in ready), safe)

    def _take(self, found: Iterable[tuple[int, int, str]]) -> None:
        for start, end, kind in found:
            self._found.extend((start, -end, rule, kind) for rule in self._bank.wanted[kind])

    def _marks(self, final: bool) -> int:
        """Judge the stretches that are complete; gives where the first begins that is not."""
        text, base = self._text, self._base
        begin, length = self._marks_at - base, len(text)
        # ASCII has letters of one script and no marks. What it leaves open are the letters at its end.
        plain = text.isascii()
        if not plain:
            self._kinds += text[len(self._kinds) :].translate(self._bank.kinds)
        kinds = self._kinds
        if plain or not ODD.search(kinds, begin):
            rest = text.rstrip(ascii_letters) if plain else kinds.rstrip(STRETCH_KINDS)
            opened = length if final else max(begin, len(rest))
            opened += (length - opened) // STRETCH_CHARS_MAX * STRETCH_CHARS_MAX
            self._marks_at = base + opened
            return self._marks_at
        hold = length
        for stretch in STRETCH.finditer(kinds, begin):
            start, end = stretch.span()
            if not final and not self._settled(start, end):
                hold = start
                break
            if ODD.search(kinds, start, end):
                found = found_in(text, kinds, start, end, self._bank.kinds)
                self._take((base + first, base + last, kind) for first, last, kind in found)
        self._marks_at = base + hold
        return self._marks_at

    def _settled(self, start: int, end: int) -> bool:
        """Whether nothing that follows can change what is found in a stretch."""
        kinds = self._kinds
        if end == len(kinds) and end - start < STRETCH_CHARS_MAX:
            return False
        at = kinds.rfind("E", start, end)
        if at < 0 or len(kinds) > at + BIDI_REACH_CHARS:
            return True
        return not _ENDS.isdisjoint(kinds[at + 1 :])

    def _encoded(self, final: bool) -> int:
        """Judge the tokens and rows that are complete; gives where the first begins that is not."""
        text, base, length = self._text, self._base, len(self._text)
        at, hold = self._encoded_at - base, length
        subject = b""  # the window in UTF-8
        while True:
            if length - at >= _SEARCHED_CHARS_MIN and not (self._codes.tokens or self._cipher.tokens):
                subject = subject or text.encode()
                at = next_telling(text, subject, at)
            token = TOKEN.search(text, at)
            if token is None:
                break
            start, at = token.span()
            if not final and at == length and at - start < HELD_CHARS_MAX:
                hold = start
                break
            self._token(token[0], base + start, base + at)
        self._encoded_at = base + hold
        now = base + length
        codes = self._codes
        if codes.tokens and (
            final or self._encoded_at - codes.end > CODE_GAP_CHARS_MAX or not codes.takes(now)
        ):
            self._end_codes()
        if self._cipher.tokens and (final or not self._cipher.takes(now)):
            self._end_cipher()
        return min([base + hold, *(row.start for row in (self._codes, self._cipher) if row.tokens)])

    def _token(self, token: str, start: int, end: int) -> None:
        self._number += 1
        codes, cipher = self._codes, self._cipher
        is_code = token[0] in CODE_BEGINS and CODE.fullmatch(token) is not None
        if codes.tokens and not (is_code and start - codes.end <= CODE_GAP_CHARS_MAX and codes.takes(end)):
            self._end_codes()
        if is_code:
            codes.add(token, start, end)
            return
        if cipher.tokens and (self._number - cipher.number > CIPHERED_GAP_MAX or not cipher.takes(end)):
            self._end_cipher()
        if len(token) >= SOLID_CHARS_MIN:
            self._take((start + first, start + last, ENCODED_TEXT) for first, last in in_token(token))
        else:
            word = (token if token.isalpha() else token.strip(PUNCTUATION)).lower()
            if word in CIPHERED:
                cipher.add(word, start, end, self._number)

    def _end_codes(self) -> None:
        row, self._codes = self._codes, _Row()
        if in_codes(row.tokens):
            self._take([(row.start, row.end, ENCODED_TEXT)])

    def _end_cipher(self) -> None:
        row, self._cipher = self._cipher, _Row()
        if len(set(row.tokens)) >= CIPHERED_MIN:
            self._take([(row.start, row.end, ENCODED_TEXT)])
