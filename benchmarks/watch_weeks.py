"""Made-up weeks of a model's replies: how often tripwires fire in vain, and how soon they notice what is wrong.

Replies come by day three times as often as by night, are longer by day, and shorter at weekends; what one says is
drawn, and all of an hour share a mood of their own. Three weeks teach; in the fourth something begins at a time
that the seed draws. Sigma is the standard deviation around the rhythm of the tripwire's own value, the mean of a
quarter of an hour, which `sigma` measures; of the mean of five minutes it is 45 characters, of one reply 100.
"""

from __future__ import annotations

import argparse
import logging
import math
import random
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean, median, pstdev
from typing import Final, Literal, get_args

import structlog

from benchmarks.watch import Unheard
from proxy import jsonio
from proxy.model.observation import Metric, Observation
from proxy.model.record import Json
from proxy.model.tripwire import Margin, Per, Stat, Tripwire
from proxy.watch.watch import Watch

Kind = Literal[
    "normal", "3 sigma", "3 sigma of five minutes", "drift of 2 sigma a day", "spike of 10 minutes"
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
MONDAY: Final = 1_800_230_400.0
DAY_S: Final = 86_400.0
WEEK_S: Final = 7 * DAY_S
TAUGHT_S: Final = 3 * WEEK_S
LOOK_S: Final = 60.0
SCATTER: Final = 100.0
"""Standard deviation of one reply's length around what is usual at its time."""
MOOD: Final = 10.0
SIGMA: Final = 26.0
"""Of the mean of a quarter of an hour around its rhythm; `sigma` measures it."""
SIGMA_FIVE: Final = 45.0
"""Of the mean of five minutes."""


def learning(sigmas: float, for_s: float = 600.0) -> Tripwire:
    """A tripwire that has learned what is normal."""
    return Tripwire(
        f"{sigmas:g} sigmas over normal", Metric.REPLY_LENGTH, Stat.MEAN, Per.MODEL, 900.0, min_samples=8,
        for_s=for_s, above_baseline=Margin(sigmas, 500), keep_firing_s=1800.0,
    )  # fmt: skip


def fixed(above: float, for_s: float = 600.0) -> Tripwire:
    """One with a limit that somebody wrote down."""
    return Tripwire(
        "over the highest before", Metric.REPLY_LENGTH, Stat.MEAN, Per.MODEL, 900.0, above, min_samples=8,
        for_s=for_s, keep_firing_s=1800.0,
    )  # fmt: skip


def usual(at: float) -> float:
    """What is normal at that time."""
    day = math.sin(2 * math.pi * ((at % DAY_S) / DAY_S - 0.3))
    weekend = int((at - MONDAY) // DAY_S) % 7 >= 5
    return (400 + 120 * day) * (0.85 if weekend else 1.0)


def lift(kind: Kind, at: float, begins: float) -> float:
    """What is added to it where something is wrong."""
    since = at - begins
    match kind:
        case "3 sigma" if since >= 0:
            return 3 * SIGMA
        case "3 sigma of five minutes" if since >= 0:
            return 3 * SIGMA_FIVE
        case "drift of 2 sigma a day" if since >= 0:
            return 2 * SIGMA * since / DAY_S
        case "spike of 10 minutes" if 0 <= since < 600:
            return 12 * SIGMA
    return 0.0


def replies(seed: int) -> Iterator[Observation]:
    """Four weeks of them, while nothing is wrong."""
    rng, at, mood, hour = random.Random(seed), MONDAY, 0.0, -1
    while at < MONDAY + TAUGHT_S + WEEK_S:
        busy = 1 + 0.5 * math.sin(2 * math.pi * ((at % DAY_S) / DAY_S - 0.3))
        at += rng.expovariate(busy / 45)
        if int(at // 3600) != hour:
            hour, mood = int(at // 3600), rng.gauss(0, MOOD)
        yield said(at, rng.gauss(usual(at) + mood, SCATTER), f"user:u{rng.randrange(50)}")


def said(at: float, length: float, caller: str | None) -> Observation:
    """A reply of that length."""
    names = frozenset(("bot",))
    values = {str(Metric.REPLY_LENGTH): length}
    return Observation(at, "x", "bot", names, "v1", "bot", "bot", "shop", caller, values)


@dataclass(frozen=True, slots=True)
class Week:
    """What the fourth week told, by tripwire: what fired before anything was wrong, and how long after it did. Null
    where it did not within the week."""

    false: dict[str, int]
    noticed_s: dict[str, float | None]


def begins_at(seed: int, kind: Kind) -> float:
    """When something begins: in a normal week never."""
    span_s = WEEK_S - 4 * 3600 if kind != "drift of 2 sigma a day" else DAY_S
    return math.inf if kind == "normal" else MONDAY + TAUGHT_S + random.Random(-seed - 1).random() * span_s


def weeks(seed: int, tripwires: tuple[Tripwire, ...]) -> Iterator[tuple[Kind, Week]]:
    """Three weeks are learned from once, and kept as for a restart; from there each kind goes on, a normal week for
    a week, and what is wrong from three hours before it begins until all have noticed."""
    normal = list(replies(seed))
    ends = MONDAY + TAUGHT_S
    taught = watch_of(tripwires, MONDAY)
    drive(taught, (one for one in normal if one.at < ends), MONDAY, ends, 5 * LOOK_S, frozenset())
    windows, learned = stored(taught.as_json(everything=True)), stored(taught.learned_json())
    for kind in KINDS:
        begins = begins_at(seed, kind)
        start = ends if kind == "normal" else max(ends, begins - 3 * 3600)
        watch = watch_of(tripwires, start)
        watch.restore(windows)
        watch.restore_learned(learned)
        wrong = (
            said(one.at, one.values[Metric.REPLY_LENGTH] + lift(kind, one.at, begins), one.caller)
            for one in normal
            if one.at >= start
        )
        enough = frozenset() if kind == "normal" else frozenset(one.id for one in tripwires)
        yield kind, told(drive(watch, wrong, start, ends + WEEK_S, LOOK_S, enough), begins, tripwires)


def told(fired: list[tuple[str, float]], begins: float, tripwires: tuple[Tripwire, ...]) -> Week:
    """What fired, before it began and after."""
    false = {one.id: sum(id == one.id and at < begins for id, at in fired) for one in tripwires}
    after = {one.id: [at - begins for id, at in fired if id == one.id and at >= begins] for one in tripwires}
    return Week(false, {id: min(times, default=None) for id, times in after.items()})


def watch_of(tripwires: tuple[Tripwire, ...], now: float) -> Watch:
    watch = Watch(Unheard())
    watch.take((), tripwires, now)
    return watch


def drive(
    watch: Watch,
    replies: Iterable[Observation],
    now: float,
    until: float,
    step_s: float,
    enough: frozenset[str],
) -> list[tuple[str, float]]:
    """A look every so often; what fires, and when. Ends once all of `enough` have fired."""
    fired: list[tuple[str, float]] = []
    coming = iter(replies)
    following = next(coming, None)
    while now < until and not (enough and enough <= {id for id, _ in fired}):
        now += step_s
        while following is not None and following.at <= now:
            watch.observe(following)
            following = next(coming, None)
        turned = (turned for many in watch.look(now) for turned in many)
        fired += [(one.tripwire.id, now) for one in turned if one.fires]
    return fired


def stored(steps: Generator[None, None, dict[str, Json]]) -> Json:
    """What a later process would read."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return jsonio.loads(jsonio.dumps(end.value))


def quarters(seed: int, until: float) -> list[tuple[float, float]]:
    """The mean of each quarter of an hour, and that of what is usual."""
    together: dict[int, list[tuple[float, float]]] = {}
    for one in replies(seed):
        if one.at < until:
            pair = one.values[Metric.REPLY_LENGTH], usual(one.at)
            together.setdefault(int(one.at // 900), []).append(pair)
    return [
        (fmean(length for length, _ in pairs), fmean(normal for _, normal in pairs))
        for pairs in together.values()
        if len(pairs) >= 8
    ]


def sigma(seed: int) -> float:
    """The spread of quarters of an hour around their rhythm."""
    return pstdev(mean - normal for mean, normal in quarters(seed, math.inf))


def highest(seed: int) -> float:
    """What an operator who looks at the weeks before would write down: the highest quarter of an hour in them."""
    return max(mean for mean, _ in quarters(seed, MONDAY + TAUGHT_S))


def wires(seed: int) -> tuple[Tripwire, ...]:
    """Those that are compared."""
    return (learning(2.5), learning(3), learning(5), fixed(highest(seed)))


def table(seeds: Iterable[int]) -> Iterator[str]:
    """For each tripwire and kind: noticed within half an hour, ever, the median time, and false alarms a week."""
    found: dict[tuple[str, Kind], list[tuple[int, float | None]]] = {}
    for seed in seeds:
        for kind, one in weeks(seed, wires(seed)):
            for id, false in one.false.items():
                found.setdefault((id, kind), []).append((false, one.noticed_s[id]))
    yield "| tripwire | what goes wrong | noticed within 30 min | within the week | after, median |"
    yield "| --- | --- | --- | --- | --- |"
    for (id, kind), runs in found.items():
        if kind == "normal":
            yield f"| {id} | nothing | {sum(false for false, _ in runs) / len(runs):.2f} false alarms a week | | |"
            continue
        times = [after for _, after in runs if after is not None]
        soon = sum(after <= 1800 for after in times) / len(runs)
        after = f"{median(times) / 60:.0f} min" if times else "never"
        yield f"| {id} | {kind} | {soon:.0%} | {len(times) / len(runs):.0%} | {after} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(f"sigma of seed {asked.first}: {sigma(asked.first):.1f}")
    for line in table(range(asked.first, asked.first + asked.runs)):
        print(line)


if __name__ == "__main__":
    main()
