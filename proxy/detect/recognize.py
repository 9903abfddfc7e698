"""What Presidio's AnalyzerEngine finds with its NoOpNlpEngine, at the speed of a prefilter.

One RE2 set over all patterns says whether any recognizer could find anything; only such a recognizer runs, and
only on the neighbourhood of what the set saw. Neighbourhoods end at *cuts*: places that no match spans. What a
recognizer finds between two cuts is what it finds there in the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from proxy.detect.base import Steps, at_once
from proxy.detect.cuts import CONTEXT_CHARS, EDGE, Cuts, merged
from proxy.detect.entities import DEFAULT_ENTITIES
from proxy.detect.matching import Matching, PatternRecognizer
from proxy.detect.phone import phones_of
from proxy.detect.presidio import Recognizer, Result
from proxy.detect.regexes import Regex, RegexSet, compile_regex
from proxy.detect.url import Urls

# What may stand between the digits of a phone number (phonenumbers' _VALID_PUNCTUATION, folded).
_BETWEEN: Final = r"\-xX/ ()\[\].~⁓∼"
_TELLTALE: Final = re.compile(r"[0-9@.:\-\[({]")
"""Nothing is found without one of these. (A UUID has its version's digit; a bracket may stand around `at`.)"""
_GLANCE_CHARS: Final = 64  # a text so short is looked at for them first: a word of prose needs no more
CHARS_A_STEP: Final = 64
"""How much is searched by one pattern while a number is tried in `phone`."""
_ADDRESSES: Final = frozenset({"EMAIL_ADDRESS", "URL"})
_PHONES: Final = frozenset({"PHONE_NUMBER", "ZA_MOBILE_NUMBER", "ZA_TELEPHONE_NUMBER"})
_OWN_WAY: Final = _PHONES | {"IBAN_CODE", "URL"}
"""Their recognizers do more than to match patterns."""


def _prefilters(entity: str, recognizer: Recognizer) -> Iterator[str]:
    """RE2 patterns that occur wherever the recognizer can find anything."""
    if entity in _PHONES:
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
            yield f"(?is){widened(pattern.regex)}"


_AT_EDGE: Final = re.compile(r"(?:\(\?i\))?(?:\\b|\(\?<!\[\\w-\]\))")


def _at_edges(recognizer: Recognizer) -> bool:
    """Whether none of its matches begins in the middle of a word."""
    return all(_AT_EDGE.match(pattern.regex) for pattern in recognizer.patterns)


_PIECE: Final = re.compile(
    r"(?P<behind>\(\?<=)|(?P<ahead>\(\?(?:!|=|<!))|(?P<drop>\\b|\(\?i\))|(?P<back>\\1)|(?P<space>\\s)"
    r"|(?P<other>\\.|.)",
    re.DOTALL,
)


def widened(pattern: str) -> str:
    """An RE2 pattern that occurs wherever the given one does, with what it looks back at: other assertions
    dropped, a back-reference any character."""
    out: list[str] = []
    at, in_class = 0, False
    while at < len(pattern):
        piece = _PIECE.match(pattern, at)
        assert piece is not None
        at = piece.end()
        text = piece.group()
        match piece.lastgroup:
            case "behind":
                out.append("(?:")
            case "ahead":
                at = _group_end(pattern, piece.start())
            case "back":
                out.append(".")
            case "space":  # RE2's own lacks the vertical tab
                out.append(r"\s\x0b" if in_class else r"[\s\x0b]")
            case "other" if text == "[" and not in_class:
                # Where case is folded, Presidio's engine takes both of Turkish's other letters i for one.
                in_class = True
                out.append(
                    "[" if pattern.startswith("^", at) else r"[\-ıİ" if pattern.startswith("-", at) else "[ıİ"
                )
                at += pattern.startswith("-", at)
            case "other" if text == "]" and in_class:
                in_class = False
                out.append(text)
            case "other" if text in "iI" and not in_class:
                out.append("[iıİ]")
            case "other":
                out.append(text)
    return "".join(out)


def _group_end(pattern: str, at: int) -> int:
    depth = 0
    while True:
        char = pattern[at]
        at += 2 if char == "\\" else 1
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return at


class Recognizers:
    """The recognizers of some entities behind their prefilter."""

    __slots__ = ("_by_entity", "_matching", "_owners", "_phones", "_regexes", "_set", "_urls", "cuts")

    def __init__(
        self, entities: Sequence[str], recognizers: Mapping[str, Recognizer], also: Sequence[str] = ()
    ) -> None:
        """`also` are patterns that are looked for beside the recognizers' own, for whoever reads on."""
        patterns = [(entity, one) for entity in entities for one in _prefilters(entity, recognizers[entity])]
        patterns.extend(("", one) for one in also)
        self._by_entity = recognizers
        self._matching = {
            entity: Matching(entity, cast(PatternRecognizer, recognizers[entity]))
            for entity in entities
            if entity not in _OWN_WAY
        }
        self._urls = Urls(recognizers["URL"].patterns)
        self._phones = phones_of(recognizers)
        self._owners = [entity for entity, _ in patterns]
        self._regexes: list[Regex] = [compile_regex(pattern) for _, pattern in patterns]
        self._set = RegexSet(pattern for _, pattern in patterns)
        spanning = [
            (entity, one)
            for entity, one in patterns
            if entity not in DEFAULT_ENTITIES and entity not in _PHONES and (" " in one or r"\s" in one)
        ]
        edged = {entity for entity, _ in spanning if entity and _at_edges(recognizers[entity])}
        self.cuts = Cuts(
            spanning=(one for entity, one in spanning if entity not in edged),
            at_edges=(one for entity, one in spanning if entity in edged),
        )

    def find(self, text: str) -> list[Result] | None:
        """The findings in a text that begins and ends at cuts; those of an entity by start. None where no
        pattern occurs at all."""
        work = self.begin(text)
        return at_once(work) if work is not None else None

    def begin(self, text: str) -> Steps[list[Result]] | None:
        """As `find`, by steps of some 20 µs each."""
        if len(text) < _GLANCE_CHARS and not _TELLTALE.search(text):
            return None
        # In an address `_` is a letter. Beside a number it joins it to a name, as in card_4111.
        apart = text.replace("_", EDGE)
        hits = self._set.hits(apart)
        return self._steps(text, apart, hits) if hits else None

    def _steps(self, text: str, apart: str, hits: Sequence[int]) -> Steps[list[Result]]:
        areas: list[tuple[int, int]] = []
        near: dict[str, dict[tuple[int, int], None]] = {}
        for index in hits:
            if owner := self._owners[index]:
                near.setdefault(owner, {}).update(dict.fromkeys(self._areas(index, text, apart, areas)))
        results: list[Result] = []
        for entity, mine in near.items():
            part = text if entity in _ADDRESSES else apart
            for start, end in merged(mine):
                found = yield from self.of(entity, part[start:end])
                for result in found:
                    result.start += start
                    result.end += start
                    results.append(result)
        return results

    def _areas(
        self, index: int, text: str, apart: str, known: list[tuple[int, int]]
    ) -> Iterator[tuple[int, int]]:
        """The neighbourhoods in which a pattern occurs. `known` are those found for others before."""
        regex, at = self._regexes[index], 0
        while (found := regex.search(apart, at)) is not None:
            start, end = found.span()
            area = next((one for one in known if one[0] <= start and end <= one[1]), None)
            if area is None:
                area = self.cuts.around(text, start, end)
                known.append(area)
            yield area
            at = max(area[1], end)

    def of(self, entity: str, text: str) -> Steps[Sequence[Result]]:
        """What the recognizer of one entity finds in a text."""
        if entity == "PHONE_NUMBER":
            return (yield from self._phones.steps(text))
        yield 1 + len(text) // CHARS_A_STEP
        if entity == "URL":
            return self._urls.find(text)
        matching = self._matching.get(entity)
        results = matching.find(text) if matching else self._by_entity[entity].analyze(text, [entity])
        if entity in DEFAULT_ENTITIES or len(text) <= CONTEXT_CHARS:
            return results
        # A longer run of blanks within a finding is more than a cut can see.
        return [one for one in results if one.end - one.start <= CONTEXT_CHARS]
