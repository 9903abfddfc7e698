"""Made-up hours of traffic, and what they look like to whoever reads the alerts of the shipped tripwires.

`ordinary` has forty callers and some 16 exchanges a minute, one in a hundred of them blocked whatever happens. In
a `noisy night` two to six a minute come from six to fifteen callers, two to five in a hundred are blocked, and now
and then two in a row are. An `attacker` makes another two to eight a minute from one name, of which 60 to 95 % are
blocked; of a `broken` model's replies 25 to 70 % are, whoever asks. What each seed has of that is drawn.
"""

from __future__ import annotations

import argparse
import logging
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Final, Literal, get_args

import structlog

from benchmarks.watch import Unheard
from proxy.model.observation import Observation
from proxy.policy.reading import read_folder
from proxy.policy.schema import read
from proxy.respond.attribution import looks
from proxy.shipped import shipped_rules
from proxy.watch.watch import Watch
from proxy.watch.wire import Turned

Kind = Literal["ordinary", "noisy night", "attacker", "broken"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
RIGHT: Final = {
    "ordinary": "nothing",
    "noisy night": "nothing",
    "attacker": "attack",
    "broken": "broken_model",
}
START: Final = 1_800_057_600.0
HOUR_S: Final = 3600.0
BEGINS_S: Final = 1200.0
"""When it goes wrong."""
LOOK_S: Final = 5.0
ATTACKER: Final = "user:mallory"
SHIPPED: Final = read(read_folder(shipped_rules())).tripwires


def traffic(kind: Kind, seed: int) -> Iterator[Observation]:
    """The exchanges of one hour."""
    rng = random.Random(f"{kind}-{seed}")
    now, wrong, night = 0.0, BEGINS_S, kind == "noisy night"
    broken, tries, caught = rng.uniform(0.25, 0.7), rng.uniform(2, 8), rng.uniform(0.6, 0.95)
    per_minute = rng.uniform(2, 6) if night else 16.0
    callers = rng.randint(6, 15) if night else 40
    share = rng.uniform(0.02, 0.05) if night else 0.01
    row, probes = 0, 0.0
    while now < HOUR_S:
        now += rng.expovariate(per_minute / 60)
        row = 2 if night and rng.random() < 0.005 else max(row - 1, 0)
        blocked = rng.random() < share or row > 0
        blocked = blocked or (kind == "broken" and now >= wrong and rng.random() < broken)
        yield one(START + now, f"user:u{int(rng.paretovariate(0.7)) % callers}", blocked, rng)
        if kind == "attacker" and now >= wrong:
            probes += tries / per_minute
            while probes >= 1:
                probes -= 1
                yield one(START + now, ATTACKER, rng.random() < caught, rng)


def one(at: float, caller: str, blocked: bool, rng: random.Random) -> Observation:
    values = {
        "blocked_rate": float(blocked),
        "flagged_rate": float(blocked),
        "secret_rate": float(rng.random() < 0.002),
        "error_rate": float(rng.random() < 0.01),
        "unscanned_rate": 0.0,
        "latency_s": rng.expovariate(1.0),
    }
    return Observation(
        at, f"x{at:.3f}", "bot", frozenset(("bot",)), "v1", "bot", "bot", "shop", caller, values
    )


def fired(kind: Kind, seed: int) -> list[Turned]:
    """What fires in that hour."""
    watch = Watch(Unheard())
    watch.take((), SHIPPED, START)
    coming, turned = traffic(kind, seed), list[Turned]()
    following = next(coming, None)
    for n in range(1, int(HOUR_S / LOOK_S) + 1):
        now = START + n * LOOK_S
        while following is not None and following.at <= now:
            watch.observe(following)
            following = next(coming, None)
        turned += [one for many in watch.look(now) for one in many if one.fires]
    return turned


def told(alarms: list[Turned]) -> str:
    """What an hour looks like to whoever reads its alerts."""
    kinds = {looks(one).like for one in alarms}
    if "broken_model" in kinds:
        return "broken_model"
    return "nothing" if not kinds else "attack" if kinds == {"attack"} else "unclear"


def run(seed: int) -> list[tuple[Kind, str]]:
    """What each kind of hour looks like with that seed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return [(kind, told(fired(kind, seed))) for kind in KINDS]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.jobs) as pool:
        seeds = range(asked.first, asked.first + asked.runs)
        found = Counter(one for many in pool.map(run, seeds) for one in many)
    print("| hour | told right | else |")
    print("| --- | --- | --- |")
    for kind in KINDS:
        right = found[kind, RIGHT[kind]]
        other = [
            f"{n} {like}" for (of, like), n in sorted(found.items()) if of == kind and like != RIGHT[kind]
        ]
        print(f"| {kind} | {right} of {asked.runs}: {RIGHT[kind]} | {', '.join(other)} |")


if __name__ == "__main__":
    main()
