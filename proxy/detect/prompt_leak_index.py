"""The runs of words of an exchange's prompts, sorted, so that a text is compared with all of them at once.

Only letters and digits count, as the skeleton view shows them, run together: with other spacing, line breaks,
case, punctuation, bullets, marks or look-alike letters a run is still the same run. A *unit* is a word, or one
character of a script that parts no words with spaces; there a word is taken to be two characters (Han, kana, Yi)
or four (Thai, Lao, Khmer, Myanmar).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Final

from proxy.detect.normalise import skeleton
from proxy.detect.words import Joining, joining
from proxy.errors import GuardrailError

WHOLE_PROMPT_WORDS_MIN: Final = 6
"""A prompt shorter than a rule's `words` counts as a run of its own from this many words on. "You are a helpful
assistant" has five, and anybody may say so."""

PROMPT_CHARS_MAX: Final = 1 << 20
"""Characters of all an exchange's prompts. More are not compared: the rule's `on_error` decides."""

RUNS_MAX: Final = 32_768
"""Runs kept of an exchange's prompts, some 4 MB. In prompts with more words a run begins at every second word
only, or third, and so on: a leak is then seen up to that many words later."""

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


@dataclass(frozen=True, slots=True)
class Run:
    """So many words of a prompt: how many letters they have, their last unit, and those up to the next run."""

    length: int
    last: int
    step: int


class PromptIndex:
    """The runs of `words` words of some prompts. Immutable."""

    __slots__ = ("_runs", "_texts", "longest")

    def __init__(self, prompts: Sequence[str], words: int, units: Units) -> None:
        """Raises PromptTooLong."""
        if sum(map(len, prompts)) > PROMPT_CHARS_MAX:
            raise PromptTooLong(f"prompts of more than {PROMPT_CHARS_MAX} characters")
        view = skeleton()
        read = [_units(view.of(prompt), units) for prompt in prompts]
        stride = -(-sum(len(shown) for shown, _ in read) // RUNS_MAX) or 1
        found: dict[str, Run] = {}
        for shown, parts in read:
            found.update(_runs(shown, parts, words, stride))
        texts: list[str] = []
        for text in sorted(found):
            # Of two runs that begin alike the longer says nothing new, and would hide the shorter from `look`.
            if not texts or not text.startswith(texts[-1]):
                texts.append(text)
        self._texts = texts
        self._runs = [found[text] for text in texts]
        self.longest = max(map(len, texts), default=0)

    def __len__(self) -> int:
        return len(self._texts)

    def look(self, letters: str) -> Run | Seen:
        """The run that the letters begin with; else whether a run begins with all the letters."""
        texts = self._texts
        at = bisect_right(texts, letters)
        if at and letters.startswith(texts[at - 1]):
            return self._runs[at - 1]
        return Seen.OPEN if at < len(texts) and texts[at].startswith(letters) else Seen.NOTHING


def _units(shown: str, units: Units) -> tuple[list[str], list[int] | None]:
    """The units of a text; and what each counts, where not all are words."""
    found = [shown[start:end] for start, end in units.of(shown)]
    if shown.isascii():
        return found, None
    parts = [units.parts(unit[0]) for unit in found]
    return found, None if min(parts, default=_PARTS_OF_A_WORD) == _PARTS_OF_A_WORD else parts


def _runs(found: list[str], parts: list[int] | None, words: int, stride: int) -> Iterator[tuple[str, Run]]:
    letters = "".join(found)
    at = [0, *accumulate(map(len, found))]
    count = len(found)
    sums = None if parts is None else [0, *accumulate(parts)]
    whole = count * _PARTS_OF_A_WORD if sums is None else sums[-1]
    if whole < words * _PARTS_OF_A_WORD:
        if whole >= WHOLE_PROMPT_WORDS_MIN * _PARTS_OF_A_WORD:
            yield letters, Run(len(letters), len(found[-1]), len(letters))
        return
    end = words
    for first in range(0, count, stride):
        if sums is None:
            end = first + words
            if end > count:
                return
        else:
            if sums[-1] - sums[first] < words * _PARTS_OF_A_WORD:
                return
            end = max(end, first + 1)
            while sums[end] - sums[first] < words * _PARTS_OF_A_WORD:
                end += 1
            while sums[end - 1] - sums[first] >= words * _PARTS_OF_A_WORD:
                end -= 1
        begin, until = at[first], at[end]
        step = at[min(first + stride, end)] - begin
        yield letters[begin:until], Run(until - begin, until - at[end - 1], step)
