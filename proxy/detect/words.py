"""Where words end, in scripts that part them with spaces and in those that do not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from enum import Enum
from typing import Final


class Joining(Enum):
    """How a character makes words with those beside it."""

    SPACED = "spaced"  # words end at spaces
    SHORT = "short"  # no spaces, and a word has a character or two: Han, kana, Yi
    LONG = "long"  # no spaces, and a word has several: Thai, Lao, Myanmar, Khmer


_RUN_TOGETHER: Final = (
    (0x0E00, 0x0EFF, Joining.LONG),  # Thai, Lao
    (0x1000, 0x109F, Joining.LONG),  # Myanmar
    (0x1780, 0x17FF, Joining.LONG),  # Khmer
    (0x2E80, 0x31FF, Joining.SHORT),  # Han radicals, kana, bopomofo
    (0x3400, 0x9FFF, Joining.SHORT),  # Han
    (0xA000, 0xA4CF, Joining.SHORT),  # Yi
    (0xF900, 0xFAFF, Joining.SHORT),
    (0x20000, 0x3FFFF, Joining.SHORT),
)


def joining(char: str) -> Joining | None:
    """How the character makes words; None where it is part of none."""
    if char.isascii():
        return Joining.SPACED if char.isalnum() else None
    if not (char.isalnum() or unicodedata.category(char).startswith("M")):
        return None
    code = ord(char)
    return next((how for first, last, how in _RUN_TOGETHER if first <= code <= last), Joining.SPACED)


def joins(char: str) -> bool:
    """Whether the character makes one word with a like one beside it. A phrase of other scripts may stand
    anywhere."""
    if char.isascii():
        return char.isalnum()
    return joining(char) is Joining.SPACED


def beginnings(first: frozenset[str], inside: frozenset[str]) -> re.Pattern[str]:
    """Finds in ASCII where a word begins with one of `first`, or goes on with one of `inside`."""
    letters, signs = filter(str.isalnum, first), (char for char in first if not char.isalnum())
    within = filter(str.isalnum, inside)
    ways = [(r"(?<![0-9A-Za-z])", letters), ("", signs), ("", within)]
    spelt = ((before, "".join(map(re.escape, sorted(chars)))) for before, chars in ways)
    return re.compile("|".join(f"{before}[{chars}]" for before, chars in spelt if chars) or r"(?!)")


def begun(text: str, at: int, first: frozenset[str], inside: frozenset[str]) -> Iterator[int]:
    """The same in any text, from an offset on."""
    joined = at > 0 and joins(text[at - 1])
    for start in range(at, len(text)):
        in_word = joins(text[start])
        if text[start] in (inside if joined and in_word else first):
            yield start
        joined = in_word
