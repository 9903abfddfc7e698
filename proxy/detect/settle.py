"""From what Presidio reports to what is personal data.

Presidio scores a run of digits by its shape. This step, which comes after parity, adds what it passes over
(`shapes`), reads the words before a finding (`nearby`) and, for numbers, the word after, and drops what something
else explains: an address of the network, a date, a decimal fraction, a version, an order's number.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from proxy.detect.base import Steps
from proxy.detect.cuts import CONTEXT_CHARS, merged
from proxy.detect.nearby import RAISE, RAISED_MIN, Nearby, Said
from proxy.detect.normalise import View
from proxy.detect.presidio import Recognizer, Result
from proxy.detect.recognize import CHARS_A_STEP, Recognizers
from proxy.detect.shapes import Shapes, is_card

PHONE_DIGITS_MIN: Final = 7
"""A shorter number reaches nobody but in the village where it is local; years and amounts look like it."""

_DECIMAL: Final = re.compile(r"(?<![\w.+/])(?<!\d-)-?(?:0|[1-9]\d*)\.\d+(?![\w/-]|\.\d)")
_NO_PHONE: Final = ("DATE_TIME", "IP_ADDRESS", "UUID", "MAC_ADDRESS")
_VERSIONED: Final = re.compile(
    r"(?:\b(?:versions?|releases?|builds?|firmware|revision|rev|upgrade to|update to|v|ver)\W{0,3}|[=~^<>]= ?|@)\Z"
)
_UNIT: Final = re.compile(
    r" ?(?:%|°|€|£|\$|bytes?|[kmgt]i?b|rows?|lines?|people|visitors?|downloads?|times|users?|items?|records?|usd"
    r"|eur|gbp|dollars?|euros?|kg|g|km|m|cm|mm|ms|s|units?|points?|views?|votes?|tokens?|words?|characters?|pixels?|px"
    r"|affected)(?!\w)",
    re.IGNORECASE,
)
_NO_PHONE_BEFORE: Final = re.compile(r"[#=$€£]\Z|\d:\Z")
_YEARS: Final = re.compile(r"(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d")
_NUMBERED: Final = re.compile(r"\b(?:nr|no|num)\W{0,3}\Z|[#№] ?\Z", re.IGNORECASE)
_REMOTE: Final = re.compile(r":[\w~./-]")  # git@github.com:its/path
_REMOTE_USERS: Final = ("git@", "hg@", "svn@")
_NO_CARD_BEFORE: Final = re.compile(r"\+\Z|\d\.\Z")  # abroad; a decimal fraction
_OTHER_SHAPES: Final = tuple(
    re.compile(shape)
    for shape in (
        r"[1-9]\d{0,2}(?: \d{3})+",  # thousands set apart
        r"(?:19|20)\d\d(?:[-/ ]+(?:19|20)\d\d|-\d{4,8})",  # two years; a year and a running number
        r"\d\d? \d\d? (?:19|20)\d\d",  # a date
        r"\d{3}-\d{7}-\d{7}|[1-9]\d{0,3}-\d{4,7}|\d{5}-\d{4}|\d+-\d{5}-\d{5}",  # an order, a post code
        r"(?:97[89][ -]?)?\d{1,5}[ -]\d{1,7}[ -]\d{1,7}[ -][\dX]",  # a book
        r"\d+(?:\.\d+)*\.\d(?:\.\d+)*",  # a version: one figure between dots
        r"\d+x\d+",  # a picture's size
    )
)
_ISBN_END: Final = re.compile(r"[ -]X\b")
_JOINED: Final = re.compile(r"-\d")
_JOINING: Final = re.compile(r"\d-")
_PHONE_SIGNS: Final = re.compile(r"[-()+/]")
_REST_OF_URL: Final = re.compile(r"[a-z0-9][a-z0-9.-]*(?:/[^\s()<>\"']*)?", re.IGNORECASE)
_GROUP_BEFORE: Final = re.compile(r"\d{3}[ -]?\Z")
_DOUBTFUL: Final = 0.3
_LICENSE_CHARS_MIN: Final = 6  # a shorter one is a name of something: H100, A4, B612
_BARE_PHONE: Final = re.compile(r"0\d{8,10}|1?[2-9]\d\d[2-9]\d{6}")


@dataclass(frozen=True, slots=True)
class Settled:
    """A finding that stands. `said` is whether a word before it says what it is."""

    entity: str
    start: int
    end: int
    score: float
    said: bool


class Settler:
    """Settles the findings of some entities."""

    __slots__ = ("_nearby", "_no_phones", "_recognizers", "_shapes")

    def __init__(
        self,
        entities: Collection[str],
        engine: Recognizers,
        recognizers: Mapping[str, Recognizer],
        view: View,
    ) -> None:
        self._recognizers = engine
        self._no_phones = Recognizers(_NO_PHONE, recognizers)
        self._nearby = Nearby({entity: recognizers[entity].context for entity in entities}, view)
        self._shapes = Shapes(entities, self._nearby, recognizers["EMAIL_ADDRESS"].validate_result)

    def settle(self, text: str, apart: str, begin: int, results: Sequence[Result]) -> Steps[list[Settled]]:
        """The findings that stand, by start, of a text that is read from the cut `begin` to its end; what stands
        before is context, and `apart` the text as the recognizers read it. Offsets count from its beginning. By
        steps as those of `recognize`."""
        shapes = yield from self._shapes.steps(text, apart, begin)
        found: list[Result] = [*results, *shapes]
        others = yield from self._others(apart, begin, found)
        phones = sorted((one.start, one.end) for one in found if one.entity_type == "PHONE_NUMBER")
        settled: list[Settled] = []
        for each in found:
            yield 1
            if (stands := self._one(text, each, others, phones)) is not None:
                settled.append(stands)
        settled.sort(key=lambda one: (one.start, -one.end, -one.score))
        reach: dict[str, int] = {}
        kept = []
        for one in settled:  # of one entity, none within another
            if one.end > reach.get(one.entity, 0):
                reach[one.entity] = one.end
                kept.append(one)
        return kept

    def _others(self, text: str, begin: int, found: Sequence[Result]) -> Steps[list[tuple[int, int]]]:
        """What no phone number is, near the phone numbers; by start, none within another."""
        phones = [(one.start - begin, one.end - begin) for one in found if one.entity_type == "PHONE_NUMBER"]
        others: list[tuple[int, int]] = []
        part = text[begin:]
        cuts = self._recognizers.cuts
        areas: list[tuple[int, int]] = []
        for start, end in sorted(phones):
            if not areas or end > areas[-1][1]:
                areas.append(cuts.around(part, start, end))
        for first, until in merged(areas):
            near = part[first:until]
            at = begin + first
            yield 1 + len(near) // CHARS_A_STEP
            work = self._no_phones.begin(near)
            no_phones = (yield from work) if work is not None else ()
            others.extend(
                (at + one.start, at + one.end)
                for one in no_phones
                if one.score >= 0.5 and not _goes_on(near, one.start, one.end)
            )
            others.extend((at + one.start(), at + one.end()) for one in _DECIMAL.finditer(near))
        others.sort(key=lambda one: (one[0], -one[1]))
        return [one for index, one in enumerate(others) if index == 0 or one[1] > others[index - 1][1]]

    def _one(
        self, text: str, one: Result, others: Sequence[tuple[int, int]], phones: Sequence[tuple[int, int]]
    ) -> Settled | None:
        entity, value = one.entity_type, text[one.start : one.end]
        said = self._nearby.read(text, one.start, entity)
        own = said.phone if entity == "PHONE_NUMBER" else said.own
        score = min(1.0, max(one.score + RAISE, RAISED_MIN)) if own else one.score
        match entity:
            case "PHONE_NUMBER" if not _is_phone(text, one, said, others):
                return None
            case "EMAIL_ADDRESS" if value.startswith(_REMOTE_USERS) and _REMOTE.match(text, one.end):
                return None
            case "CREDIT_CARD" if _NO_CARD_BEFORE.search(said.text):
                return None
            case "CREDIT_CARD" if not own and (
                not is_card(value) or said.thing or _GROUP_BEFORE.search(said.text)
            ):
                score = min(score, _DOUBTFUL)
            case "US_SSN" | "US_ITIN" | "UK_NHS" | "MEDICAL_LICENSE" if not own and (
                said.thing or _within_number(text, one)
            ):
                return None
            case "MEDICAL_LICENSE" if _word_beside(text, one.start, one.end):
                return None
            case "US_DRIVER_LICENSE" if len(value) < _LICENSE_CHARS_MIN:
                return None
            case "UK_NHS" if not own and (
                said.thing or said.phone or value.isdigit() or any(_over(one, phones))
            ):
                score = min(score, _DOUBTFUL)
            case "IP_ADDRESS" | "DATE_TIME":
                dotted = ":" not in value and "." in value
                if dotted and (_goes_on(text, one.start, one.end) or _VERSIONED.search(said.text)):
                    return None
                if entity == "IP_ADDRESS" and not any(map(str.isdigit, value)):
                    return None  # code::path
        # A name of a domain may be longer than the one that Presidio knows: .bi is, .biz is not.
        rest = _REST_OF_URL.match(text, one.end) if entity == "URL" else None
        return Settled(entity, one.start, rest.end() if rest else one.end, score, own)


def _over(one: Result, others: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Those of the ranges, which come by start, that overlap the finding."""
    for start, end in others[bisect_left(others, (one.start - CONTEXT_CHARS, 0)) :]:
        if start >= one.end:
            break
        if end > one.start:
            yield start, end


def _is_phone(text: str, one: Result, said: Said, others: Sequence[tuple[int, int]]) -> bool:
    value = text[one.start : one.end]
    if sum(map(str.isdigit, value)) < PHONE_DIGITS_MIN:
        return False
    if value.startswith("+"):
        return True
    for start, end in _over(one, others):
        if not (said.phone and one.start <= start and end - start < len(value)):
            return False
    if _YEARS.fullmatch(value):
        return False
    if said.phone:
        return True
    if said.thing or _UNIT.match(text, one.end) or _NO_PHONE_BEFORE.search(said.text):
        return False
    bare = value.strip("()[] ")
    if bare.isdigit():
        return not _NUMBERED.search(said.text) and _BARE_PHONE.fullmatch(bare) is not None
    if " " in value and _GROUP_BEFORE.search(said.text) and not _PHONE_SIGNS.search(value):
        return False  # the end of a longer number
    return not any(shape.fullmatch(value) for shape in _OTHER_SHAPES) and not _ISBN_END.match(text, one.end)


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether dotted figures go on before or behind: a version of more parts."""
    return (
        re.match(r"\.\d", text[end : end + 2]) is not None
        or re.search(r"(?:\d\.|\+)\Z", text[max(0, start - 2) : start]) is not None
    )


def _within_number(text: str, one: Result) -> bool:
    """Whether figures go on beside it, joined by a hyphen."""
    return (
        _JOINED.match(text, one.end) is not None
        or _JOINING.search(text, max(0, one.start - 2), one.start) is not None
    )


def _word_beside(text: str, start: int, end: int) -> bool:
    return text[max(0, start - 1) : start].isalnum() or text[end : end + 1].isalnum()


def apart(found: Sequence[Settled]) -> Iterator[Settled]:
    """The findings, which come by start, with those that overlap made one: the better one's entity and score over
    the range of all. Better is what a word before says, then the higher score, then the longer one."""
    group: Settled | None = None
    for one in found:
        if group is None or one.start >= group.end:
            if group is not None:
                yield group
            group = one
        else:
            better = max(group, one, key=lambda each: (each.said, each.score, each.end - each.start))
            group = replace(better, start=group.start, end=max(group.end, one.end))
    if group is not None:
        yield group
