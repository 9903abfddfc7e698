"""Where words end, in scripts that part them with spaces and in those that do not."""

from __future__ import annotations

import unicodedata
from typing import Final

# Scripts that do not part words with spaces: a phrase may stand anywhere in them.
_RUN_TOGETHER: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x31FF),  # Han radicals, kana, bopomofo
    (0x3400, 0x9FFF),  # Han
    (0xA000, 0xA4CF),  # Yi
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


def joins(char: str) -> bool:
    """Whether the character makes one word with a like one beside it."""
    if char.isascii():
        return char.isalnum()
    if not (char.isalnum() or unicodedata.category(char).startswith("M")):
        return False
    code = ord(char)
    return not any(first <= code <= last for first, last in _RUN_TOGETHER)
