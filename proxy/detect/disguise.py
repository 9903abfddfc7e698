"""Words in disguise, for phrases: figures in place of letters, and letters set apart.

Both are looks beside the plain one, over the same skeleton text, so that the plain look stays exact. Neither
reads a meaning into plain figures: a word counts as leetspeak only where it has letters too, and letters count
as set apart only where each of three or more stands alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.detect.base import HELD_CHARS_MAX
from proxy.detect.normalise import Reader
from proxy.detect.regexes import Leftmost

# What each sign may stand for. The view folds i and l to one, since 1, ! and | stand for both; `written_as` then
# keeps the letters themselves apart.
_SIGNS: Final = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "il", "|": "il",
}  # fmt: skip
LEET: Final = str.maketrans({"l": "i"} | {sign: letters[0] for sign, letters in _SIGNS.items()})
"""A one-for-one view of skeleton text, in which every sign is the letter that it may stand for."""

SIGN: Final = re.compile("[" + "".join(map(re.escape, _SIGNS)) + "]")
MIXED: Final = re.compile(rf"{SIGN.pattern}(?:(?=[^\W\d_])|(?<=[^\W\d_].))")
"""A letter beside a sign: without one there is no leetspeak."""

_INNER: Final = frozenset("!|")  # punctuation more often than letters: only inside a word
_LETTERS_MIN: Final = 3
_NUMBERED: Final = re.compile(r"[^\W\d_]\d{2}|\d{2}[^\W\d_]")  # a road, a model, a span: A55, 45s


def may_be_leet(phrase: str) -> bool:
    """Whether a phrase (as the skeleton shows it) is looked for in leetspeak: one with signs of its own is not."""
    return len(phrase.replace(" ", "")) >= _LETTERS_MIN and not SIGN.search(phrase)


def written_as(text: str, phrase: str) -> bool:
    """Whether the text, equal to the phrase in the leet view, is that phrase with signs in words of letters."""
    if any(
        one != letter and letter not in _SIGNS.get(one, "") for one, letter in zip(text, phrase, strict=True)
    ):
        return False
    words = text.split(" ")
    # Two letters by themselves prove nothing; beside the phrase's other words they do.
    least = _LETTERS_MIN if len(words) == 1 else 2
    for word in words:
        if not SIGN.search(word):
            continue
        if len(word) < least or word[0] in _INNER or word[-1] in _INNER:
            return False
        if _NUMBERED.fullmatch(word) or not any(char.isalpha() for char in word):
            return False
    return SIGN.search(text) is not None


_FLAG_A: Final = 0x1F1E6  # regional indicators: letters that pair up to flags, or stand alone
_FLAGS: Final = "\U0001f1e6-\U0001f1ff"
_LETTER: Final = rf"(?:[^\W\d_]|[{_FLAGS}])"
_WORD: Final = rf"(?:[^\W_]|[{_FLAGS}])"
_ASCII_GAPS: Final = r" .\-_*/,|~+="
_GAP: Final = rf"[{_ASCII_GAPS}\u00b7\u2022]"
_GAP_CHARS_MAX: Final = 3
_GAPS: Final = rf"{_GAP}{{1,{_GAP_CHARS_MAX}}}"
_RUN: Final = re.compile(rf"(?<!{_WORD}){_LETTER}(?:{_GAPS}{_LETTER}(?!{_WORD})){{2,}}")
_TWO_ALONE: Final = re.compile(rf"{_GAP}{_LETTER}{_GAPS}{_LETTER}(?!{_WORD})")
_MIXED_SIGN: Final = f"{SIGN.pattern}[A-Za-z]|[A-Za-z]{SIGN.pattern}"
_MIXED: Final = Leftmost(_MIXED_SIGN)
_THREE_ALONE: Final = Leftmost(
    rf"(?:\A|[^A-Za-z0-9])[A-Za-z](?:[{_ASCII_GAPS}]{{1,{_GAP_CHARS_MAX}}}[A-Za-z]){{2}}(?:[^A-Za-z0-9]|\z)"
)
_BLANKS: Final = r"[ \t-\r]+"
_UNSEEN: Final = r"[\x00-\x08\x0e-\x1f\x7f]"

ANYWHERE_CHARS_MAX: Final = 8192
"""Phrases of so many characters are looked for by one expression of RE2, which takes some milliseconds to make."""

_LAST_ALONE: Final = re.compile(rf"(?<!{_WORD}){_LETTER}{_GAP}{{0,{_GAP_CHARS_MAX}}}\Z")
_OPEN_RUN: Final = re.compile(
    rf"(?<!{_WORD}){_LETTER}(?:{_GAPS}{_LETTER}(?!{_WORD}))*{_GAP}{{0,{_GAP_CHARS_MAX}}}\Z"
)
_MAY_GO_ON: Final = re.compile(rf"{_GAP}{{0,{_GAP_CHARS_MAX}}}{_LETTER}?\Z")

_BEFORE: Final = re.compile(rf"(?<!{_WORD}){_LETTER}{_GAPS}\Z")
ALONE: Final = re.compile(rf"[\W_][\w{_FLAGS}](?:[\W_]|\Z)")
"""A letter that stands alone behind something: the quick look that spares ordinary prose the careful one."""

NEAR_CHARS: Final = _GAP_CHARS_MAX + 3
"""How far back what is shown next may still give such a letter its meaning."""

_NEAR_CHARS: Final = 2 * (_GAP_CHARS_MAX + 2)

CONTEXT_CHARS: Final = 3 * (_GAP_CHARS_MAX + 1)
"""How much shown text before an open place is kept: a letter before it, one before that, and their gaps."""

_SPREAD_MAX: Final = 64
"""Raw characters between neighbours; what is further away is not beside."""

_SPAN_MAX: Final = HELD_CHARS_MAX - 4 * _SPREAD_MAX
_WORDS_OF_ONE: Final = frozenset("ai")


def compact(phrase: str) -> str | None:
    """The phrase with its letters run together; None where it is not looked for with its letters set apart."""
    letters = phrase.replace(" ", "").replace("-", "")
    return letters if len(letters) >= _LETTERS_MIN and letters.isalpha() else None


@dataclass(frozen=True, slots=True)
class Run:
    """Letters that stand alone, one after the other. `text` has them run together, `at` where each is shown."""

    text: str
    at: Sequence[int]
    steps: Sequence[int]  # raw characters from the letter before; 0 for the first
    tentative: bool  # nothing is shown behind the last letter yet
    open: bool  # more of its kind may follow, so nothing is known of what stands behind the last letter

    def begins(self, index: int) -> bool:
        """Whether a word may begin with that letter: nothing stands before it, or another gap than behind it.
        One-letter words stand before many a word."""
        if index == 0 or (index == 1 and self.text[0] in _WORDS_OF_ONE):
            return True
        return self.steps[index] != self.steps[index + 1]

    def stops(self, index: int) -> bool | None:
        """Whether a word may end before letter `index`: nothing stands there, or another gap than before; None
        where that is not known yet."""
        if index < len(self.at):
            if self.steps[index] != self.steps[index - 1]:
                return True
            # The last letter, with nothing behind it yet, may still turn out to begin a word.
            return None if self.tentative and index == len(self.at) - 1 else False
        return None if self.open else True

    def fits(self, first: int, last: int, reader: Reader) -> bool:
        """Whether letters `first` to `last` lie near enough to be held together."""
        return reader.raw_start(self.at[last]) - reader.raw_start(self.at[first]) <= _SPAN_MAX


def two_alone(text: str, old: int) -> bool:
    """Whether letters that stand alone side by side reach window offset `old`, or lie behind it."""
    return _TWO_ALONE.search(text, max(0, old - _NEAR_CHARS)) is not None


def may_hide(text: bytes) -> tuple[bool, bool]:
    """Of an ASCII text: whether a letter stands beside a sign, and whether three letters stand alone together."""
    return _MIXED.at(text) < len(text), _THREE_ALONE.at(text) < len(text)


def anywhere(phrases: Iterable[str]) -> Leftmost | None:
    """Finds where in an ASCII text, as it is written, one of these skeleton phrases may be, plain or in disguise,
    and what the view leaves out: one search where the careful looks are a view and three. None for so many phrases
    that RE2 takes long to make it."""
    plain = [one for one in phrases if one.isascii()]
    if sum(map(len, plain)) > ANYWHERE_CHARS_MAX:
        return None
    written = [_BLANKS.join(map(re.escape, one.split(" "))) for one in plain]
    gaps = rf"[{_ASCII_GAPS}\t-\r]+"
    alone = rf"(?:\A|[^a-z0-9])[a-z](?:{gaps}[a-z]){{2}}(?:[^a-z0-9]|\z)"
    return Leftmost(f"(?i){'|'.join([*written, _MIXED_SIGN, alone, _UNSEEN])}")


def one_alone(text: str) -> int | None:
    """Where the window ends with a letter that may come to stand alone; -1 where another stands before it."""
    found = _LAST_ALONE.search(text, max(0, len(text) - 1 - _GAP_CHARS_MAX))
    if found is None:
        return None
    at = found.start()
    return -1 if _BEFORE.search(text, max(0, at - 1 - _GAP_CHARS_MAX), at) else at


def runs(reader: Reader, *, final: bool) -> Iterator[Run]:
    """The runs of three and more letters in the window, and the one open at its end, however short."""
    text = reader.text
    tail = (
        None if final or not _LAST_ALONE.search(text, max(0, len(text) - 1 - _GAP_CHARS_MAX)) else _tail(text)
    )
    hit = _TWO_ALONE.search(text)
    if hit is not None:
        for found in _RUN.finditer(text, max(0, hit.start() - 2 - _GAP_CHARS_MAX)):
            if tail is None or found.start() < tail:
                yield from _near(reader, found.start(), found.end(), final)
    if tail is not None:
        yield from _near(reader, tail, len(text), final)


def _tail(text: str) -> int | None:
    found = _OPEN_RUN.search(text)
    return None if found is None else found.start()


def _near(reader: Reader, start: int, end: int, final: bool) -> Iterator[Run]:
    """The run in window characters [start, end), parted where what is shown side by side is not near by."""
    text, base = reader.text, reader.base
    letters: list[int] = []
    steps: list[int] = []
    for at in range(start, end):
        char = text[at]
        if not (char.isalpha() or "\U0001f1e6" <= char <= "\U0001f1ff"):
            continue
        here = reader.raw_start(base + at)
        after = reader.raw_start(base + at + 1) if at + 1 < len(text) else reader.length
        if after - here > _SPREAD_MAX:  # what follows it is too far off to tell that it stands alone
            if letters:
                yield _run(text, base, letters, steps, open=False)
            letters, steps = [], []
            continue
        steps.append(here - reader.raw_start(base + letters[-1]) if letters else 0)
        letters.append(at)
    if letters:
        last = reader.raw_start(base + letters[-1])
        rest = text[letters[-1] + 1 :]
        goes_on = not final and _MAY_GO_ON.match(rest) is not None
        if goes_on and rest and text[-1].isalpha():
            goes_on = reader.length - reader.raw_start(reader.end - 1) <= _SPREAD_MAX
        elif goes_on:
            goes_on = reader.length - last <= _SPREAD_MAX
        yield _run(text, base, letters, steps, open=goes_on)


def _run(text: str, base: int, letters: list[int], steps: list[int], *, open: bool) -> Run:
    shown = "".join(
        text[at] if text[at].isalpha() else chr(ord(text[at]) - _FLAG_A + ord("a")) for at in letters
    )
    return Run(shown, [base + at for at in letters], steps, open and letters[-1] == len(text) - 1, open)
