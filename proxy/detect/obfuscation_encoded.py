"""Words in code: runs of base64, base32, hex, bits, character codes, escapes or Morse that are readable text once
they are decoded, and words that are English read by rot13 or backwards.

What decodes to no readable words is none of this detector's business: pictures, hashes, keys, tokens, JSON.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import string
from collections.abc import Iterator, Sequence
from typing import Final

from proxy.detect.base import HELD_CHARS_MAX
from proxy.detect.regexes import Leftmost

ENCODED_TEXT: Final = "ENCODED_TEXT"

TOKEN: Final = re.compile(rf"[!-~]{{1,{HELD_CHARS_MAX}}}")
SOLID_CHARS_MIN: Final = 16
"""Characters of the shortest run that is decoded: some three words in base64."""

CODES_MIN: Final = 8
"""The fewest codes in a row that are decoded."""

CODE_GAP_CHARS_MAX: Final = 3
"""Further apart, codes stand in no row."""

CODE: Final = re.compile(
    r"(?:0[xX]|\\x|U\+00)?[0-9A-Fa-f]{2}[,;:]?|[01]{8}[,;]?|[0-9]{2,3}[,;]?|[.\-]{1,6}|[/|]"
)
"""One character's code, as such are listed with blanks between."""

CODE_BEGINS: Final = frozenset("0123456789ABCDEFabcdef\\U./|-")

_SOLID: Final = re.compile(rf"[A-Za-z0-9+/_-]{{{SOLID_CHARS_MIN},}}={{0,6}}")
_ESCAPE: Final = (
    r"(?:%[0-9A-Fa-f]{2}|\\x[0-9A-Fa-f]{2}|\\u00[0-9A-Fa-f]{2}|\\u\{[0-9A-Fa-f]{2}\}|\\[0-7]{3}"
    r"|&#x0{0,4}[0-9A-Fa-f]{2};|&#0{0,4}[0-9]{2,3};)"
)
_ESCAPES: Final = re.compile(rf"{_ESCAPE}{{{CODES_MIN},}}")
_ONE_ESCAPE: Final = re.compile(_ESCAPE)
_HEX: Final = re.compile(r"(?:0[xX])?((?:[0-9A-Fa-f]{2})+)")
_BASE32: Final = re.compile(r"([A-Z2-7]+)=*")
_BITS: Final = re.compile(r"(?:[01]{8})+")
_READABLE: Final = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xf4]+")

_MORSE_CODES: Final = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
    " ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
_MORSE: Final = dict(zip(_MORSE_CODES.split(), "abcdefghijklmnopqrstuvwxyz0123456789", strict=True))

_COMMON: Final = (
    "the you for this that with your have from what how ignore previous instructions system prompt tell about make"
    " please write disregard reveal password secret rules all above every answer question without should would"
)
_WORDS: Final = frozenset(_COMMON.split())
CIPHERED: Final = frozenset(
    word for plain in _WORDS for word in (codecs.encode(plain, "rot13"), plain[::-1]) if word not in _WORDS
)
"""Common English words, and some that attacks are made of, by rot13 and backwards. None is a word of a language."""

CIPHERED_MIN: Final = 3
"""So many different ones make a message."""

CIPHERED_GAP_MAX: Final = 6
"""Each among so many tokens behind the one before."""

PUNCTUATION: Final = string.punctuation
"""May stand around a word."""

_BESIDE: Final = f"[{re.escape(PUNCTUATION)}]*"
_NO_TOKEN: Final = r"(?:[^!-~]|\z)"
_ROW: Final = (
    rf"(?:(?:{CODE.pattern})[^!-~]{{1,{CODE_GAP_CHARS_MAX}}}){{{CODES_MIN - 1}}}(?:{CODE.pattern}){_NO_TOKEN}"
)
_WORD_IN_CODE: Final = rf"{_BESIDE}(?i:{'|'.join(sorted(CIPHERED))}){_BESIDE}{_NO_TOKEN}"
_TELLING: Final = Leftmost(
    rf"(?:\A|[^!-~])(?:(?:{CODE.pattern}){_NO_TOKEN}|[!-~]{{{SOLID_CHARS_MIN}}}|[!-~]+\z"
    rf"|{_WORD_IN_CODE})"
)
"""A token that is a code, long enough to be decoded, a word of CIPHERED, or not complete; and what is before it."""
_TELLING_WHOLE: Final = Leftmost(rf"(?:\A|[^!-~])(?:{_ROW}|[!-~]{{{SOLID_CHARS_MIN}}}|{_WORD_IN_CODE})")
"""As many codes in a row as are decoded, or one of the other two, in a text that is all there."""

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CASED: Final = re.compile(r"[A-Z]?[a-z'’-]+|[A-Z'’-]+")
_VOWEL: Final = re.compile(r"[aeiouyAEIOUY]")
_WORDS_MIN: Final = 3
_LETTERS_MIN: Final = 8
_FOREIGN_LETTERS_MIN: Final = 12  # fewer come about by accident
_PLAIN_SHARE_MIN: Final = 0.9
_READABLE_SHARE_MIN: Final = 0.5  # of what was decoded: certificates hold names, too
_LETTERS_SHARE_MIN: Final = 0.5
_LIKELY_SHARE_MIN: Final = 0.7
_PRINTABLE: Final = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]+")
_BETWEEN: Final = re.compile(r"[ ,.!?'\"\-:;()\n’]")


def next_telling(text: str, subject: bytes, at: int) -> int:
    """Where from `at` on the next token may be that tells of words in code: nearly no word of a text does.
    `subject` is the text in UTF-8."""
    if 0 < at < len(text) and "!" <= text[at] <= "~":
        if "!" <= text[at - 1] <= "~":
            return at  # the rest of a word that is too long for one token
        at -= 1
    if len(subject) == len(text):
        return _TELLING.at(subject, at)
    return len(subject[: _TELLING.at(subject, len(text[:at].encode()))].decode())


def may_tell(text: bytes) -> bool:
    """Whether anything in a whole text may be words in code."""
    return _TELLING_WHOLE.at(text) < len(text)


def readable(text: str) -> bool:
    """Whether a text is words of some language rather than data."""
    if len(text) < _LETTERS_MIN or not _PRINTABLE.fullmatch(text):
        return False
    letters = sum(map(str.isalpha, text))
    if letters + len(_BETWEEN.findall(text)) < _PLAIN_SHARE_MIN * len(text):
        return False
    if not text.isascii():
        return letters >= max(_FOREIGN_LETTERS_MIN, _LETTERS_SHARE_MIN * len(text))
    words = _WORD.findall(text)
    # Words joined by hyphens alone are a name, not a sentence.
    return len(words) >= _WORDS_MIN and len(text.split()) >= _WORDS_MIN and _likely(words)


def _likely(words: Sequence[str]) -> bool:
    """Whether most are written as words are: of a length and a case, and with a vowel."""
    likely = [word for word in words if _CASED.fullmatch(word) and _VOWEL.search(word)]
    return len(likely) >= _LIKELY_SHARE_MIN * len(words) and 2 * len(words) <= sum(
        map(len, words)
    ) <= 12 * len(words)


def in_token(token: str) -> Iterator[tuple[int, int]]:
    """The ranges of a token (no blanks) that are encoded words."""
    if len(token) < SOLID_CHARS_MIN:
        return
    for run in _SOLID.finditer(token):
        if _solid(run[0]):
            yield run.span()
    for run in _ESCAPES.finditer(token):
        if _escapes(run[0]):
            yield run.span()


def _solid(run: str) -> bool:
    bits = _BITS.fullmatch(run)
    if bits is not None:
        return _spelt([int(run[at : at + 8], 2) for at in range(0, len(run), 8)])
    digits = _HEX.fullmatch(run)
    if digits is not None and _decoded(bytes.fromhex(digits[1])):
        return True
    base32 = _BASE32.fullmatch(run)
    if base32 is not None:
        whole = base32[1][: len(base32[1]) // 8 * 8]
        if _decoded(base64.b32decode(whole)):
            return True
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    for skip in range(4):  # a word or slash before it may have been taken for its beginning
        part = body[skip:]
        part = part[:-1] if len(part) % 4 == 1 else part
        try:
            raw = base64.b64decode(part + "=" * (-len(part) % 4))
        except binascii.Error:
            continue
        if _decoded(raw):
            return True
    return False


def _decoded(raw: bytes) -> bool:
    if len(raw) >= 2 * _LETTERS_MIN and not any(raw[1::2]):  # UTF-16 of plain letters
        raw = raw[::2]
    longest = max(_READABLE.findall(raw), key=len, default=b"")
    if len(longest) < max(_LETTERS_MIN, _READABLE_SHARE_MIN * len(raw)):
        return False
    try:
        return readable(longest.decode())
    except UnicodeDecodeError:
        return False


def _spelt(codes: Sequence[int]) -> bool:
    """Whether character codes that nobody lists by accident spell words, if only one."""
    text = "".join(map(chr, codes))
    words = _WORD.findall(text)
    letters = sum(map(len, words))
    return text.isascii() and len(text) >= CODES_MIN and letters >= 0.7 * len(text) and _likely(words)


def _escapes(run: str) -> bool:
    """Whether escapes stand for plain letters that need none. (Those of other alphabets do.)"""
    codes: list[int] = []
    for one in _ONE_ESCAPE.findall(run):
        digits = one.strip("%\\xu{}&#;")
        decimal = one.startswith("&#") and "x" not in one
        octal = one[0] == "\\" and one[1].isdigit()
        codes.append(int(digits, 10 if decimal else 8 if octal else 16))
    text = "".join(map(chr, codes))
    return text.isascii() and sum(char.isalpha() for char in text) >= 0.6 * len(text)


def in_codes(tokens: Sequence[str]) -> bool:
    """Whether a row of codes spells words."""
    if len(tokens) < CODES_MIN:
        return False
    bare = [token.rstrip(",;:") for token in tokens]
    if all(token.strip(".-/|") == "" for token in bare):
        return _in_morse(bare)
    for base, form in (
        (2, r"[01]{8}"),
        (16, r"(?:0[xX]|\\x|U\+00)?([0-9A-Fa-f]{2})"),
        (10, r"[0-9]{2,3}"),
        (8, r"[0-7]{2,3}"),
    ):
        codes = [match[match.lastindex or 0] for token in bare if (match := re.fullmatch(form, token))]
        if len(codes) == len(bare):
            values = [int(code, base) for code in codes]
            if all(9 <= value < 127 for value in values) and _words_of(values, base):
                return True
    return False


def _words_of(values: Sequence[int], base: int) -> bool:
    # Any list of numbers is a list of codes: decimal ones must spell several words.
    return readable("".join(map(chr, values))) if base in (8, 10) else _spelt(values)


def _in_morse(tokens: Sequence[str]) -> bool:
    letters = [" " if token in "/|" else _MORSE.get(token, "") for token in tokens]
    text = "".join(letters)
    return (
        "" not in letters
        and len(set(text) - {" "}) >= 6
        and _VOWEL.search(text) is not None
        and len(text) >= CODES_MIN
    )
