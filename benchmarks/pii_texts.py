"""Texts with planted personal data, and texts that only look like it, drawn from a seed.

Two sets of sentences: one to tune on, one held out. Values are drawn anew for each text by the formats' own rules
(check digits included), so that no two seeds share any.
"""

from __future__ import annotations

import hashlib
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.pii_phones import digits, fiction, phone

Draw = Callable[[random.Random], str]


@dataclass(frozen=True, slots=True)
class Planted:
    """A text and the one range in it that is personal data; `entity` is empty for a look-alike."""

    text: str
    entity: str
    start: int = 0
    end: int = 0
    kind: str = ""


def _luhn(body: str) -> str:
    total = 0
    for index, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if index % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def _grouped(text: str, sizes: tuple[int, ...], gap: str) -> str:
    out, at = [], 0
    for size in sizes:
        out.append(text[at : at + size])
        at += size
    return gap.join(part for part in [*out, text[at:]] if part)


_FIRST = [
    "anna",
    "ben",
    "chloe",
    "dmitri",
    "elena",
    "farid",
    "grace",
    "hiro",
    "ines",
    "jonas",
    "kofi",
    "lena",
    "marta",
    "nils",
    "olga",
    "priya",
    "quinn",
    "rosa",
    "sven",
    "tara",
]
_LAST = [
    "adler",
    "brown",
    "costa",
    "dubois",
    "eriksen",
    "fischer",
    "garcia",
    "haddad",
    "ivanov",
    "jensen",
    "khan",
    "lopez",
    "meyer",
    "nowak",
    "okafor",
    "patel",
    "rossi",
]
_HOSTS = [
    "example.com",
    "mail.example.org",
    "corp.example.co.uk",
    "firma.de",
    "posteo.de",
    "uni-x.edu",
    "gmail.com",
    "outlook.fr",
    "acme.io",
    "kanzlei.at",
]


def email(rng: random.Random) -> str:
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    name = rng.choice(
        [
            f"{first}.{last}",
            f"{first}{rng.randint(1, 99)}",
            f"{first[0]}{last}",
            f"{first}_{last}",
            f"{first}+{last}",
            f"{last}-{first}",
        ]
    )
    address = f"{name}@{rng.choice(_HOSTS)}"
    return rng.choice([address, address, address.title(), address.upper()])


def card(rng: random.Random) -> str:
    scheme = rng.choice(["visa", "visa", "mastercard", "master2", "amex", "discover", "diners", "jcb"])
    gap = rng.choice(["", " ", " ", "-"])
    if scheme == "amex":
        return _grouped(_luhn(rng.choice(["34", "37"]) + digits(rng, 12)), (4, 6, 5), gap)
    if scheme == "diners":
        return _grouped(
            _luhn(rng.choice(["36", "38", "300", "305"]).ljust(3, "1") + digits(rng, 10)), (4, 6, 4), gap
        )
    head = {
        "visa": "4",
        "mastercard": f"5{rng.randint(1, 5)}",
        "master2": str(rng.randint(2221, 2720)),
        "discover": "6011",
        "jcb": str(rng.randint(3528, 3589)),
    }[scheme]
    return _grouped(_luhn(head + digits(rng, 15 - len(head))), (4, 4, 4), gap)


def ssn(rng: random.Random) -> str:
    area = rng.choice([one for one in range(1, 900) if one != 666])
    gap = rng.choice("---- .")
    return f"{area:03d}{gap}{rng.randint(1, 99):02d}{gap}{rng.randint(1, 9999):04d}"


def iban(rng: random.Random) -> str:
    country, body = rng.choice(
        [
            ("DE", digits(rng, 18)),
            ("GB", rng.choice(["NWBK", "BARC", "LOYD"]) + digits(rng, 14)),
            ("FR", digits(rng, 20) + "A12"[rng.randint(0, 2)] + digits(rng, 2)),
            ("NL", rng.choice(["ABNA", "INGB"]) + digits(rng, 10)),
            ("ES", digits(rng, 20)),
            ("CH", digits(rng, 17)),
            ("AT", digits(rng, 16)),
            ("BE", digits(rng, 12)),
            ("PL", digits(rng, 24)),
        ]
    )
    number = "".join(str(int(char, 36)) for char in f"{body}{country}00")
    whole = f"{country}{98 - int(number) % 97:02d}{body}"
    return rng.choice([whole, _grouped(whole, (4,) * 8, " "), _grouped(whole, (4,) * 8, " ")])


def nhs(rng: random.Random) -> str:
    while True:
        body = str(rng.randint(4, 7)) + digits(rng, 8)
        check = 11 - sum(int(digit) * (10 - index) for index, digit in enumerate(body)) % 11
        if check != 10:
            return _grouped(f"{body}{check % 11}", (3, 3), rng.choice([" ", " ", "-", ""]))


def itin(rng: random.Random) -> str:
    return f"9{digits(rng, 2)}-{rng.choice([50, 61, 70, 77, 85, 90, 94, 99])}-{digits(rng, 4)}"


def nino(rng: random.Random) -> str:
    body = f"{rng.choice('ABCEGHJKLMPRSTWXY')}{rng.choice('ABCEHJLMPRSTWXY')}"
    gap = rng.choice(["", " "])
    return gap.join([body, digits(rng, 2), digits(rng, 2), digits(rng, 2), rng.choice("ABCD")])


def passport(rng: random.Random) -> str:
    return rng.choice([rng.choice(string.ascii_uppercase) + digits(rng, 8), digits(rng, 9)])


def license_(rng: random.Random) -> str:
    return rng.choice(
        [
            rng.choice(string.ascii_uppercase) + digits(rng, 7),
            rng.choice(string.ascii_uppercase) + digits(rng, 12),
            digits(rng, 8),
        ]
    )


def account(rng: random.Random) -> str:
    return digits(rng, rng.randint(8, 12))


def ip4(rng: random.Random) -> str:
    return ".".join(str(rng.randint(1, 254)) for _ in range(4))


def ip6(rng: random.Random) -> str:
    groups = [f"{rng.randint(1, 65535):x}" for _ in range(8)]
    return rng.choice(
        [
            ":".join(["2001", "db8", *groups[:6]]),
            f"fe80::{groups[0]}:{groups[1]}",
            f"2001:db8:{groups[0]}::{groups[1]}",
            f"2a02:{groups[2]}::1",
        ]
    )


def mac(rng: random.Random) -> str:
    parts = [f"{rng.randint(0, 255):02x}" for _ in range(6)]
    return rng.choice([":".join(parts), "-".join(parts).upper(), ":".join(parts).upper()])


def crypto(rng: random.Random) -> str:
    payload = b"\x00" + rng.randbytes(20)
    whole = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, out = int.from_bytes(whole, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        out = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[rest] + out
    return "1" * (len(whole) - len(whole.lstrip(b"\0"))) + out


def url(rng: random.Random) -> str:
    host = f"{rng.choice(_LAST)}-{rng.choice(_FIRST)}.{rng.choice(['com', 'org', 'de', 'io', 'co.uk'])}"
    return rng.choice(
        [
            f"https://www.{host}/u/{rng.randint(1, 9999)}",
            f"http://{host}/profile?id={rng.randint(1, 999)}",
            f"www.{host}",
            f"https://{host}",
        ]
    )


def date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1940, 2008)
    return rng.choice(
        [
            f"{month:02d}/{day:02d}/{year}",
            f"{year}-{month:02d}-{day:02d}",
            f"{day:02d}.{month:02d}.{year}",
            f"{day}-{month}-{year}",
        ]
    )


VALUES: Final[dict[str, tuple[str, Draw, int]]] = {
    "email": ("EMAIL_ADDRESS", email, 4),
    "phone": ("PHONE_NUMBER", phone, 8),
    "fiction": ("PHONE_NUMBER", fiction, 3),
    "card": ("CREDIT_CARD", card, 4),
    "ssn": ("US_SSN", ssn, 4),
    "iban": ("IBAN_CODE", iban, 3),
    "ip4": ("IP_ADDRESS", ip4, 1),
    "ip6": ("IP_ADDRESS", ip6, 1),
    "mac": ("MAC_ADDRESS", mac, 1),
    "crypto": ("CRYPTO", crypto, 1),
    "nhs": ("UK_NHS", nhs, 1),
    "itin": ("US_ITIN", itin, 1),
    "nino": ("UK_NINO", nino, 1),
    "passport": ("US_PASSPORT", passport, 1),
    "license": ("US_DRIVER_LICENSE", license_, 1),
    "account": ("US_BANK_NUMBER", account, 1),
    "url": ("URL", url, 1),
    "date": ("DATE_TIME", date, 1),
}
"""Kind → the entity, how it is drawn, its weight."""
