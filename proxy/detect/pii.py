"""Personal data by Presidio's pattern recognizers, at the speed of a prefilter.

One RE2 set over all patterns says whether any recognizer could find anything; only such a recognizer runs,
and only on the neighbourhood of what the set saw. Neighbourhoods end at *cuts*: places after a blank that no
match spans. What a recognizer finds between two cuts is what it finds there in the whole text, so the
findings equal those of Presidio's AnalyzerEngine with its NoOpNlpEngine on the same (folded) text, up to
`settle`, which drops phone numbers that are none. Held is the text after the last cut: a word, or a run of
numbers, or SEGMENT_CHARS_MAX characters; there the text is judged as if it had ended, and a finding that
touches the place is `cut`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.detect.base import Context, InlineScan, Progress
from proxy.detect.cuts import CONTEXT_CHARS, cut_before, neighbourhoods
from proxy.detect.normalise import Reader, View, folded
from proxy.detect.patterns import Regex, RegexSet, compile_regex
from proxy.detect.phone import phones_of
from proxy.detect.presidio import NER_ENTITIES, PATTERN_ENTITIES, Recognizer, Result, load_recognizers
from proxy.detect.url import Urls
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


# What may stand between the digits of a phone number (phonenumbers' _VALID_PUNCTUATION, folded).
_BETWEEN: Final = r"\-xX/ ()\[\].~⁓∼"
_TELLTALE: Final = re.compile(r"[0-9@.:\-]")
"""No recognizer finds anything without one of these. (A UUID has its version's digit.)"""
_GLANCE_CHARS: Final = 64  # a text so short is looked at for them first: a word of prose needs no more


def _prefilters(entity: str, recognizer: Recognizer) -> Iterator[str]:
    """RE2 patterns that occur wherever the recognizer can find anything."""
    if entity == "PHONE_NUMBER":
        # The shortest valid numbers of its regions: four digits from 164 to 169 in Germany, else five.
        gap = f"[{_BETWEEN}]{{0,4}}"
        yield rf"\d(?:{gap}\d){{4}}"
        yield rf"1{gap}6{gap}[4-9]{gap}\d"
    elif entity == "URL":
        yield r"(?i)[a-zıİ0-9.\-]\.[a-zıİ]{2}"
    elif entity == "EMAIL_ADDRESS":
        yield r"[^\s@]@[^\s@.]+\.[^\s@]"
    else:
        for pattern in recognizer.patterns:
            yield f"(?is){_widened(pattern.regex)}"


def _widened(pattern: str) -> str:
    """An RE2 pattern that occurs wherever the given one does: assertions dropped, a back-reference any
    character."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith(("(?!", "(?=", "(?<!", "(?<="), at):
            at = _group_end(pattern, at)
        elif pattern.startswith(r"\b", at):
            at += 2
        elif pattern.startswith(r"\1", at):
            out.append(".")
            at += 2
        elif pattern[at] == "\\":
            out.append(pattern[at : at + 2])
            at += 2
        else:
            out.append(pattern[at])
            at += 1
    # Where case is folded, Presidio's engine takes both of Turkish's other letters i for one.
    return "".join(out).replace("A-Z", "A-Zıİ").replace("a-z", "a-zıİ")


def _group_end(pattern: str, at: int) -> int:
    depth = 0
    while True:
        char = pattern[at]
        at += 2 if char == "\\" else 1
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return at


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
    """The recognizers of some entities behind their prefilter."""

    __slots__ = ("_owners", "_phones", "_recognizers", "_regexes", "_set", "_urls")

    def __init__(self, entities: Sequence[str], recognizers: Mapping[str, Recognizer]) -> None:
        patterns = [(entity, one) for entity in entities for one in _prefilters(entity, recognizers[entity])]
        self._recognizers = recognizers
        self._urls = Urls(recognizers["URL"].patterns)
        self._phones = phones_of(recognizers)
        self._owners = [entity for entity, _ in patterns]
        self._regexes: list[Regex] = [compile_regex(pattern) for _, pattern in patterns]
        self._set = RegexSet(pattern for _, pattern in patterns)

    def analyze(self, text: str) -> list[Result]:
        """What Presidio finds in a text that begins and ends at cuts."""
        if len(text) < _GLANCE_CHARS and not _TELLTALE.search(text):
            return []
        near: dict[str, list[tuple[int, int]]] = {}
        for index in self._set.hits(text):
            ranges = near.setdefault(self._owners[index], [])
            ranges.extend(found.span() for found in self._regexes[index].finditer(text))
        results: list[Result] = []
        for entity, ranges in near.items():
            for start, end in neighbourhoods(text, ranges):
                results.extend(self._run(entity, text[start:end], start))
        return results

    def _run(self, entity: str, text: str, offset: int) -> Sequence[Result]:
        results: Sequence[Result]
        if entity == "PHONE_NUMBER":
            results = self._phones.find(text)
            if results:
                results = settle(text, results, self._recognizers)
        elif entity == "URL":
            results = self._urls.find(text)
        else:
            results = self._recognizers[entity].analyze(text, [entity])
        for result in results:
            result.start += offset
            result.end += offset
        return results


_DECIMAL: Final = re.compile(r"(?<![\w.+/-])(?:0|[1-9]\d*)\.\d+(?![\w/-]|\.\d)")
_NO_PHONE: Final = ("DATE_TIME", "IP_ADDRESS", "UUID", "MAC_ADDRESS")
PHONE_DIGITS_MIN: Final = 7
"""A shorter number reaches nobody but in the village where it is local; years and amounts look like it."""


def settle(text: str, phones: Sequence[Result], recognizers: Mapping[str, Recognizer]) -> Sequence[Result]:
    """The phone numbers that are none of: a date or time stamp, an IP or MAC address, a UUID, a decimal
    fraction, a number too short. (Presidio reports those too; its other entities stand as they are.)"""
    others = [
        (other.start, other.end)
        for entity in _NO_PHONE
        for other in recognizers[entity].analyze(text, [entity])
        if other.score >= 0.5
    ]
    others.extend(decimal.span() for decimal in _DECIMAL.finditer(text))
    return [
        phone
        for phone in phones
        if sum(map(str.isdigit, text[phone.start : phone.end])) >= PHONE_DIGITS_MIN
        and not any(start < phone.end and phone.start < end for start, end in others)
    ]


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
            cut = cut_before(reader.text, most - reader.base, self._cut - reader.base) + reader.base
            forced = cut <= self._cut
            cut = most if forced else cut
            if cut <= self._cut:
                break
            matches.extend(self._judge(cut, bound if forced else -1))
        if final:
            matches.extend(self._judge(reader.end, -1))
            return Progress(tuple(matches), reader.length)
        cut = cut_before(reader.text, reader.end - reader.base, self._cut - reader.base) + reader.base
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
