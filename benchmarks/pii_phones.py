"""Phone numbers of many countries, drawn from a seed."""

from __future__ import annotations

import random
import re
import string
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


_REGIONS: Final = re.findall(
    "..", "USUSUSCAGBGBGBDEDEFRFRESITNLBECHATSENODKFIPLPTIEAUNZININBRMXJPKRCNSGZAILTR"
)


def phone(rng: random.Random) -> str:
    """A number valid in some country, with digits drawn anew, in national or international form."""
    region = rng.choice(_REGIONS)
    kind = rng.choice([PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE])
    example = phonenumbers.example_number_for_type(region, kind)
    assert example is not None
    while True:
        national = str(example.national_number)
        keep = rng.randint(3, 5)
        number = phonenumbers.PhoneNumber(
            country_code=example.country_code,
            national_number=int(national[:keep] + digits(rng, len(national) - keep)),
            italian_leading_zero=example.italian_leading_zero,
        )
        if phonenumbers.is_valid_number(number):
            break
    form = rng.choice(
        [
            PhoneNumberFormat.INTERNATIONAL,
            PhoneNumberFormat.INTERNATIONAL,
            PhoneNumberFormat.NATIONAL,
            PhoneNumberFormat.NATIONAL,
            PhoneNumberFormat.E164,
        ]
    )
    text = phonenumbers.format_number(number, form)
    return rng.choice(
        [text, text, text.replace(" ", "-"), text.replace(" ", ".") if "(" not in text else text]
    )


def fiction(rng: random.Random) -> str:
    """A number of a range kept for stories, as examples and made-up records have them."""
    area, line = rng.choice([212, 415, 555, 617, 303]), f"01{digits(rng, 2)}"
    return rng.choice(
        [
            f"({area}) 555-{line}",
            f"{area}-555-{line}",
            f"+1 {area} 555 {line}",
            f"{area}.555.{line}",
            f"+1-{area}-555-{line}",
            f"1-800-555-{line}",
            f"555-{line}",
            f"07700 900{digits(rng, 3)}",
            f"020 7946 0{digits(rng, 3)}",
            f"+44 7700 900{digits(rng, 3)}",
            f"(555) {rng.randint(200, 999)}-{digits(rng, 4)}",
            f"555-{rng.randint(200, 999)}-{digits(rng, 4)}",
            f"+1 (555) {rng.randint(200, 999)}-{digits(rng, 4)} x{rng.randint(10, 999)}",
        ]
    )
