"""The personal-data rules: what Presidio's recognizers find (`recognize`), settled (`settle`), in a growing text.

Held is the text after the last cut: a word, or a run of numbers, or SEGMENT_CHARS_MAX characters; there the text
is judged as if it had ended, and a finding that touches the place is `cut`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.detect.base import Context, InlineScan, Progress
from proxy.detect.cuts import CONTEXT_CHARS, edged
from proxy.detect.entities import NER_ENTITIES, PATTERN_ENTITIES
from proxy.detect.normalise import Reader, View, latin
from proxy.detect.presidio import Recognizer, load_recognizers
from proxy.detect.recognize import Recognizers
from proxy.detect.settle import Settled, Settler, apart
from proxy.detect.shapes import PREFILTERS
from proxy.errors import GuardrailError
from proxy.model.finding import Match

__all__ = ["NER_ENTITIES", "PATTERN_ENTITIES", "PiiBank", "PiiEntry", "PiiError"]

SEGMENT_CHARS_MAX: Final = 768
"""Raw characters that are held for want of a cut."""


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

    def open(self, context: Context) -> _PiiScan:
        return _PiiScan(self._view, self._engine, self._wanted)


class _Engine:
    """Recognizing, then settling."""

    __slots__ = ("_recognizers", "_settler", "cuts")

    def __init__(self, entities: Sequence[str], recognizers: Mapping[str, Recognizer], view: View) -> None:
        also = [one for entity in entities for one in PREFILTERS.get(entity, ())]
        self._recognizers = Recognizers(entities, recognizers, also)
        self._settler = Settler(entities, self._recognizers, recognizers, view)
        self.cuts = self._recognizers.cuts

    def analyze(self, text: str, begin: int) -> Sequence[Settled]:
        """What is found, by start, from the cut at `begin` on; the text before is context, its end is a cut."""
        apart = edged(text)
        results = self._recognizers.find(apart[begin:])
        if results is None:
            return ()
        for result in results:
            result.start += begin
            result.end += begin
        return self._settler.settle(text, apart, begin, results)


class _PiiScan(InlineScan):
    """One text. Offsets are those of the Latin view until a match is reported."""

    __slots__ = ("_cut", "_engine", "_reader", "_wanted")

    def __init__(
        self, view: View, engine: _Engine, wanted: tuple[tuple[int, frozenset[str], float], ...]
    ) -> None:
        self._reader = Reader(view)
        self._engine = engine
        self._wanted = wanted
        self._cut = 0  # what stands before here is done

    @property
    def scores(self) -> Mapping[str, float]:
        return {}

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        reader = self._reader
        reader.push(piece)
        matches: list[Match] = []
        while reader.length > (bound := reader.raw_start(self._cut) + SEGMENT_CHARS_MAX):
            most = self._within(bound)
            cut = (
                self._engine.cuts.before(reader.text, most - reader.base, self._cut - reader.base)
                + reader.base
            )
            forced = cut <= self._cut
            cut = most if forced else cut
            if cut <= self._cut:
                break
            matches.extend(self._judge(cut, bound if forced else -1))
        if final:
            matches.extend(self._judge(reader.end, -1))
            return Progress(tuple(matches), reader.length)
        cut = (
            self._engine.cuts.before(reader.text, reader.end - reader.base, self._cut - reader.base)
            + reader.base
        )
        if cut > self._cut:
            matches.extend(self._judge(cut, -1))
        safe_upto = reader.length if self._cut == reader.end else reader.raw_start(self._cut)
        reader.let_go(self._cut - CONTEXT_CHARS)
        return Progress(tuple(matches), safe_upto)

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

    def _judge(self, cut: int, bound: int) -> list[Match]:
        """The matches between the last cut and this one, by start. `bound` is the raw offset at which the
        text was cut by force, else negative."""
        reader = self._reader
        begin = self._cut
        self._cut = cut
        base = reader.base
        found = self._engine.analyze(reader.text[: cut - base], begin - base)
        matches: list[Match] = []
        for rule, entities, least in self._wanted if found else ():
            for one in apart([one for one in found if one.entity in entities and one.score >= least]):
                start, end = one.start + base, one.end + base
                touches = bound >= 0 and end == cut
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
