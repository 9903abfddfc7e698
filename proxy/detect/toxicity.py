"""Toxicity by the lexical engine: every sentence and the whole text, scored as they grow.

A text's score is the highest of its sentences and its whole. A finding runs from a sentence's first word of
notable weight to its last one, so that harmless prose flows and only what follows a strong word waits for its
sentence to end. Where the sentence crosses a threshold without such a word, the finding is its last word;
where only the whole text crosses, it stands on the last sentence and comes with the text's end.

A sentence ends at `.`, `!`, `?` or `。` before a blank, at a line's end, and at SENTENCE_CHARS_MAX raw
characters: there a word that is not complete goes to the next one. The text is read in its spoken view (case,
look-alikes and invisible characters folded).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.detect.base import Context, InlineScan, Progress
from proxy.detect.lexicon import LexicalModel
from proxy.detect.normalise import Reader, View, spoken
from proxy.model.finding import Match

LABELS: Final = (
    "toxicity",
    "severe_toxicity",
    "obscene",
    "threat",
    "insult",
    "identity_attack",
    "sexual_explicit",
)
"""Detoxify's labels. The lexical engine knows only the first; thresholds for the others are never met by
it."""

LABEL: Final = LABELS[0]

SENTENCE_CHARS_MAX: Final = 1000
"""Raw characters after which a sentence is judged as if it had ended."""

NOTABLE_PULL: Final = 10.0
"""A word that moves its text this far towards toxicity (mean weight × idf) can open a finding: some 560 of
the model's 15,442 words, from "fuck" at 54 down to mild ones; ordinary words stand below 0."""

_MARKS: Final = ".!?。"
_UNIT: Final = re.compile(rf"(\w+)|(\n)|[{_MARKS}]+[\"'”’»)\]]{{0,4}}")
_END: Final = re.compile(rf"\n|[{_MARKS}]+[\"'”’»)\]]{{0,4}}(?=\s)")
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class ToxicityEntry:
    """One rule's thresholds, label → score at or above which it matches, 0 to 1."""

    rule: int
    thresholds: Mapping[str, float]


class ToxicityBank:
    """The toxicity rules, scored once for all of them."""

    detector = "toxicity"
    reads_context = False

    def __init__(self, entries: Sequence[ToxicityEntry], model: LexicalModel) -> None:
        self.rules = frozenset(entry.rule for entry in entries)
        self._view = spoken()
        self._model = model
        self._thresholds = tuple(
            (entry.rule, entry.thresholds[LABEL]) for entry in entries if LABEL in entry.thresholds
        )

    def open(self, context: Context) -> _ToxicityScan:
        return _ToxicityScan(self._view, self._model, self._thresholds)


class _Whole:
    """The running sums of all sentences so far."""

    __slots__ = ("counts", "square", "sums")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.sums: list[float] = []
        self.square = 0.0


class _ToxicityScan(InlineScan):
    """One text. Offsets are those of the spoken view until a match is reported."""

    __slots__ = (
        "_at",
        "_bound",
        "_crossed",
        "_first",
        "_highest",
        "_last",
        "_least_sum",
        "_lowest",
        "_lowest_sum",
        "_matches",
        "_model",
        "_notable",
        "_reader",
        "_start",
        "_tail",
        "_thresholds",
        "_whole",
        "_words",
    )

    def __init__(self, view: View, model: LexicalModel, thresholds: tuple[tuple[int, float], ...]) -> None:
        self._reader = Reader(view)
        self._model = model
        self._thresholds = thresholds
        self._lowest = min((threshold for _, threshold in thresholds), default=math.inf)
        self._lowest_sum = model.least_sum(self._lowest)
        self._least_sum = -math.inf  # below it a sentence is neither a finding nor the highest
        self._crossed: set[int] = set()  # rules that some sentence met
        self._whole = _Whole()
        self._highest = 0.0
        self._matches: list[Match] = []
        self._at = 0  # what stands before here was read
        self._tail: tuple[int, int] | None = (
            None  # raw range to hold: the whole text crosses on this sentence
        )
        self._begin(-1)

    @property
    def scores(self) -> Mapping[str, float]:
        return {LABEL: self._highest}

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        reader = self._reader
        reader.push(piece)
        self._read(final)
        if final:
            self._end_text()
        matches = tuple(self._matches)
        self._matches.clear()
        if final:
            return Progress(matches, reader.length)
        if self._start < 0:
            safe_upto = reader.length if self._tail is None else self._tail[0]
            reader.let_go(self._at)
            return Progress(matches, safe_upto)
        # The word last read stays, though complete: the sentence may end, for want of room, before the next
        # one.
        hold = self._first if self._first >= 0 else self._last[0] if self._last[1] else self._start
        reader.let_go(min(hold, self._at))
        return Progress(matches, reader.raw_start(hold))

    def _begin(self, start: int) -> None:
        """A new sentence at that offset; -1 for none yet."""
        self._start = start
        self._bound = 0 if start < 0 else self._reader.raw_start(start) + SENTENCE_CHARS_MAX  # raw
        self._words: list[str] = []
        self._first = -1  # the first notable word
        self._notable = 0  # where the last notable word ends
        self._last = (0, 0)  # the last word
        if start >= 0:
            self._tail = None

    def _read(self, final: bool) -> None:
        """Take the words and sentence ends that no further character can change."""
        reader, words = self._reader, self._model.words
        text, base, end = reader.text, reader.base, reader.end
        at = self._at
        while True:
            if self._start < 0:
                at = self._read_plain(at)
            unit = _UNIT.search(text, at - base)
            if unit is None:
                break
            start, at = unit.start() + base, unit.end() + base
            word = unit.group(1)
            if word is None:
                at = self._read_mark(unit, at, final)
                if at < 0:
                    self._at = -at - 1
                    return
                continue
            # A word is within the sentence's bound if the character after it is.
            after = reader.raw_start(at) if at < end else reader.length
            if self._start < 0:
                self._begin(start)
            elif after >= self._bound:
                self._close()
                self._begin(start)
            if after < self._bound:
                if at == end and not final:
                    self._at = start
                    return
            else:  # a word without end
                while at > start + 1 and reader.raw_start(at - 1) >= self._bound:
                    at -= 1
                word = text[start - base : at - base]
            self._words.append(word)
            self._last = (start, at)
            known = words.get(word)
            if known is not None and known.pull >= NOTABLE_PULL:
                if self._first < 0:
                    self._first = start
                self._notable = at
            if after >= self._bound:
                self._close()
        self._at = end
        if self._start >= 0 and reader.length >= self._bound:
            self._close()

    def _read_plain(self, at: int) -> int:
        """Take the sentences that stand complete in the text; returns where the last of them ends.

        The same answers as word by word, in one pass over each.
        """
        reader = self._reader
        text, base = reader.text, reader.base
        while reader.in_step and (mark := _END.search(text, at - base)) is not None:
            first = _WORD.search(text, at - base, mark.start())
            if first is not None:
                if mark.end() - first.start() >= SENTENCE_CHARS_MAX:
                    break
                start, end = first.start(), mark.start()
                score = self._add(_WORD.findall(text, start, end))
                if self._needs_range(score):
                    self._report(score, *self._range(start + base, end + base))
            at = mark.end() + base
        return at

    def _range(self, start: int, end: int) -> tuple[int, int]:
        """The raw range of a finding on the sentence with these words, complete and in step."""
        reader, known = self._reader, self._model.words
        words = list(_WORD.finditer(reader.text, start - reader.base, end - reader.base))
        notable = [
            word for word in words if (at := known.get(word.group())) is not None and at.pull >= NOTABLE_PULL
        ]
        first, last = (notable[0], notable[-1]) if notable else (words[-1], words[-1])
        return reader.raw_start(first.start() + reader.base), reader.raw_end(last.end() + reader.base)

    def _read_mark(self, unit: re.Match[str], at: int, final: bool) -> int:
        """Where to read on after a sentence mark or a line's end; where that is not known yet, the complement
        of the place to read again from."""
        text, base = self._reader.text, self._reader.base
        if unit.group(2) is None:
            if unit.end() == len(text):
                if not final:
                    marks = unit.group().rstrip("\"'”’»)]")
                    return -(unit.start() + base + len(marks) - 1) - 1
            elif not text[unit.end()].isspace():
                return at
        if self._start >= 0:
            self._close()
        return at

    def _close(self) -> None:
        """The open sentence has ended: score it, and with it the whole so far."""
        score = self._add(self._words)
        if self._needs_range(score):
            first, last = (self._first, self._notable) if self._first >= 0 else self._last
            reader = self._reader
            self._report(score, reader.raw_start(first), min(reader.raw_end(last), self._bound))
        self._begin(-1)

    def _add(self, words: list[str]) -> float:
        """One more sentence: its score; the whole's sums and the highest score go on."""
        self._tail = None
        known, whole = self._model.words, self._whole
        counts: dict[str, int] = {}
        for word in words:
            if word in known:
                counts[word] = counts.get(word, 0) + 1
        if not counts:
            return 0.0
        sums, square = self._model.sums(counts)
        whole.sums = [a + b for a, b in zip(whole.sums, sums, strict=True)] if whole.sums else sums
        for word, count in counts.items():
            before = whole.counts.get(word, 0)
            whole.counts[word] = before + count
            whole.square += (before + before + count) * count * known[word].square
        if max(sums) < self._least_sum * math.sqrt(square):
            return 0.0  # below every threshold and the highest score so far
        score = self._model.probability(sums, square)
        if score > self._highest:
            self._highest = score
            self._least_sum = self._model.least_sum(min(self._lowest, score))
        return score

    def _needs_range(self, score: float) -> bool:
        """Whether the sentence just added has, or may have at the text's end, a finding on it."""
        return score >= self._lowest or (self._may_cross() and self._total() >= self._lowest)

    def _may_cross(self) -> bool:
        whole = self._whole
        return bool(whole.sums) and max(whole.sums) >= self._lowest_sum * math.sqrt(whole.square)

    def _report(self, score: float, start: int, end: int) -> None:
        for rule, threshold in self._thresholds:
            if score >= threshold:
                self._crossed.add(rule)
                self._matches.append(Match(rule, LABEL, score, start, end))
        total = self._total()
        if any(total >= threshold for rule, threshold in self._thresholds if rule not in self._crossed):
            self._tail = (start, end)

    def _total(self) -> float:
        return self._model.probability(self._whole.sums, self._whole.square) if self._whole.sums else 0.0

    def _end_text(self) -> None:
        if self._start >= 0:
            self._close()
        total = self._total()
        self._highest = max(self._highest, total)
        if self._tail is not None:
            for rule, threshold in self._thresholds:
                if rule not in self._crossed and total >= threshold:
                    self._matches.append(Match(rule, LABEL, total, *self._tail))
