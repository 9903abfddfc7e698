"""The personal-data rules: what Presidio's recognizers find (`recognize`), settled (`settle`), in a growing text.

Held is the text after the last cut: a word, or a run of numbers, or SEGMENT_CHARS_MAX characters; there the text
is judged as if it had ended, and a finding that touches the place is `cut`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.detect.base import Context, InlineScan, Progress
from proxy.detect.cuts import CONTEXT_CHARS
from proxy.detect.entities import NER_ENTITIES, PATTERN_ENTITIES
from proxy.detect.normalise import Reader, View, folded
from proxy.detect.presidio import Recognizer, Result, load_recognizers
from proxy.detect.recognize import Recognizers
from proxy.detect.settle import settle
from proxy.errors import GuardrailError
from proxy.model.finding import Match

__all__ = ["NER_ENTITIES", "PATTERN_ENTITIES", "PiiBank", "PiiEntry", "PiiError"]

SEGMENT_CHARS_MAX: Final = 1024
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
        self._view = folded()
        self._engine = _Engine(entities, recognizers or load_recognizers())
        self._wanted = tuple((entry.rule, entry.entities, entry.min_score) for entry in entries)

    def open(self, context: Context) -> _PiiScan:
        return _PiiScan(self._view, self._engine, self._wanted)


class _Engine:
    """Recognizing, then settling."""

    __slots__ = ("_recognizers", "cuts")

    def __init__(self, entities: Sequence[str], recognizers: Mapping[str, Recognizer]) -> None:
        self._recognizers = Recognizers(entities, recognizers)
        self.cuts = self._recognizers.cuts

    def analyze(self, text: str) -> Sequence[Result]:
        """What is found in a text that begins and ends at cuts."""
        results = self._recognizers.find(text)
        return settle(text, results, self._recognizers) if results else results


class _PiiScan(InlineScan):
    """One text. Offsets are those of the folded view until a match is reported."""

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
        matches: list[Match] = []
        for result in self._engine.analyze(reader.text[begin - reader.base : cut - reader.base]):
            start, end = result.start + begin, result.end + begin
            first, last = reader.raw_start(start), reader.raw_end(end)
            touches = bound >= 0 and end == cut
            for rule, entities, least in self._wanted:
                if result.entity_type in entities and result.score >= least:
                    last = min(last, bound) if touches else last
                    matches.append(Match(rule, result.entity_type, result.score, first, last, touches))
        matches.sort(key=lambda match: (match.start, -match.end, match.rule, match.label))
        return matches
