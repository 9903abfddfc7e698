"""The personal-data rules: what Presidio's recognizers find (`recognize`), settled (`settle`), in a growing text.

Held is the text after the last cut: a word, or a run of numbers, or SEGMENT_CHARS_MAX characters; there the text
is judged as if it had ended, and a finding that touches the place is `cut`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.detect.base import Context, Progress, SteppedScan, Steps
from proxy.detect.cuts import CONTEXT_CHARS, edged
from proxy.detect.entities import NER_ENTITIES, PATTERN_ENTITIES
from proxy.detect.normalise import Reader, View, latin
from proxy.detect.presidio import Recognizer, Result, load_recognizers
from proxy.detect.recognize import Recognizers
from proxy.detect.settle import Settled, Settler, apart
from proxy.detect.shapes import PREFILTERS
from proxy.errors import GuardrailError
from proxy.model.finding import Match

__all__ = ["NER_ENTITIES", "PATTERN_ENTITIES", "PiiBank", "PiiEntry", "PiiError"]

SEGMENT_CHARS_MAX: Final = 768
"""Raw characters that are held for want of a cut."""

DIGITS_GLANCED_MAX: Final = 1024
"""A long text with more digits is read, not glanced over: one search of it would hold the loop for too long."""
STEP_WEIGHT: Final = 32
"""How much is done in one step, in numbers that are tried: some 20 µs each."""


class PiiError(GuardrailError):
    """An entity that no pattern recognizer finds."""


@dataclass(frozen=True, slots=True)
class PiiEntry:
    """One rule's entities, by Presidio's names, and the least score, 0 to 1, that counts."""

    rule: int
    entities: frozenset[str]
    min_score: float = 0.0


class PiiBank:
    """The personal-data rules. Raises PiiError where an entity is none of PATTERN_ENTITIES."""

    detector = "pii"
    reads_context = False

    def __init__(
        self, entries: Sequence[PiiEntry], recognizers: Mapping[str, Recognizer] | None = None
    ) -> None:
        self.rules = frozenset(entry.rule for entry in entries)
        entities = sorted(frozenset[str]().union(*(entry.entities for entry in entries)))
        for entity in entities:
            if entity not in PATTERN_ENTITIES:
                raise PiiError(f"{entity} has no pattern recognizer")
        self._view = latin()
        self._engine = _Engine(entities, recognizers or load_recognizers(), self._view)
        self._wanted = tuple((entry.rule, entry.entities, entry.min_score) for entry in entries)

    def glance(self, text: str, /) -> Iterable[bool]:
        """See `Glancing`: no recognizer's pattern may occur, wherever the text is cut."""
        shown = Reader(self._view).push(text)
        if len(text) > SEGMENT_CHARS_MAX and not (_few_digits(shown) and self._engine.cut_anywhere(shown)):
            return (False,)
        return (self._engine.begin(shown, 0) is None,)

    def open(self, context: Context) -> _PiiScan:
        return _PiiScan(self._view, self._engine, self._wanted)


def _few_digits(text: str) -> bool:
    """Whether so few that one search of a long text for all patterns is quick: each digit takes it 5 µs."""
    rest = text.encode("ascii", "replace").translate(None, b"0123456789")
    return len(text) - len(rest) <= DIGITS_GLANCED_MAX


class _Engine:
    """Recognizing, then settling."""

    __slots__ = ("_recognizers", "_settler", "cuts")

    def __init__(self, entities: Sequence[str], recognizers: Mapping[str, Recognizer], view: View) -> None:
        also = [one for entity in entities for one in PREFILTERS.get(entity, ())]
        self._recognizers = Recognizers(entities, recognizers, also)
        self._settler = Settler(entities, self._recognizers, recognizers, view)
        self.cuts = self._recognizers.cuts

    @staticmethod
    def cut_anywhere(text: str) -> bool:
        """Whether nothing can be found in a part of the text where nothing can be in the whole. What is looked for
        asks nothing of what stands beside it; what is put in between does, and is none in such a text."""
        return text.isascii() and edged(text) == text

    def begin(self, text: str, begin: int) -> Steps[list[Settled]] | None:
        """What is found, by start, from the cut at `begin` on; the text before is context, its end is a cut. By
        steps; None where nothing can be found."""
        apart = edged(text)
        work = self._recognizers.begin(apart[begin:])
        return self._all(text, apart, begin, work) if work is not None else None

    def _all(self, text: str, apart: str, begin: int, work: Steps[list[Result]]) -> Steps[list[Settled]]:
        results = yield from work
        for result in results:
            result.start += begin
            result.end += begin
        return (yield from self._settler.settle(text, apart, begin, results))


class _PiiScan(SteppedScan):
    """One text. Offsets are those of the Latin view until a match is reported."""

    __slots__ = (
        "_base", "_bound", "_cut", "_engine", "_final", "_looked", "_open", "_reader", "_until", "_wanted", "_work",
    )  # fmt: skip

    def __init__(
        self, view: View, engine: _Engine, wanted: tuple[tuple[int, frozenset[str], float], ...]
    ) -> None:
        self.behind = self.by_steps = False
        self._reader = Reader(view)
        self._engine = engine
        self._wanted = wanted
        self._cut = 0  # what stands before here is done
        self._looked = 0  # there is no further cut before here
        self._open = self._final = False
        # A segment under way: from the last cut to the next one, the raw offset at which it was cut by force, else
        # negative, and where its text begins.
        self._work: Steps[list[Settled]] | None = None
        self._until = self._bound = self._base = 0

    @property
    def scores(self) -> Mapping[str, float]:
        return {}

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        self._reader.push(piece)
        self._open, self._final = True, final
        return self.go_on()

    def go_on(self) -> Progress:
        reader = self._reader
        matches: list[Match] = []
        weight = 0
        self.behind = False
        while (work := self._work or self._next()) is not None:
            try:
                while weight < STEP_WEIGHT or not self.by_steps:
                    weight += next(work)
            except StopIteration as done:
                self._work = None
                matches.extend(self._matches(done.value))
                self._cut = self._until
                continue
            self._work = work
            self.behind = True
            break
        if self._final and not self.behind:
            return Progress(tuple(matches), reader.length)
        safe_upto = reader.length if self._cut == reader.end else reader.raw_start(self._cut)
        reader.let_go(self._cut - CONTEXT_CHARS)
        return Progress(tuple(matches), safe_upto)

    def _next(self) -> Steps[list[Settled]] | None:
        """Begin the next segment in which anything can be found."""
        reader, engine = self._reader, self._engine
        while self._open:
            base = reader.base
            bound = reader.raw_start(self._cut) + SEGMENT_CHARS_MAX
            most = self._within(bound) if reader.length > bound else self._cut
            forced = most > self._cut
            if not forced:
                self._open, most = False, reader.end
            if self._final and not forced:
                cut = most
            else:
                least = max(
                    self._cut, self._looked - 1
                )  # what follows the last character may make a cut of it
                cut = engine.cuts.before(reader.text, most - base, least - base) + base
                self._looked = most
                if cut > least:
                    forced = False
                else:
                    cut = most if forced else self._cut
            if cut > self._cut:
                work = engine.begin(reader.text[: cut - base], self._cut - base)
                if work is not None:
                    self._base, self._until, self._bound = base, cut, bound if forced else -1
                    return work
                self._cut = cut
        return None

    def _within(self, bound: int) -> int:
        """The offset of the first shown character at or after the raw offset `bound`; the end if there is
        none."""
        reader = self._reader
        if reader.in_step:
            return min(reader.end, bound - reader.raw_start(self._cut) + self._cut)
        low, high = self._cut, reader.end
        while low < high:
            middle = (low + high) // 2
            if reader.raw_start(middle) < bound:
                low = middle + 1
            else:
                high = middle
        return low

    def _matches(self, found: Sequence[Settled]) -> list[Match]:
        """What was found in the segment under way, by start."""
        reader, base, bound = self._reader, self._base, self._bound
        matches: list[Match] = []
        for rule, entities, least in self._wanted if found else ():
            for one in apart([one for one in found if one.entity in entities and one.score >= least]):
                start, end = one.start + base, one.end + base
                touches = bound >= 0 and end == self._until
                last = reader.raw_end(end)
                matches.append(
                    Match(
                        rule,
                        one.entity,
                        one.score,
                        reader.raw_start(start),
                        min(last, bound) if touches else last,
                        touches,
                    )
                )
        matches.sort(key=lambda match: (match.start, -match.end, match.rule, match.label))
        return matches
