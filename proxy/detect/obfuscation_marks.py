"""What stands in a text unseen, and words put together from the letters of several scripts.

The text is seen through one letter per character, its *kind*; what is looked for are patterns of kinds. They lie
within *stretches* of letters and invisible characters, so that a stretch is judged by itself.

The rules of mixing follow UTS 39 (https://www.unicode.org/reports/tr39/, restriction levels): Latin stands beside
Han, kana, Hangul, Arabic, Hebrew, Indic scripts; what is odd is a word that reads as Latin and holds letters that
only look so. Sources of what is left alone: UTS 51 (emoji sequences of joiners, selectors and tags), the joiners
of Persian, Indic and Arabic text, hyphenation by soft hyphens, marks of ordinary bidirectional text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from proxy.detect.normalise import skeleton

INVISIBLE_TEXT: Final = "INVISIBLE_TEXT"
SPLIT_WORD: Final = "SPLIT_WORD"
BIDI_CONTROL: Final = "BIDI_CONTROL"
MIXED_SCRIPT: Final = "MIXED_SCRIPT"

STRETCH_CHARS_MAX: Final = 256
"""A longer stretch is judged in parts of so many characters."""

BIDI_REACH_CHARS: Final = 64
"""How far behind a control that embeds right-to-left text a letter of such text may stand."""

CONTEXT_CHARS: Final = 64
"""Characters before a stretch that tell in which script the text around it is written."""

# Letters: L Latin; K Cyrillic that looks Latin, k other Cyrillic; G Greek drawn as Latin is, g Greek that only
# resembles it (and stands in units, names of genes, formulas); H of other scripts, that looks Latin; S Latin in
# another style. Unseen: z of no width, j joiners, s soft hyphen, t T tags and their end, v variation selectors.
# F the black flag; O overrides, E embeddings and isolates of right-to-left text, P what ends them; R letters
# written from right to left; m marks; n the end of a line; a blank for all else.
_OF_CODES: Final = {
    **dict.fromkeys([0x200B, *range(0x2060, 0x2065), 0xFEFF, 0x180E, *range(0x206A, 0x2070)], "z"),
    **dict.fromkeys([0x115F, 0x1160, 0x3164, 0xFFA0, 0x034F], "z"),
    **dict.fromkeys([0x200C, 0x200D], "j"),
    0xAD: "s",
    0xE0001: "t",
    **dict.fromkeys(range(0xE0020, 0xE007F), "t"),
    0xE007F: "T",
    **dict.fromkeys([*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)], "v"),
    0x1F3F4: "F",
    **dict.fromkeys([0x202D, 0x202E], "O"),
    **dict.fromkeys([0x202B, 0x2067], "E"),
    **dict.fromkeys([0x202C, 0x2069], "P"),
    **dict.fromkeys([0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029], "n"),
}
_GREEK_AS_LATIN: Final = frozenset("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο")
_STYLED: Final = ((0x1D400, 0x1D7FF), (0xFF21, 0xFF5A), (0x24B6, 0x24E9), (0x1F130, 0x1F189))


class Kinds(dict[int, str]):
    """Character → its kind, worked out when first met. Holds at most every character there is."""

    __slots__ = ("_view",)

    def __init__(self) -> None:
        super().__init__(_OF_CODES)
        self._view = skeleton()

    def reads(self, word: str) -> str:
        """The word as it is read."""
        return self._view.of(word)

    def __missing__(self, code: int) -> str:
        kind = self._kind(chr(code))
        self[code] = kind
        return kind

    def _kind(self, char: str) -> str:
        category = unicodedata.category(char)
        if category[0] == "M":
            return "m"
        code = ord(char)
        if any(first <= code <= last for first, last in _STYLED):
            return "S" if category[0] in "LS" else " "
        if category[0] != "L":
            return " "
        if unicodedata.bidirectional(char) in ("R", "AL"):
            return "R"
        script = unicodedata.name(unicodedata.normalize("NFKC", char)[0], "").split(" ")[0]
        if script == "LATIN":
            return "L"
        like = self._view.of(char)
        alike = bool(like) and like.isascii() and like.isalpha()
        if script == "CYRILLIC":
            return "K" if alike else "k"
        if script == "GREEK":
            return "G" if char in _GREEK_AS_LATIN else "g"
        return "H" if alike else " "


STRETCH_KINDS: Final = "LKkGgHSmzjstTvFOEP"
STRETCH: Final = re.compile(rf"[{STRETCH_KINDS}]{{1,{STRETCH_CHARS_MAX}}}")
ODD: Final = re.compile(r"[SzjstTvFOE]|Lm*[KkGgH]|[KkGgH]m*L")
"""Without one of these a stretch has nothing to tell."""

_TAGS: Final = re.compile(r"(F?)(t+T?|T)")
_REGION: Final = re.compile(r"[a-z]{2}[a-z0-9]{1,4}")
_SELECTORS: Final = re.compile(r"v{2,}")
_NO_WIDTH: Final = re.compile(r"[zjs]{4,}")
_PADDING_CHARS_MAX: Final = 16
_SPLIT: Final = re.compile(r"(?<=[LKG])(?:[zjs]+[LKGHkg]+)*[zjs]+(?=[LKG])")
_HYPHENED: Final = re.compile(r"s(?:[LKG]s){2,}")
_WORD: Final = re.compile(r"[LKkGgHSm]{3,}")
_CONTROL: Final = re.compile(r"[OE]")
_LATIN_THEN_CYRILLIC: Final = re.compile(r"[Lm]{2,}[Kkm]+")
_CYRILLIC_WORD: Final = re.compile(r"(?<![LG])[Kkm]{2,}(?![LG])")
_LATIN_WORD: Final = re.compile(r"L{2,}")
_STYLES: Final = re.compile(r"L+S+L+|S+L+S+")
_FORMULA: Final = re.compile(r"(?:sin|cos|tan|cot|sec|csc|log|exp|lim|max|min|arg|det|ln|d)+")


def found_in(text: str, kinds: str, start: int, end: int, kind_of: Kinds) -> Iterator[tuple[int, int, str]]:
    """What a stretch holds: ranges and labels. `text` and `kinds` also show what is before and behind it, as far
    as CONTEXT_CHARS and BIDI_REACH_CHARS."""
    for tags in _TAGS.finditer(kinds, start, end):
        first, last = tags.span(2)
        name = "".join(chr(ord(char) - 0xE0000) for char in text[first : last - 1])
        if not (tags[1] and kinds[last - 1] == "T" and _REGION.fullmatch(name)):  # no flag of a region
            yield first, last, INVISIBLE_TEXT
    for pattern in (_SELECTORS, _NO_WIDTH):
        for run in pattern.finditer(kinds, start, end):
            if _tells(text[run.start() : run.end()]):
                yield *run.span(), INVISIBLE_TEXT
    for split in _SPLIT.finditer(kinds, start, end):
        if _splits(text, kinds, *split.span()):
            yield *split.span(), SPLIT_WORD
    for control in _CONTROL.finditer(kinds, start, end):
        at = control.start()
        if kinds[at] == "O" or not _about_right_to_left(kinds, at):
            yield at, at + 1, BIDI_CONTROL
    for word in _WORD.finditer(kinds, start, end):
        if _mixed(text[word.start() : word.end()], word[0], kinds, word.start(), kind_of):
            yield *word.span(), MIXED_SCRIPT


def _tells(run: str) -> bool:
    """Whether invisible characters can say something: a few of the same are padding, or typed twice."""
    return len(run) >= _PADDING_CHARS_MAX or len(set(run)) > 1


def _splits(text: str, kinds: str, start: int, end: int) -> bool:
    """Whether the invisible characters in a word are more than typesetting: a non-joiner that keeps an f from a
    ligature, a place where a long name may be broken, a syllable's end."""
    run = _NO_WIDTH.search(kinds, start, end)
    if run is not None and _tells(text[run.start() : run.end()]):
        return False  # told as invisible text
    if _HYPHENED.search(kinds, start, end):
        return True
    for at in range(start, end):
        before, after = text[at - 1], text[at + 1 : at + 2]
        if kinds[at] == "z" and not (before.islower() and after.isupper()):
            return True
        if kinds[at] == "j" and not (text[at] == "\u200c" and before in "fF"):
            return True
    return False


def _about_right_to_left(kinds: str, at: int) -> bool:
    """Whether the control at that place has right-to-left text to set."""
    for kind in kinds[at + 1 : at + 1 + BIDI_REACH_CHARS]:
        if kind == "R":
            return True
        if kind in "Pn":
            return False
    return False


def _mixed(word: str, kinds: str, around: str, at: int, kind_of: Kinds) -> bool:
    """Whether a word reads as Latin by the grace of letters that are not."""
    if "L" not in kinds:
        return False
    if "S" in kinds:
        return _STYLES.search(kinds) is not None
    if not any(kind in kinds for kind in "KGHg"):
        return False
    read = kind_of.reads(word)
    if not (read.isascii() and read.isalpha()):
        return False
    if "H" in kinds or "G" in kinds:
        return True
    if "K" not in kinds:
        # Greek as in formulas: alone, at a word's edge, between names of functions.
        letters = "".join(char for char, kind in zip(word, kinds, strict=True) if kind == "L")
        inside = re.search(r"(?<=L)g(?=L)", kinds) is not None
        return inside and kinds.count("g") >= 2 and letters.islower() and not _FORMULA.fullmatch(letters)
    if not _LATIN_THEN_CYRILLIC.fullmatch(kinds):
        return True
    # A Latin name with a Cyrillic ending, as Russian writes it: odd only where the words before are Latin.
    before = around[max(0, at - CONTEXT_CHARS) : at]
    return _LATIN_WORD.search(before) is not None and _CYRILLIC_WORD.search(before) is None
