"""The text as detectors see it, with the way back to the raw text.

Three views. *Folded*, for patterns and personal data: width and other compatibility forms, digits of any
script, dashes and spaces become ASCII; what no reader sees (zero-width, bidi controls, soft hyphens) is gone.
*Latin*, for secrets: that, and every letter that looks like a Latin one is that one, in its case, without
accents. *Skeleton*, for phrases and toxicity: all that, and case; Hangul and voiced kana in their parts; runs of
blanks become one. Folded and Latin leave ASCII as it is.

All map each character by itself (a blank, by the one kept before it), so normalising a + b is normalising a,
then b: nothing waits for a normalisation boundary. Where a base character precedes a mark that the view
drops, the mark belongs to the base's range, and a range that ends there covers it: redaction leaves no
residue.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from enum import Enum, auto
from typing import Final

from proxy.detect.lookalikes import latin_letters, lookalikes

# Besides all format characters: those that stand visibly beside Arabic digits say nothing here, and hide in Latin
# words. Joiners, reserved ones, fillers, variation selectors, the keycap's frame.
_UNSEEN: Final = frozenset(
    [0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x20E3, 0x3164, 0xFFA0, *range(0x180B, 0x1810)]
).union(range(0xFE00, 0xFE10), range(0xE0000, 0xE1000))
_BLANK_LETTERS: Final = frozenset([0x2800])  # drawn as a space
# Minus signs and hyphens outside the dash category.
_MORE_DASHES: Final = frozenset([0x2212, 0x2043, 0x02D7, 0x2796, 0x10EAD])
# Accents that a reader ignores. Vowel signs of Indic and Thai scripts are letters to theirs, and stay.
_ACCENTS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f]+"
)
# Syllables that may also come in parts, as jamo or as a kana and its voicing mark: the skeleton shows the parts,
# so that nothing waits for the next character.
_SPELT_OUT: Final = re.compile("[\uac00-\ud7a3\u304b-\u30fe]")
_SPACED_VOICING: Final = {"\u309b": "\u3099", "\u309c": "\u309a"}
_ASCII_CONTROLS: Final = frozenset([*range(0x09), *range(0x0E, 0x1C), 0x7F])


def _folded(char: str) -> str:
    """What the folded view shows for one character; empty for what no reader sees."""
    code = ord(char)
    if code < 0x80:
        if code in _ASCII_CONTROLS:
            return ""
        return " " if 0x1C <= code <= 0x1F else char
    category = unicodedata.category(char)
    if code in _UNSEEN or category == "Cf" or (category == "Cc" and code != 0x85):
        return ""
    if char.isspace() or code in _BLANK_LETTERS:
        return "\n" if code in (0x85, 0x2028, 0x2029) else " "
    if category == "Nd" or (category == "No" and unicodedata.digit(char, None) is not None):
        return str(unicodedata.digit(char))  # of any script, raised, or in a circle
    if category == "Pd" or code in _MORE_DASHES:
        return "-"
    plain = unicodedata.normalize("NFKC", char)
    # A spacing accent decomposes into a blank and a mark: it is no blank to its reader.
    return char if plain.startswith(" ") or not plain else plain


class _Look(Enum):
    """How far a view goes."""

    FOLDED = auto()
    LATIN = auto()
    SKELETON = auto()


class _Table(dict[int, str]):
    """Character → what a view shows for it, worked out when first met. Holds at most every character there
    is."""

    __slots__ = ("_breaks", "_likes", "_look")

    def __init__(self, look: _Look, *, breaks: bool) -> None:
        super().__init__()
        self._look = look
        self._breaks = breaks  # whether a line's end stays one
        self._likes = {_Look.SKELETON: lookalikes, _Look.LATIN: latin_letters}.get(look, dict)()

    def __missing__(self, code: int) -> str:
        shown = self._show(chr(code))
        self[code] = shown
        return shown

    def _show(self, char: str) -> str:
        shown = _folded(char)
        if self._look is _Look.FOLDED or (shown.isascii() and self._look is _Look.LATIN):
            return shown
        if self._look is _Look.LATIN:
            return "".join(map(self._latin, shown))
        if shown.isspace():
            return "\n" if self._breaks and shown in "\n\r\v\f" else " "
        out: list[str] = []
        for one in shown:
            apart = unicodedata.normalize("NFKD", one)
            if _SPELT_OUT.match(one):
                out.append(_SPACED_VOICING.get(one, apart))
                continue
            bare = _ACCENTS.sub("", apart)
            for folded in (bare if len(bare) < len(apart) else one).casefold():
                rest = _ACCENTS.sub("", folded)
                out.append(self._likes.get(rest, rest))
        return "".join(out)

    def _latin(self, char: str) -> str:
        if char.isascii() or _SPELT_OUT.match(char):
            return char
        apart = unicodedata.normalize("NFKD", char)
        bare = _ACCENTS.sub("", apart)
        return "".join(self._likes.get(one, one) for one in (bare if len(bare) < len(apart) else char))


class _Widths(dict[int, str]):
    """Character → one character that says how the view shows it: as nothing, as one, as a blank, as more."""

    __slots__ = ("_table",)

    def __init__(self, table: _Table) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, code: int) -> str:
        shown = self._table[code]
        kind = _NOTHING if not shown else _MORE if len(shown) > 1 else _BLANK if shown == " " else _ONE
        self[code] = kind
        return kind


_NOTHING, _ONE, _BLANK, _MORE = "nosm"
_ODD: Final = re.compile(f"[{_NOTHING}{_MORE}]")
_ODD_OR_RUN: Final = re.compile(f"{_BLANK}[{_NOTHING}{_BLANK}]*{_BLANK}|[{_NOTHING}{_MORE}]")


class View:
    """A way of seeing a text. Holds only a memo of a pure function of single characters; share it freely."""

    __slots__ = ("_lower", "_odd", "_squeeze", "_table", "_widths")

    def __init__(self, look: _Look, *, squeeze: bool) -> None:
        self._table = _Table(look, breaks=not squeeze)
        self._widths = _Widths(self._table)
        self._lower = look is _Look.SKELETON
        self._squeeze = squeeze
        self._odd = _ODD_OR_RUN if squeeze else _ODD

    def of(self, text: str) -> str:
        """The whole text in this view."""
        return Reader(self).push(text)

    def take(self, piece: str, *, after_blank: bool) -> tuple[str, list[tuple[int, int]] | None]:
        """The piece in this view, and where its characters come from.

        The second value is None where characters stand one for one. Else it lists (offset shown, offset raw)
        for each place from which on the two run in step again; offset raw negative (~) where all that is shown from
        there on comes from that one character.
        """
        if piece.isascii() and (piece.isprintable() or (not self._lower and not _ASCII_ODD.search(piece))):
            plain = piece.lower() if self._lower else piece
            if not self._squeeze or not ("  " in piece or (after_blank and piece[:1] == " ")):
                return plain, None
        widths = piece.translate(self._widths)
        out: list[str] = []
        steps: list[tuple[int, int]] = []
        shown = at = 0
        if self._squeeze and after_blank:
            at = len(widths) - len(widths.lstrip(_NOTHING + _BLANK))
            if at:
                steps.append((0, at))
        for odd in self._odd.finditer(widths, at):
            start, end = odd.span()
            plain = piece[at:start].translate(self._table)
            out.append(plain)
            shown += len(plain)
            if end - start == 1:
                more = self._table[ord(piece[start])]
                if len(more) > 1:
                    steps.append((shown + 1, ~start))
            else:
                more = " "
            out.append(more)
            shown += len(more)
            steps.append((shown, end))
            at = end
        out.append(piece[at:].translate(self._table))
        return "".join(out), steps or None


_ASCII_ODD: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def folded() -> View:
    """The view for patterns and personal data."""
    return View(_Look.FOLDED, squeeze=False)


def latin() -> View:
    """The folded view with every letter that looks like a Latin one shown as that, in its case, and without
    accents: for what is written in ASCII, whatever it is disguised as."""
    return View(_Look.LATIN, squeeze=False)


def skeleton() -> View:
    """The view for phrases: case, accents, look-alikes folded, every run of blanks one space."""
    return View(_Look.SKELETON, squeeze=True)


def spoken() -> View:
    """The skeleton with its blanks and line ends as they stand, for what reads sentences."""
    return View(_Look.SKELETON, squeeze=False)


class Reader:
    """One growing text in one view: a window of shown text, and where its characters stand in the raw text.

    Offsets into the shown text are absolute: they count from the text's beginning, whatever was let go.
    """

    __slots__ = ("_after_blank", "_raw", "_shown", "_view", "base", "length", "text")

    def __init__(self, view: View) -> None:
        self._view = view
        self._after_blank = False
        self._shown = [
            0
        ]  # from shown offset _shown[i] on, raw offsets run in step from _raw[i], or are all ~_raw[i]
        self._raw = [0]
        self.base = 0  # offset of the window's first character
        self.text = ""  # the window
        self.length = 0  # raw characters read

    @property
    def end(self) -> int:
        """Characters shown so far."""
        return self.base + len(self.text)

    @property
    def in_step(self) -> bool:
        """Whether the window stands one for one in the raw text."""
        return len(self._shown) == 1

    def push(self, piece: str) -> str:
        """Take the next raw characters; returns what the view shows of them."""
        shown, steps = self._view.take(piece, after_blank=self._after_blank)
        if steps is not None:
            at, length = self.end, self.length
            for offset, raw in steps:
                if self._shown[-1] == at + offset:  # nothing was shown since: the later place counts
                    self._shown.pop()
                    self._raw.pop()
                self._shown.append(at + offset)
                self._raw.append(length + raw if raw >= 0 else raw - length)
        if shown:
            self._after_blank = shown[-1] == " "
        self.text += shown
        self.length += len(piece)
        return shown

    def raw_start(self, at: int) -> int:
        """Where in the raw text the shown character at offset `at` begins."""
        if len(self._shown) == 1:
            return at + self._raw[0] - self._shown[0]
        index = bisect_right(self._shown, at) - 1
        raw = self._raw[index]
        return raw + at - self._shown[index] if raw >= 0 else ~raw

    def raw_end(self, at: int) -> int:
        """Where in the raw text a range ends whose shown characters end before offset `at` (at least one).

        It covers what the view dropped after its last character."""
        last = self.raw_start(at - 1)
        end = self.end
        while at < end:
            start = self.raw_start(at)
            if start > last:
                return start
            at += 1
        return self.length

    def closed(self, at: int) -> bool:
        """Whether `raw_end(at)` stands, whatever follows: a character of another origin was seen."""
        return at < self.end and (self.in_step or self.raw_start(self.end - 1) > self.raw_start(at - 1))

    def let_go(self, upto: int) -> None:
        """Forget the shown text before offset `upto`."""
        cut = upto - self.base
        if cut <= 0:
            return
        self.text = self.text[cut:]
        self.base = upto
        if len(self._shown) > 1:
            keep = bisect_right(self._shown, upto) - 1
            if keep > 0:
                del self._shown[:keep], self._raw[:keep]
