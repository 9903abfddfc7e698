"""Presidio's phone recognizer with the same findings at a fraction of the cost.

It walks `phonenumbers`' matcher over the text once per region, and each walk parses every number-like run, some
60 µs each; nearly all of it is spent on numbers that are valid nowhere. Here one walk serves all regions: they
part only where a number is valid in some of them and not in others. A candidate is held against one RE2 set,
built from the metadata that `phonenumbers` itself judges by: per region, an optional country code and national
prefix, then a national number of some type. Only regions whose pattern fits are asked, and those that parse
alike are asked once. The patterns are wider than the judgement, never narrower; what they do not describe (a plus
sign, an international prefix, an extension) is always asked about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol, cast

import phonenumbers
from phonenumbers import phonenumbermatcher, phonenumberutil

from proxy.detect.base import Steps, at_once
from proxy.detect.numbering import Plan, possible
from proxy.detect.regexes import RegexSet

PHONES_KEPT_MAX: Final = 8
"""Finders that are kept; each is some 30 ms to make, and 1 MB."""

_SIGNS: Final = re.compile(r"\D+")
_PLAIN: Final = frozenset("0123456789-/ ()[].")  # of folded text; anything else may be an extension or a plus

# The matcher's own parts, so that candidates are exactly its candidates. The differential test watches them.
_CANDIDATE: Final = phonenumbermatcher._PATTERN
_INNER: Final = phonenumbermatcher._INNER_MATCHES
_BRACKETS: Final = phonenumbermatcher._MATCHING_BRACKETS
_PAGES: Final = phonenumbermatcher._PUB_PAGES
_DATES: Final = phonenumbermatcher._SLASH_SEPARATED_DATES
_STAMP: Final = phonenumbermatcher._TIME_STAMPS
_STAMP_GOES_ON: Final = phonenumbermatcher._TIME_STAMPS_SUFFIX
_LEAD: Final = phonenumbermatcher._LEAD_PATTERN
_SECOND_NUMBER: Final = phonenumberutil._SECOND_NUMBER_START_PATTERN
_UNWANTED_END: Final = phonenumberutil._UNWANTED_END_CHAR_PATTERN


@dataclass(slots=True)
class PhoneResult:
    """One number, as Presidio's RecognizerResult."""

    start: int
    end: int
    score: float
    entity_type: str = "PHONE_NUMBER"


class PhoneRecognizer(Protocol):
    """Presidio's PhoneRecognizer, as far as it is used here."""

    SCORE: float
    supported_regions: Sequence[str]
    leniency: int


class Phones:
    """Finds the numbers of some regions, for folded text. A set of regions is an integer, a bit for each."""

    __slots__ = ("_all", "_leniency", "_matcher", "_plans", "_regions", "_score", "_set")

    def __init__(self, regions: Sequence[str], leniency: int, score: float) -> None:
        self._regions = tuple(regions)
        self._all = (1 << len(self._regions)) - 1
        self._leniency = leniency
        self._score = score
        self._matcher = phonenumbers.PhoneNumberMatcher("", None, leniency=leniency)
        plain = leniency == phonenumbers.Leniency.VALID
        self._plans = tuple(Plan(region) if plain else None for region in self._regions)
        self._set = RegexSet(possible(region) for region in self._regions)

    def find(self, text: str) -> list[PhoneResult]:
        """The numbers of a text by start, none within another."""
        return at_once(self.steps(text))

    def steps(self, text: str) -> Steps[list[PhoneResult]]:
        """As `find`; each candidate that is tried weighs 1."""
        spans = yield from self._spans(text)
        results: list[PhoneResult] = []
        reach = 0
        for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            if end > reach:
                reach = end
                results.append(PhoneResult(start, end, self._score))
        return results

    def _spans(self, text: str) -> Steps[set[tuple[int, int]]]:
        """What the walks of all regions find."""
        spans: set[tuple[int, int]] = set()
        reading = _Reading(text)
        walks = {0: self._all}  # where the regions' walks stand
        while walks:
            index = min(walks)
            regions = walks.pop(index)
            found = _CANDIDATE.search(text, index)
            if found is None:
                continue
            start = found.start()
            candidate = _trimmed(_SECOND_NUMBER, found.group())
            end = start + len(candidate)
            # Digits and plain signs that are a number of some region as they stand: what the other regions find
            # lies within, and none of their walks comes out at another place.
            plain = end == found.end() and _PLAIN.issuperset(candidate)
            matches = yield from self._matches(reading, candidate, start, regions, whole=plain)
            for begin, until, valid in matches:
                spans.add((begin, until))
                regions &= ~valid
                walks[until] = walks.get(until, 0) | valid
            if regions:
                walks[end] = walks.get(end, 0) | regions
        return spans

    def _matches(
        self, reading: _Reading, candidate: str, start: int, regions: int, *, whole: bool
    ) -> Steps[list[tuple[int, int, int]]]:
        """As PhoneNumberMatcher's _extract_match and _extract_inner_match: ranges, each with the regions whose
        walk it ends at this candidate. With `whole`, the candidate ends the walks of all if of any."""
        matches: list[tuple[int, int, int]] = []
        if _DATES.search(candidate):
            return matches
        if _STAMP.search(candidate) and _STAMP_GOES_ON.match(reading.text, start + len(candidate)):
            return matches
        yield 1
        valid = self._valid(reading, candidate, start, regions, one=whole)
        if valid:
            matches.append((start, start + len(candidate), regions if whole else valid))
            if whole:
                return matches
            regions &= ~valid
        for inner in _INNER:
            found = inner.search(candidate)
            first = True
            while found and regions:
                groups = [(found.group(1), found.start(1))]
                if first:
                    groups.insert(0, (candidate[: found.start()], 0))
                    first = False
                for group, at in groups:
                    yield 1
                    part = _trimmed(_UNWANTED_END, group)
                    valid = self._valid(reading, part, start + at, regions)
                    if valid:
                        matches.append((start + at, start + at + len(part), valid))
                        regions &= ~valid
                found = inner.search(candidate, found.start() + 1)
            if not regions:
                break
        return matches

    def _valid(self, reading: _Reading, candidate: str, at: int, regions: int, *, one: bool = False) -> int:
        """Those of the regions in which it is valid, as PhoneNumberMatcher's _parse_and_verify; with `one`, the
        first."""
        judged = reading.judged.get(candidate)
        if judged is None:
            judged = reading.judged[candidate] = self._fresh(candidate)
        if not judged.fits & regions:
            return 0
        text, end = reading.text, at + len(candidate)
        if self._leniency >= phonenumbers.Leniency.VALID:
            if at > 0 and not _LEAD.match(candidate) and self._touches(text[at - 1]):
                return 0
            if end < len(text) and self._touches(text[end]):
                return 0
        todo = judged.fits & regions & ~judged.tested
        if todo and judged.abroad:
            # The number says itself where it belongs.
            judged.tested = self._all
            judged.valid = self._all if self._parsed(candidate, self._regions[0]) else 0
            todo = 0
        if not (one and judged.valid & regions):
            for index in range(len(self._regions)):
                if todo >> index & 1:
                    judged.tested |= 1 << index
                    if self._in_region(reading, candidate, judged.digits, index):
                        judged.valid |= 1 << index
                        if one:
                            break
        return judged.valid & regions

    def _fresh(self, candidate: str) -> _Judged:
        """What can be said of a candidate without asking: in which regions it may be valid."""
        if not _BRACKETS.fullmatch(candidate) or _PAGES.search(candidate):
            return _Judged("", 0)
        if not _PLAIN.issuperset(candidate):
            return _Judged("", self._all, abroad=candidate.startswith("+") and _has_country(candidate))
        digits = _SIGNS.sub("", candidate)
        return _Judged(digits, sum(1 << index for index in self._set.hits(digits)))

    def _touches(self, char: str) -> bool:
        """Whether a number that has this character beside it is none: a Latin letter, a currency's sign."""
        if char.isascii():
            return char.isalpha() or char in "%$"
        matcher = self._matcher
        return matcher._is_invalid_punctuation_symbol(char) or matcher._is_latin_letter(char)

    def _in_region(self, reading: _Reading, candidate: str, digits: str, index: int) -> bool:
        plan = self._plans[index]
        national = plan.national(digits) if plan is not None and digits else None
        if plan is None or national is None:
            return self._parsed(candidate, self._regions[index])
        number, prefixed = national
        if not prefixed and plan.needs_prefix(number):
            return False
        key = (plan.code, number)
        valid = reading.valid.get(key)
        if valid is None:
            whole = phonenumbers.PhoneNumber(country_code=plan.code, national_number=int(number))
            valid = reading.valid[key] = phonenumbers.is_valid_number(whole)
        return valid

    def _parsed(self, candidate: str, region: str) -> bool:
        try:
            number = phonenumbers.parse(candidate, region, keep_raw_input=True)
        except phonenumbers.NumberParseException:
            return False
        return phonenumbermatcher._verify(self._leniency, number, candidate, self._matcher)


@dataclass(slots=True)
class _Judged:
    """A candidate: the regions in which it may be valid, was tested, is valid. `digits` where it is plain."""

    digits: str
    fits: int
    tested: int = 0
    valid: int = 0
    abroad: bool = False


class _Reading:
    """One text, and what was found out about its candidates."""

    __slots__ = ("judged", "text", "valid")

    def __init__(self, text: str) -> None:
        self.text = text
        self.judged: dict[str, _Judged] = {}
        self.valid: dict[tuple[int, str], bool] = {}  # by country code and national number


def _has_country(candidate: str) -> bool:
    """Whether the digits begin with a country code, so that a plus sign before them says where they belong."""
    digits = "".join(filter(str.isdigit, candidate[:12]))[:3]
    return digits[:1] != "0" and any(
        int(digits[:length] or 0) in phonenumberutil.COUNTRY_CODE_TO_REGION_CODE for length in (1, 2, 3)
    )


def _trimmed(pattern: re.Pattern[str], candidate: str) -> str:
    found = pattern.search(candidate)
    return candidate[: found.start()] if found else candidate


@lru_cache(maxsize=PHONES_KEPT_MAX)
def phones(regions: tuple[str, ...], leniency: int, score: float) -> Phones:
    """The finder for these; one for all who ask, since it keeps nothing of a text."""
    return Phones(regions, leniency, score)


def phones_of(recognizers: Mapping[str, object]) -> Phones:
    """The finder for the phone recognizer among Presidio's."""
    recognizer = cast(PhoneRecognizer, recognizers["PHONE_NUMBER"])
    return phones(tuple(recognizer.supported_regions), recognizer.leniency, recognizer.SCORE)
