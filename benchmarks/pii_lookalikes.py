"""What looks like personal data and is none, drawn from a seed."""

from __future__ import annotations

import random
import string
import uuid
from datetime import UTC, datetime
from typing import Final

from benchmarks.pii_phones import digits
from benchmarks.pii_texts import Draw


def _isbn(rng: random.Random) -> str:
    body = "978" + digits(rng, 9)
    check = -sum(int(digit) * (1, 3)[index % 2] for index, digit in enumerate(body)) % 10
    return rng.choice(
        [
            f"{body}{check}",
            f"{body[:3]}-{body[3]}-{body[4:8]}-{body[8:]}-{check}",
            f"0-{digits(rng, 4)}-{digits(rng, 4)}-{rng.randint(0, 9)}",
        ]
    )


def _stamp(rng: random.Random) -> str:
    at = datetime.fromtimestamp(rng.randint(1_400_000_000, 1_890_000_000), UTC)
    seconds = int(at.timestamp())
    return rng.choice(
        [str(seconds), f"{seconds}{digits(rng, 3)}", f"{at:%Y%m%d%H%M%S}", f"{at:%Y-%m-%d %H:%M:%S}"]
    )


LIKE: Final[dict[str, Draw]] = {
    "version": lambda rng: (
        ".".join(str(rng.randint(0, 30)) for _ in range(rng.choice([2, 3, 3, 4])))
        if rng.random() < 0.7
        else f"10.0.{rng.randint(10000, 22999)}.{rng.randint(100, 3999)}"
    ),
    "decimal": lambda rng: f"{rng.choice([0, rng.randint(1, 999)])}.{digits(rng, rng.randint(2, 14))}",
    "price": lambda rng: rng.choice(
        [
            f"${rng.randint(1, 999)},{digits(rng, 3)}.{digits(rng, 2)}",
            f"{rng.randint(1, 99)}.{digits(rng, 3)},{digits(rng, 2)} EUR",
            f"£{rng.randint(1, 9999)}",
            f"USD {rng.randint(100000, 99999999)}",
        ]
    ),
    "order": lambda rng: rng.choice(
        [
            digits(rng, rng.randint(7, 14)),
            f"{digits(rng, 3)}-{digits(rng, 7)}-{digits(rng, 7)}",
            f"{rng.choice('ABCX')}{rng.choice('OPR')}-{digits(rng, 6)}",
            f"{rng.randint(2019, 2026)}-{digits(rng, 6)}",
            f"{digits(rng, 4)}-{digits(rng, 4)}",
        ]
    ),
    "tracking": lambda rng: rng.choice(
        [
            f"1Z{''.join(rng.choices(string.ascii_uppercase + string.digits, k=6))}{digits(rng, 10)}",
            digits(rng, 12),
            f"9400 1{digits(rng, 3)} {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 2)}",
            f"RR{digits(rng, 9)}DE",
            digits(rng, 20),
        ]
    ),
    "isbn": _isbn,
    "stamp": _stamp,
    "coordinates": lambda rng: (
        f"{rng.uniform(-90, 90):.{rng.randint(4, 6)}f}, {rng.uniform(-180, 180):.{rng.randint(4, 6)}f}"
    ),
    "uuid": lambda rng: str(uuid.UUID(bytes=rng.randbytes(16), version=4)),
    "hash": lambda rng: rng.randbytes(rng.choice([4, 20, 32])).hex(),
    "range": lambda rng: rng.choice(
        [
            f"{rng.randint(1, 400)}-{rng.randint(401, 999)}",
            f"{rng.randint(1900, 1999)}-{rng.randint(2000, 2026)}",
            f"{rng.randint(1, 9)}-{rng.randint(10, 30)}",
        ]
    ),
    "count": lambda rng: rng.choice(
        [
            f"{rng.randint(1, 99)},{digits(rng, 3)},{digits(rng, 3)}",
            str(rng.randint(1000, 99999999)),
            f"{rng.randint(1, 99)} {digits(rng, 3)} {digits(rng, 3)}",
        ]
    ),
    "code": lambda rng: rng.choice(
        [
            str(rng.randint(0, 10**9)),
            f"0x{rng.randbytes(4).hex()}",
            f"{rng.randint(1, 99)}, {rng.randint(100, 9999)}, {rng.randint(1, 99999)}",
            rng.randbytes(3).hex(),
        ]
    ),
    "time": lambda rng: rng.choice(
        [
            f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}",
            f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}.{digits(rng, 3)}",
            f"{rng.randint(1, 12)}.{rng.randint(10, 59)} pm",
        ]
    ),
    "size": lambda rng: rng.choice(
        [
            f"{rng.randint(640, 7680)}x{rng.randint(480, 4320)}",
            f"{rng.randint(1, 999)}.{rng.randint(1, 9)} MiB",
            f"{rng.randint(10**6, 10**10)} bytes",
        ]
    ),
}
"""Kind of look-alike → how it is drawn."""
