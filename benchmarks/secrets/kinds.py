"""Credentials of many issuers, made from the formats that the issuers publish.

A template is literal text with fields: `{w36}` is 36 letters and digits, `{h20-40}` 20 to 40 hex digits.
Sources: the issuers' API documentation, GitHub's list of supported secret-scanning patterns, and the facts in the
rules of gitleaks, TruffleHog and detect-secrets. What the detector looks for is no source: this set is to test it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final
from zlib import crc32

import orjson

_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_UPPER: Final = _LOWER.upper()
_DIGITS: Final = "0123456789"
BASE62: Final = _DIGITS + _UPPER + _LOWER
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ALPHABETS: Final[Mapping[str, str]] = {
    "w": BASE62,
    "u": BASE62 + "-_",
    "b": BASE62 + "+/",
    "h": _DIGITS + "abcdef",
    "H": _DIGITS + "ABCDEF",
    "l": _LOWER + _DIGITS,
    "U": _UPPER + _DIGITS,
    "B": _UPPER + "234567",
    "a": _LOWER,
    "A": _LOWER + _UPPER,
    "d": _DIGITS,
    "x": "x",
    "X": "X",
    "e": _BASE58,
}
_FIELD: Final = re.compile(r"\{(\w)(\d+)(?:-(\d+))?\}")

Make = Callable[[Random], str]


def fill(template: str, rng: Random) -> str:
    """The template with random letters in its fields."""

    def field(found: re.Match[str]) -> str:
        least = int(found[2])
        return "".join(rng.choices(_ALPHABETS[found[1]], k=rng.randint(least, int(found[3] or least))))

    return _FIELD.sub(field, template)


_TABLES: Final = orjson.loads((Path(__file__).parent / "kinds.json").read_bytes())
FORMATTED: Final[Mapping[str, str]] = _TABLES["formatted"]
"""Issuer → a template that speaks for itself."""

BY_NAME: Final[Mapping[str, tuple[str, str]]] = _TABLES["named"]
"""Issuer → its name in variables, and a template without a format of its own."""


def _checked(prefix: str) -> Make:
    def make(rng: Random) -> str:
        body = fill("{w30}", rng)
        number, digits = crc32(body.encode()), ""
        for _ in range(6):
            number, digit = divmod(number, 62)
            digits = (_DIGITS + _UPPER + _LOWER)[digit] + digits
        return prefix + body + digits

    return make


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _jwt(rng: Random) -> str:
    header = {"alg": rng.choice(["HS256", "RS256", "ES256"]), "typ": "JWT"}
    claims = {"sub": fill("{d10}", rng), "name": fill("{a8}", rng), "exp": 1893456000}
    return ".".join((_segment(header), _segment(claims), fill("{u43}", rng)))


def _discord(rng: Random) -> str:
    return fill(base64.b64encode(fill("1{d17}", rng).encode()).decode().rstrip("=") + ".{u6}.{u38}", rng)


def _wif(rng: Random) -> str:
    """A Bitcoin key in wallet import format: base 58 with a checksum."""
    raw = b"\x80" + rng.randbytes(32) + b"\x01"
    number = int.from_bytes(raw + sha256(sha256(raw).digest()).digest()[:4], "big")
    out = ""
    while number:
        number, digit = divmod(number, 58)
        out = _BASE58[digit] + out
    return out


MADE: Final[Mapping[str, Make]] = {
    "GitHub classic": _checked("ghp_"),
    "GitHub OAuth": _checked("gho_"),
    "GitHub server": _checked("ghs_"),
    "npm": _checked("npm_"),
    "JWT": _jwt,
    "Discord bot": _discord,
    "Bitcoin WIF": _wif,
}


def formatted() -> Mapping[str, Make]:
    """Every issuer whose credentials speak for themselves."""

    def of(template: str) -> Make:
        return lambda rng: fill(template, rng)

    return {name: of(template) for name, template in FORMATTED.items()} | dict(MADE)


_SIGNS: Final = "!#$%&*+-=?@^_~."
_WORDS: Final = (
    "summer",
    "dragon",
    "monkey",
    "correct",
    "horse",
    "winter",
    "castle",
    "purple",
    "falcon",
    "rocket",
)
_FIGURES: Final = str.maketrans("oe", "03")


def password(rng: Random) -> str:
    """As people and generators make them: never a plain word."""
    word = rng.choice(_WORDS)
    match rng.randrange(6):
        case 0:
            return word.capitalize() + fill("{d4}", rng) + rng.choice("!#$?*@")
        case 1:
            return (
                word.replace("o", "0").replace("e", "3").capitalize() + fill("{d2}", rng) + rng.choice("!&#")
            )
        case 2:
            return "".join(rng.choices(BASE62 + _SIGNS, k=rng.randint(12, 20))).strip(".&-=?") + "a7"
        case 3:
            return "-".join(rng.choice(_WORDS).capitalize() for _ in range(3)) + fill("{d2}", rng)
        case 4:
            return fill("{w10-24}", rng) + "9"
        case _:
            return word + fill("{d3-5}", rng)
