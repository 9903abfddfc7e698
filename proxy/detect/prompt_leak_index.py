"""The runs of words of an exchange's prompts, sorted, so that a text is compared with all of them at once.

Only letters and digits count, as the skeleton view shows them, run together: with other spacing, line breaks,
case, punctuation, bullets, marks or look-alike letters a run is still the same run. A *unit* is a word, or one
character of a script that parts no words with spaces; there a word is taken to be two characters (Han, kana, Yi)
or four (Thai, Lao, Khmer, Myanmar).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import accumulate, zip_longest
from operator import itemgetter
from typing import Final, NamedTuple

from proxy.detect.normalise import View
from proxy.detect.words import Joining, joining
from proxy.errors import GuardrailError

WHOLE_PROMPT_WORDS_MIN: Final = 6
"""A prompt shorter than a rule's `words` counts as a run of its own from this many words on. "You are a helpful
assistant" has five, and anybody may say so."""

PROMPT_CHARS_MAX: Final = 1 << 20
"""Characters of all an exchange's prompts. More are not compared: the rule's `on_error` decides."""

RUN_WORDS_MAX: Final = 32_768 * 12
"""Words in all the runs kept of an exchange's prompts, some 4 MB. In prompts that have more, a run begins at every
second word only, or third, and so on: a leak is then seen up to that many words later."""

BEGUN_LETTERS: Final = 4
"""The first letters of runs, by which most words are passed over. No run has fewer."""

_PARTS: Final = {Joining.SPACED: 4, Joining.SHORT: 2, Joining.LONG: 1}
_PARTS_OF_A_WORD: Final = 4


class PromptTooLong(GuardrailError):
    """Prompts of more than PROMPT_CHARS_MAX characters."""


class _Kinds(dict[int, str]):
    """Character → `w` where it is part of a spaced word, else what part of a word it is, else a blank. Holds at
    most every character there is."""

    __slots__ = ()

    def __missing__(self, code: int) -> str:
        kind = joining(chr(code))
        shown = " " if kind is None else "w" if kind is Joining.SPACED else str(_PARTS[kind])
        self[code] = shown
        return shown


_ASCII_WORD: Final = re.compile(r"[a-zA-Z0-9]+")
_UNIT: Final = re.compile(r"w+|[12]")


class Units:
    """Finds the units of shown text. Holds only a memo of a pure function of single characters."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        self._kinds = _Kinds()

    def of(self, text: str) -> Iterator[tuple[int, int]]:
        """Each unit's range."""
        found = _ASCII_WORD.finditer(text) if text.isascii() else _UNIT.finditer(text.translate(self._kinds))
        return (unit.span() for unit in found)

    def parts(self, char: str) -> int:
        """What a unit that begins with this character counts, in quarters of a word."""
        kind = self._kinds[ord(char)]
        return _PARTS_OF_A_WORD if kind == "w" else int(kind)

    def spaced(self, char: str) -> bool:
        """Whether the character is part of a spaced word, which may grow."""
        return self._kinds[ord(char)] == "w"

    def word_goes_on(self, text: str) -> int:
        """How many characters at the beginning of the text belong to one spaced word."""
        shown = text.translate(self._kinds)
        return len(shown) - len(shown.lstrip("w"))


class Seen(Enum):
    """What becomes of letters that may begin a run."""

    NOTHING = 0
    OPEN = 1  # some run begins with all of them


class Run(NamedTuple):
    """So many words of a prompt: how many letters their last unit has, and how many there are up to the next
    run."""

    last: int
    step: int
    length: int


class Prompts:
    """An exchange's prompts as runs are made of them."""

    __slots__ = ("units", "views")

    def __init__(self, prompts: Sequence[str], view: View, units: Units) -> None:
        """Raises PromptTooLong."""
        if sum(map(len, prompts)) > PROMPT_CHARS_MAX:
            raise PromptTooLong(f"prompts of more than {PROMPT_CHARS_MAX} characters")
        self.views = [_units(view.of(prompt), units) for prompt in prompts]
        self.units = sum(len(found) for found, _ in self.views)


class PromptIndex:
    """The runs of `words` words of some prompts. Immutable."""

    __slots__ = ("_lasts", "_numbers", "_steps", "_texts", "begun", "longest", "words")

    def __init__(self, prompts: Prompts, words: int) -> None:
        stride = max(1, -(-prompts.units * words // RUN_WORDS_MAX))
        texts: list[str] = []
        self._lasts: list[int] = []
        self._steps: list[int] = []
        for found, parts in prompts.views:
            more, lasts, steps = _runs(found, parts, words, stride)
            texts += more
            self._lasts += lasts
            self._steps += steps
        numbers = dict(zip(texts, range(len(texts)), strict=True))
        texts = sorted(numbers)
        if any(map(str.startswith, texts[1:], texts)):
            texts = _shortest(texts)
        self._texts = texts
        self._numbers = list(map(numbers.__getitem__, texts))
        self.begun = frozenset(map(itemgetter(slice(BEGUN_LETTERS)), texts))
        self.longest = max(map(len, texts), default=0)
        self.words = len(texts) * words  # in all runs together, as the bounds count them

    def __len__(self) -> int:
        return len(self._texts)

    def look(self, letters: str) -> Run | Seen:
        """The run that the letters begin with; else whether a run begins with all the letters."""
        texts = self._texts
        at = bisect_right(texts, letters)
        if at and letters.startswith(texts[at - 1]):
            number, length = self._numbers[at - 1], len(texts[at - 1])
            return Run(self._lasts[number], min(self._steps[number], length), length)
        return Seen.OPEN if at < len(texts) and texts[at].startswith(letters) else Seen.NOTHING


def _shortest(texts: list[str]) -> list[str]:
    """Of sorted texts those with which no other begins: of two runs that begin alike the longer says nothing new,
    and would hide the shorter from a search."""
    kept: list[str] = []
    for text in texts:
        if not kept or not text.startswith(kept[-1]):
            kept.append(text)
    return kept


def _units(shown: str, units: Units) -> tuple[list[str], list[int] | None]:
    """The units of a text; and what each counts, where not all are words."""
    if shown.isascii():
        return _ASCII_WORD.findall(shown), None
    found = [shown[start:end] for start, end in units.of(shown)]
    parts = [units.parts(unit[0]) for unit in found]
    return found, None if min(parts, default=_PARTS_OF_A_WORD) == _PARTS_OF_A_WORD else parts


def _runs(
    found: list[str], parts: list[int] | None, words: int, stride: int
) -> tuple[list[str], list[int], list[int]]:
    """The runs' letters, the lengths of their last units, and the ways to the next runs."""
    letters = "".join(found)
    lengths = list(map(len, found))
    at = [0, *accumulate(lengths)]
    whole = len(found) * _PARTS_OF_A_WORD if parts is None else sum(parts)
    if whole < words * _PARTS_OF_A_WORD:
        short = whole < WHOLE_PROMPT_WORDS_MIN * _PARTS_OF_A_WORD
        return ([], [], []) if short else ([letters], [lengths[-1]], [len(letters)])
    begins = at[::stride]
    nexts = zip_longest(begins, at[stride::stride], fillvalue=len(letters))
    steps = [after - begin for begin, after in nexts]
    if parts is None:
        ends, lasts = at[words::stride], lengths[words - 1 :: stride]
    else:
        behind = _ends(parts, words, stride)
        ends, lasts = [at[end] for end in behind], [lengths[end - 1] for end in behind]
    texts = [letters[begin:end] for begin, end in zip(begins, ends, strict=False)]
    return texts, lasts[: len(texts)], steps[: len(texts)]


def _ends(parts: list[int], words: int, stride: int) -> list[int]:
    """For each unit that begins a run, behind which unit it ends."""
    sums = [0, *accumulate(parts)]
    ends: list[int] = []
    for first in range(0, len(parts), stride):
        end = bisect_left(sums, sums[first] + words * _PARTS_OF_A_WORD, first + 1)
        if end == len(sums):
            break
        ends.append(end)
    return ends
