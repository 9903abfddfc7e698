"""Presidio's phone recognizer with the same findings at a fraction of the cost.

It asks `phonenumbers` about every number-like run once per region, some 60 µs each, and nearly all of it is spent
on numbers that are valid nowhere. Here a candidate is first held against one RE2 set, built from the metadata
that `phonenumbers` itself judges by: per region, an optional country code and national prefix, then a national
number of some type. Only a region whose pattern fits is asked. The patterns are wider than the judgement, never
narrower; what they do not describe (a plus sign, an international prefix, an extension) is always asked about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

import phonenumbers
from phonenumbers import phonenumberutil

from proxy.detect.patterns import PatternError, RegexSet, compile_regex

_TYPES: Final = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
)
_PLAIN: Final = frozenset("0123456789-/ ()[].")  # of folded text; anything else may be an extension or a plus


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
    """Finds what the given recognizer finds, for folded text."""

    __slots__ = ("_leniency", "_regions", "_score", "_set")

    def __init__(self, recognizer: PhoneRecognizer) -> None:
        self._regions = tuple(recognizer.supported_regions)
        self._leniency = recognizer.leniency
        self._score = recognizer.SCORE
        self._set = RegexSet(_possible(region) for region in self._regions)

    def find(self, text: str) -> list[PhoneResult]:
        """The numbers of a text by start, none within another."""
        fits: dict[str, frozenset[str]] = {}
        spans = {span for region in self._regions for span in self._of_region(text, region, fits)}
        results: list[PhoneResult] = []
        reach = 0
        for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            if end > reach:
                reach = end
                results.append(PhoneResult(start, end, self._score))
        return results

    def _of_region(
        self, text: str, region: str, fits: dict[str, frozenset[str]]
    ) -> Iterator[tuple[int, int]]:
        """As PhoneNumberMatcher; `fits` remembers, for this text, which regions a candidate may be of."""

        def may_be_valid(candidate: str) -> bool:
            regions = fits.get(candidate)
            if regions is None:
                regions = fits[candidate] = self._fitting(candidate)
            return region in regions

        matcher = _Matcher(text, region, leniency=self._leniency)
        matcher.may_be_valid = may_be_valid
        for match in matcher:
            yield match.start, match.end

    def _fitting(self, candidate: str) -> frozenset[str]:
        if not _PLAIN.issuperset(candidate):
            return frozenset(self._regions)
        digits = "".join(filter(str.isdigit, candidate))
        return frozenset(self._regions[index] for index in self._set.hits(digits))


class _Asks(Protocol):
    def __call__(self, candidate: str) -> bool: ...


class _Matcher(phonenumbers.PhoneNumberMatcher):
    """The matcher of `phonenumbers`, spared the candidates that cannot be valid."""

    may_be_valid: _Asks

    def _parse_and_verify(self, candidate: str, offset: int) -> phonenumbers.PhoneNumberMatch | None:
        return super()._parse_and_verify(candidate, offset) if self.may_be_valid(candidate) else None


def _possible(region: str) -> str:
    """An RE2 pattern that the digits of every number valid for that region fit, from first to last."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    code = phonenumberutil.country_code_for_region(region)
    if metadata is None:
        return ""
    national: dict[str, None] = {}
    # A number is judged by the region that it belongs to, among all that share the country code.
    for other in phonenumberutil.COUNTRY_CODE_TO_REGION_CODE[code]:
        of_other = phonenumbers.PhoneMetadata.metadata_for_region(other)
        for kind in _TYPES:
            description = getattr(of_other, kind)
            if description is not None and description.national_number_pattern:
                national[description.national_number_pattern] = None
    prefix = metadata.national_prefix_for_parsing or metadata.national_prefix or ""
    if metadata.national_prefix_transform_rule:
        prefix = r"\d{0,5}"
    pattern = (
        # The prefix may be taken off twice: after a country code, and from what is left.
        rf"^(?:(?:{code})?(?:{prefix}){{0,2}}(?:{'|'.join(national)})|(?:{metadata.international_prefix})\d+)$"
    )
    try:
        compile_regex(pattern)
    except PatternError:
        return ""  # fits anything: more is asked, nothing missed
    return pattern


def phones_of(recognizers: Mapping[str, object]) -> Phones:
    """The finder for the phone recognizer among Presidio's."""
    return Phones(cast(PhoneRecognizer, recognizers["PHONE_NUMBER"]))
