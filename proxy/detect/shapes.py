"""Personal data that Presidio's recognizers pass over: what is found beside theirs, after parity.

- phone numbers of more countries, and those that only look like one: of ranges that are kept for stories
  (555, 07700 900), or wrong by a digit, where their shape or a word before says what they are;
- cards of Mastercard's second range and of nineteen digits, and cards grouped in other ways;
- social security numbers that were never given out, where a word before says what they are;
- dates with the month's name;
- addresses behind signs that may stand in one, but rarely do (`…?u=bob@example.com`), with `_` around them,
  and with `(at)` or `[at]` for the sign, `[dot]` for the dots.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from types import MappingProxyType
from typing import Final

import phonenumbers

from proxy.detect.base import Steps
from proxy.detect.nearby import Nearby
from proxy.detect.phone import PhoneResult, phones
from proxy.detect.recognize import CHARS_A_STEP

_SHAPE: Final = 0.4  # as Presidio's own phone numbers
_SAID: Final = 0.5

_MORE_REGIONS: Final = frozenset(
    {
        "AE",
        "AR",
        "AT",
        "AU",
        "BE",
        "CH",
        "CL",
        "CN",
        "CO",
        "CZ",
        "DK",
        "ES",
        "FI",
        "GR",
        "HK",
        "HU",
        "IE",
        "IT",
    }
    | {"JP", "KR", "MX", "MY", "NL", "NO", "NZ", "PL", "PT", "RO", "RU", "SE", "SG", "TR", "UA", "ZA"}
)
_PUNCTUATION: Final = "[ ./-]"
_AMERICAN: Final = re.compile(
    r"(?<![\w.+/-])(?:(?:\+?1|001)[ .-]?)?(?:\([2-9]\d\d\) ?-?|[2-9]\d\d[.-])\d{3}[ .-]\d{4}"
    r"(?: ?(?:x|ext\.?) ?\d{1,6})?(?![\w-]|[./]\d)"
)
_BRACKETED: Final = re.compile(
    r"(?<![\w.+/-])(?:\(0\d{1,5}\) ?\d|0\d{2,4}/\d)(?:[ -]?\d){3,8}(?![\w-]|[./]\d)"
)
_PLUS: Final = re.compile(
    rf"(?<![\w+.])\+[1-9](?:{_PUNCTUATION}?\(?\d\)?){{7,14}}(?: ?x\d{{1,6}})?(?![\w-]|[./]\d)"
)
_RUN: Final = re.compile(
    r"(?<![\w+.$€£-])\(?\d(?:[ ./()-]{0,2}\d){5,14}(?: ?(?:x|ext\.?) ?\d{1,6})?(?![\w-]|[./,]\d)"
)
_TRUNK: Final = re.compile(r"\(|0\d*[ -]")
_SSN: Final = re.compile(r"(?<![\w-])\d{3}([ .-])\d{2}\1\d{4}(?![\w-])")
_SSN_WORDS: Final = re.compile(r"\b(?:ssns?|social(?:[ -]security)?|soc\.? ?sec)\b", re.IGNORECASE)
_CARD: Final = re.compile(r"(?<![\w+-])[1-6](?:[ -]?\d){11,18}(?![\w-]|[.]\d)")
# In fours, set apart by a sign that else joins decimals, parts of paths and of names, or by two blanks.
_CARD_OF_FOURS: Final = re.compile(r"(?<![\w+./-])[1-6]\d{3}([._/]|  )\d{4}(?:\1\d{4}){2}(?![\w/-]|[.]\d)")
_GAPS: Final = re.compile(r"[ -]")
_CARD_GROUP_MIN: Final = 3
_IBAN: Final = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}", re.IGNORECASE)
_MONTH: Final = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?)"
)
WRITTEN_DATES: Final = (
    rf"(?i){_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}",
    rf"(?i)\d{{1,2}}(?:st|nd|rd|th)? {_MONTH}\.?,? \d{{4}}",
)
"""RE2 patterns, for they join words that else are apart."""
_DATES: Final = tuple(
    re.compile(rf"\b{pattern.removeprefix('(?i)')}\b", re.IGNORECASE) for pattern in WRITTEN_DATES
)
# Presidio's pattern takes every sign of RFC 5322 into the address; none but these is in use.
_LOCAL_BACKWARDS: Final = re.compile(r"[\w+%-][\w.+%-]{0,63}")
_LOCAL_EDGES: Final = "_.+%-"  # what no local part begins with, where Presidio sees no address
_DOMAIN: Final = re.compile(r"@[^\W_]++(?:-++[^\W_]++)*+(?:\.[^\W_]++(?:-++[^\W_]++)*+)+")
_SPELT: Final = re.compile(
    r"[\[({]at[\])}]([a-z0-9]++(?:-++[a-z0-9]++)*+(?:(?:\.|[\[({]dot[\])}])[a-z0-9]++(?:-++[a-z0-9]++)*+)+)",
    re.IGNORECASE,
)
_SPELT_DOT: Final = re.compile(r"[\[({]dot[\])}]", re.IGNORECASE)
PREFILTERS: Final = {
    "CREDIT_CARD": (r"\d(?:[ -]?\d){11}", r"\d{4}(?:[./<]\d{4}){3}", r"\d{4}(?:  \d{4}){3}"),
    "DATE_TIME": WRITTEN_DATES,
    "EMAIL_ADDRESS": (r"(?i)[\[({]at[\])}]",),
    "IBAN_CODE": (),
    "PHONE_NUMBER": (),  # its own is as wide
    "US_SSN": (),
}
"""Entity → RE2 patterns that occur wherever something is found that its recognizer's own do not cover. They read
EDGE for `_`."""


class Shape(PhoneResult):
    """One finding, as Presidio's RecognizerResult."""


class Shapes:
    """Finds them for some entities, in a text that is read from `begin` on. What stands before is context."""

    __slots__ = ("_is_address", "_nearby", "_phones", "_wanted")

    def __init__(
        self, entities: Collection[str], nearby: Nearby, is_address: Callable[[str], bool | None]
    ) -> None:
        """`is_address` is whether an address's domain ends in a name that is given out."""
        self._is_address = is_address
        self._nearby = nearby
        self._wanted = frozenset(entities) & PREFILTERS.keys()
        self._phones = phones(tuple(sorted(_MORE_REGIONS)), phonenumbers.Leniency.STRICT_GROUPING, _SHAPE)

    def steps(self, text: str, apart: str, begin: int) -> Steps[list[Shape]]:
        """What is found, by steps as those of `recognize`. `apart` is the text as the recognizers read it."""
        part = apart[begin:]
        yield 1 + len(part) // CHARS_A_STEP
        shapes = (yield from self._phone(text, part, begin)) if "PHONE_NUMBER" in self._wanted else []
        if "EMAIL_ADDRESS" in self._wanted:
            addresses = yield from self._addresses(part)
            shapes += (
                Shape(begin + start, begin + until, 1.0, "EMAIL_ADDRESS") for start, until in addresses
            )
        shapes += self._others(text, part, begin)
        return shapes

    def _others(self, text: str, part: str, begin: int) -> Iterator[Shape]:
        if "CREDIT_CARD" in self._wanted:
            for found in _CARD.finditer(part):
                if is_card(found.group()) and min(map(len, _GAPS.split(found.group()))) >= _CARD_GROUP_MIN:
                    yield Shape(begin + found.start(), begin + found.end(), 1.0, "CREDIT_CARD")
            for found in _CARD_OF_FOURS.finditer(part):
                if is_card(found.group()):
                    yield Shape(begin + found.start(), begin + found.end(), 1.0, "CREDIT_CARD")
        if "IBAN_CODE" in self._wanted:
            for found in _IBAN.finditer(part):
                length = iban_length(found.group())
                if length:
                    yield Shape(begin + found.start(), begin + found.start() + length, 1.0, "IBAN_CODE")
        if "US_SSN" in self._wanted:
            for found in _SSN.finditer(part):
                start = begin + found.start()
                if _SSN_WORDS.search(self._nearby.read(text, start, "US_SSN").text):
                    yield Shape(start, begin + found.end(), _SAID, "US_SSN")
        if "DATE_TIME" in self._wanted:
            for pattern in _DATES:
                for found in pattern.finditer(part):
                    yield Shape(begin + found.start(), begin + found.end(), 0.6, "DATE_TIME")

    def _addresses(self, part: str) -> Steps[list[tuple[int, int]]]:
        addresses: list[tuple[int, int]] = []
        found = [(one, one.group()) for one in _DOMAIN.finditer(part)]
        found += [(one, f"@{_SPELT_DOT.sub('.', one[1])}") for one in _SPELT.finditer(part)]
        for one, domain in found:
            yield 1
            at = one.start()
            run = _LOCAL_BACKWARDS.match(part[max(0, at - 64) : at][::-1])
            local = run.group()[::-1].lstrip(_LOCAL_EDGES) if run else ""
            if local and self._is_address(local + domain):
                addresses.append((at - len(local), one.end()))
        return addresses

    def _phone(self, text: str, part: str, begin: int) -> Steps[list[Shape]]:
        shapes = [
            Shape(begin + found.start(), begin + found.end(), _SHAPE)
            for pattern in (_AMERICAN, _BRACKETED)
            for found in pattern.finditer(part)
        ]
        for found in _PLUS.finditer(part):
            yield 1
            if _possible(found.group()):
                shapes.append(Shape(begin + found.start(), begin + found.end(), _SHAPE))
        for found in _RUN.finditer(part):
            yield 1
            start = begin + found.start()
            if self._nearby.read(text, start, "PHONE_NUMBER").phone:
                shapes.append(Shape(start, begin + found.end(), _SAID))
            elif _TRUNK.match(found.group()):
                numbers = yield from self._phones.steps(found.group())
                shapes += (Shape(start + one.start, start + one.end, _SHAPE) for one in numbers)
        return shapes


def _possible(candidate: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(candidate))
    except phonenumbers.NumberParseException:
        return False


_IIN: Final = re.compile(
    r"(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-59]|[689]\d)\d{11}(?:\d{2})?|6(?:011|4[4-9]\d|5\d\d)\d{12,15}|35(?:2[89]|[3-8]\d)\d{12,15}|(?:2131|1800)\d{11}|62\d{14,17}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15})"
)
"""What the schemes give out: Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Maestro."""


def is_card(candidate: str) -> bool:
    """Whether a scheme gives out such numbers, and the check digit holds."""
    digits = "".join(filter(str.isdigit, candidate))
    if not _IIN.fullmatch(digits):
        return False
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) << (index & 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_IBAN_LENGTHS: Final = MappingProxyType(
    {
        country: int(length)
        for country, length in re.findall(
            r"([A-Z]{2})(\d\d)",
            "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28"
            "EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26"
            "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30"
            "NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 SV28 TL23 TN24"
            "TR26 UA29 VA22 VG24 XK20",
        )
    }
)
"""Country → characters of its account numbers, as the IBAN registry lists them (ISO 13616)."""


def iban_length(candidate: str) -> int:
    """Characters of the account number that a text begins with, blanks included; 0 where there is none. Presidio's
    recognizer takes the word after it for part of it."""
    length = _IBAN_LENGTHS.get(candidate[:2].upper(), 0)
    taken = [index for index, char in enumerate(candidate) if char.isalnum()][:length]
    if not length or len(taken) < length or candidate[taken[-1] + 1 : taken[-1] + 2].isalnum():
        return 0
    plain = "".join(candidate[index] for index in taken)
    number = "".join(str(int(char, 36)) for char in plain[4:] + plain[:4])
    return taken[-1] + 1 if int(number) % 97 == 1 else 0
