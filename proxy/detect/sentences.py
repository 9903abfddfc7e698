"""A growing text cut into sentences, for what scores a sentence at a time.

A sentence ends at `.`, `!` or `?` (and closing quotes) before a blank, at `。`, at a line's end, and at
SENTENCE_CHARS_MAX raw characters: there at the last clause's end, else at the last blank, else where it is.
A full stop after an initial or a title ends none: "Dr. J. Smith" is one name. Where the cuts fall hangs on the
text alone, not on its pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.detect.normalise import Reader

SENTENCE_CHARS_MAX: Final = 1000
"""Raw characters after which a sentence is judged as if it had ended."""

_END: Final = re.compile(r"\n|[.!?]+[\"'”’»)\]]{0,4}(?=\s)|。(?=[\s\S])")
_ABBREVIATED: Final = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|St|Jr|Sr|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Gov|Sen|Rep|vs|No|Mt|Ft)|\b[A-Z])\.\Z"
)
_ABBREVIATED_CHARS: Final = 8  # how far before a full stop it looks
_CLAUSE_END: Final = re.compile(r"[,;:|)}\]](?=\s)")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence without the blanks around it, and where each of its characters stands in the raw text.

    `raw` holds a character's raw start and the raw end of a range that ends with it, None where the text stands
    one for one from raw offset `start` on. `forced`: it was cut by force, within what may be one name.
    """

    text: str
    start: int
    end: int
    raw: tuple[tuple[int, int], ...] | None
    forced: bool

    def raw_range(self, start: int, end: int) -> tuple[int, int]:
        """The raw range of the characters [start, end), at least one."""
        if self.raw is None:
            return self.start + start, self.start + end
        return self.raw[start][0], self.raw[end - 1][1]


class Sentences:
    """Cuts one growing text. Work is linear; held is the open sentence."""

    __slots__ = ("_looked", "_reader", "_start")

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._start = 0  # where the open sentence begins, leading blanks passed over
        self._looked = 0  # no sentence ends before here

    @property
    def open_at(self) -> int:
        """The raw offset from which the text belongs to no finished sentence."""
        reader = self._reader
        return reader.length if self._start == reader.end else reader.raw_start(self._start)

    def push(self, piece: str, *, final: bool) -> Iterator[Sentence]:
        """Take the next characters; gives the sentences that are complete with them."""
        reader = self._reader
        reader.push(piece)
        self._skip_blanks()
        while self._start < reader.end:
            bound = reader.raw_start(self._start) + SENTENCE_CHARS_MAX
            bounded = reader.length >= bound
            most = _before(reader, bound) if bounded else reader.end
            end = self._find_end(most)
            if end >= 0:
                yield self._take(end)
            elif bounded:
                end, parted = self._forced_end(most)
                yield self._take(end, forced=parted, bound=bound)
            else:
                break
        if final and self._start < reader.end:
            yield self._take(reader.end)
        reader.let_go(self._start)

    def _find_end(self, most: int) -> int:
        """Where the open sentence ends by its signs, within the window; -1 for nowhere yet."""
        reader = self._reader
        text, base = reader.text, reader.base
        at = self._looked - base
        while (mark := _END.search(text, at, most - base)) is not None:
            at = mark.end()
            before = text[max(self._start - base, mark.start() - _ABBREVIATED_CHARS) : mark.start() + 1]
            if mark.group() != "." or not _ABBREVIATED.search(before):
                return at + base
        # Marks at the window's end may yet be followed by a blank.
        tail = len(text[at : most - base].rstrip(".!?\"'”’»)]"))
        self._looked = max(self._looked, base + at + max(0, tail))
        return -1

    def _forced_end(self, most: int) -> tuple[int, bool]:
        """Where the open sentence is cut for want of an end, and whether that may part a name."""
        reader = self._reader
        base = reader.base
        window = reader.text[self._start - base : most - base]
        clause = max((found.end() for found in _CLAUSE_END.finditer(window)), default=0)
        if clause > len(window) // 2:
            return self._start + clause, False
        blank = max((at for at, char in enumerate(window) if char.isspace()), default=0)
        return self._start + (blank or max(1, len(window))), True

    def _take(self, end: int, *, forced: bool = False, bound: int | None = None) -> Sentence:
        reader = self._reader
        text = reader.text[self._start - reader.base : end - reader.base].rstrip()
        first, last = self._start, self._start + len(text)
        start, stop = reader.raw_start(first), reader.raw_end(last)
        # What the view drops after a bound does not hang on how much of it was read.
        stop = stop if bound is None else min(stop, bound)
        raw = None
        if not reader.in_step:
            raw = tuple(
                (reader.raw_start(at), min(stop, reader.raw_end(at + 1))) for at in range(first, last)
            )
        sentence = Sentence(text, start, stop, raw, forced)
        self._start = self._looked = end
        self._skip_blanks()
        return sentence

    def _skip_blanks(self) -> None:
        reader = self._reader
        at = self._start - reader.base
        while at < len(reader.text) and reader.text[at].isspace():
            at += 1
        self._start = at + reader.base
        self._looked = max(self._looked, self._start)


def _before(reader: Reader, bound: int) -> int:
    """The offset of the first shown character at or after the raw offset `bound`; the end if there is none."""
    low, high = reader.base, reader.end
    while low < high:
        middle = (low + high) // 2
        if reader.raw_start(middle) < bound:
            low = middle + 1
        else:
            high = middle
    return low
