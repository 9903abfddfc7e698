"""An hour of made-up traffic from a seed: ordinary, a noisy night, with somebody who attacks, or of a model that
broke."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

from proxy.model.observation import Observation
from tests.watch.support import MIDNIGHT, seen

Kind = Literal["ordinary", "noisy night", "attacker", "broken"]

HOUR_S = 3600.0
BEGINS_S = 1200.0
"""When it goes wrong."""


def traffic(kind: Kind, seed: int) -> Iterator[Observation]:
    """Forty callers, about 16 exchanges a minute; one in a hundred is blocked whatever happens. The attacker makes
    another three a minute, most of them blocked; of a broken model's replies 30 to 60 % are. In a noisy night there
    are four a minute of eleven callers, three in a hundred are blocked, and now and then two in a row are."""
    rng = random.Random(f"{kind}-{seed}")
    now, wrong = 0.0, MIDNIGHT + BEGINS_S
    share = rng.uniform(0.3, 0.6)
    night = kind == "noisy night"
    row = 0
    probes = 0.0
    while now < HOUR_S:
        now += rng.expovariate((4 if night else 16) / 60)
        at = MIDNIGHT + now
        row = 2 if night and rng.random() < 0.005 else max(row - 1, 0)
        blocked = rng.random() < (0.03 if night else 0.01) or row > 0
        blocked = blocked or (kind == "broken" and at >= wrong and rng.random() < share)
        yield one(at, f"user:u{int(rng.paretovariate(0.7)) % (11 if night else 40)}", blocked, rng)
        if kind == "attacker" and at >= wrong:
            probes += 3 / 16
            while probes >= 1:
                probes -= 1
                yield one(at, "user:mallory", rng.random() < 0.8, rng)


def one(at: float, caller: str, blocked: bool, rng: random.Random) -> Observation:
    return seen(
        at,
        caller,
        blocked_rate=float(blocked),
        flagged_rate=float(blocked),
        secret_rate=float(rng.random() < 0.002),
        error_rate=float(rng.random() < 0.01),
        unscanned_rate=0.0,
        latency_s=rng.expovariate(1.0),
    )
