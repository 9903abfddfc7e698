"""From what Presidio reports to what is personal data: findings that something else explains are dropped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from proxy.detect.presidio import Result
from proxy.detect.recognize import Recognizers

PHONE_DIGITS_MIN: Final = 7
"""A shorter number reaches nobody but in the village where it is local; years and amounts look like it."""

_DECIMAL: Final = re.compile(r"(?<![\w.+/-])(?:0|[1-9]\d*)\.\d+(?![\w/-]|\.\d)")
_NO_PHONE: Final = ("DATE_TIME", "IP_ADDRESS", "UUID", "MAC_ADDRESS")


def settle(text: str, results: Sequence[Result], recognizers: Recognizers) -> list[Result]:
    """The findings less the phone numbers that are none: a date or time stamp, an IP or MAC address, a UUID, a
    decimal fraction, a number too short."""
    phones = [(one.start, one.end) for one in results if one.entity_type == "PHONE_NUMBER"]
    if not phones:
        return list(results)
    others: list[tuple[int, int]] = []
    for begin, until in recognizers.cuts.neighbourhoods(text, phones):
        near = text[begin:until]
        for entity in _NO_PHONE:
            others.extend(
                (begin + one.start, begin + one.end)
                for one in recognizers.of(entity, near)
                if one.score >= 0.5
            )
        others.extend((begin + one.start(), begin + one.end()) for one in _DECIMAL.finditer(near))
    return [
        one
        for one in results
        if one.entity_type != "PHONE_NUMBER"
        or (
            sum(map(str.isdigit, text[one.start : one.end])) >= PHONE_DIGITS_MIN
            and not any(start < one.end and one.start < end for start, end in others)
        )
    ]
