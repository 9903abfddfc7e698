"""Letters for made-up credentials."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Final
from zlib import crc32

from proxy.detect.secret_checks import base62

_RANDOM: Final = Random(20)
_LOWER: Final = "abcdefghijkmnpqrstuvwyz"  # without x: no placeholder by accident
_UPPER: Final = _LOWER.upper()
_DIGITS: Final = "0123456789"


def _any(alphabet: str, count: int) -> str:
    return "".join(_RANDOM.choice(alphabet) for _ in range(count - 3)) + "7" + alphabet[0] + "4"


def mixed(count: int) -> str:
    """Letters and digits."""
    return _any(_LOWER + _UPPER + _DIGITS, count)


def hexes(count: int) -> str:
    return _any(_DIGITS + "abcdef", count)


def small(count: int) -> str:
    return _any(_LOWER + _DIGITS, count)


def large(count: int) -> str:
    return _any(_UPPER + _DIGITS, count)


def uuid() -> str:
    return "-".join(hexes(count) for count in (8, 4, 4, 4, 12))


def checked(prefix: str, body: str) -> str:
    """With the CRC-32 that GitHub and npm put at the end."""
    return prefix + body + base62(crc32(body.encode()))


def jwt(header: object, claims: object) -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (header, claims)
    )
    return ".".join((*parts, mixed(43)))


def block(kind: str, lines: int = 6) -> str:
    body = "\n".join(mixed(64) for _ in range(lines))
    return f"-----BEGIN {kind}-----\n{body}\n{mixed(30)}==\n-----END {kind}-----"
