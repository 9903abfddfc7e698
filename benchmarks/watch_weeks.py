"""Made-up weeks of a model's replies: how often tripwires fire in vain, and how soon they notice what is wrong.

Replies come by day three times as often as by night, are longer by day, and shorter at weekends; what one says is
drawn, and two in a hundred decline. With `--mood 10` all replies of an hour are longer or shorter together, by 10
characters in the standard deviation: four tenths of a sigma, which no mean over half an hour evens out. Three weeks
teach; in the fourth something begins at a time that the seed draws. Sigma is what the tripwires have learned of
that hour, as `tripwires show` tells it: of the mean of five minutes, or of the share that declines. `known` is the
shipped tripwire told by somebody who knows the truth instead of learning it: what it misses is chance.
"""

from __future__ import annotations

import argparse
import logging
import math
import random
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from statistics import fmean, median
from typing import Final, Literal, get_args

import structlog

from benchmarks.watch import Unheard
from proxy import jsonio
from proxy.model.observation import Metric, Observation
from proxy.model.record import Json
from proxy.model.tripwire import Margin, Per, Stat, Tripwire
from proxy.policy.reading import read_folder
from proxy.policy.schema import read
from proxy.shipped import shipped_rules
from proxy.watch.baseline import Baseline, Expected
from proxy.watch.watch import Watch

Kind = Literal[
    "normal",
    "3 sigma",
    "3 sigma more decline",
    "drift of 2 sigma a day",
    "spike of 10 minutes",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
MONDAY: Final = 1_800_230_400.0
DAY_S: Final = 86_400.0
WEEK_S: Final = 7 * DAY_S
TAUGHT_S: Final = 3 * WEEK_S
LOOK_S: Final = 60.0
NOTICED_S_MAX: Final = 2 * DAY_S
"""For so long it is waited for that something is noticed."""
EVERY_S: Final = 15.0
"""Between two replies, over the week."""
SCATTER: Final = 100.0
"""Standard deviation of one reply's length around what is usual at its time."""
DECLINES: Final = 0.02
SHIPPED: Final = tuple(one for one in read(read_folder(shipped_rules())).tripwires if one.learns)
"""Those of the shipped rules that compare with what is normal."""
LENGTH: Final = next(one for one in SHIPPED if one.metric is Metric.REPLY_LENGTH)
KNOWN: Final = replace(LENGTH, id="known")


SINGLY: Final = Tripwire(
    "2.5 sigmas over normal", Metric.REPLY_LENGTH, Stat.MEAN, Per.MODEL, 900.0, min_samples=8, for_s=600.0,
    above_baseline=Margin(2.5, 500), keep_firing_s=1800.0,
)  # fmt: skip
"""Has learned what is normal, and looks at each window by itself."""


def usual(at: float) -> float:
    """What is normal at that time."""
    weekend = int((at - MONDAY) // DAY_S) % 7 >= 5
    return (400 + 120 * day(at)) * (0.85 if weekend else 1.0)


def day(at: float) -> float:
    """From -1 in the night to 1 by day."""
    return math.sin(2 * math.pi * ((at % DAY_S) / DAY_S - 0.3))


def replies(seed: int, every_s: float = EVERY_S, moods: float = 0.0) -> Iterator[Observation]:
    """Four weeks of them, while nothing is wrong; `moods` is how much those of an hour have in common."""
    rng, at, mood, hour = random.Random(seed), MONDAY, 0.0, -1
    while at < MONDAY + TAUGHT_S + WEEK_S:
        at += rng.expovariate((1 + 0.5 * day(at)) / every_s)
        if int(at // 3600) != hour:
            hour, mood = int(at // 3600), rng.gauss(0, moods)
        length = rng.gauss(usual(at) + mood, SCATTER)
        yield said(at, length, float(rng.random() < DECLINES), f"user:u{rng.randrange(50)}")


def said(at: float, length: float, declines: float, caller: str | None) -> Observation:
    """A reply of that length, or one that declines."""
    names = frozenset(("bot",))
    values = {str(Metric.REPLY_LENGTH): length, str(Metric.REFUSAL_RATE): declines}
    return Observation(at, "x", "bot", names, "v1", "bot", "bot", "shop", caller, values)


class Truth(Baseline):
    """What one who knows how replies are made holds for normal: of windows of five minutes."""

    __slots__ = ("_each",)

    def __init__(self, every_s: float, moods: float) -> None:
        super().__init__(share=False)
        self.samples = 1_000_000
        self._each = every_s, moods

    def learn(self, now: float, value: float, samples: int) -> None:
        """Nothing: it knows."""

    def expected(self, now: float) -> Expected:
        every_s, moods = self._each
        samples = KNOWN.window_s / every_s * (1 + 0.5 * day(now))
        spread = math.sqrt(SCATTER**2 / samples + moods**2)
        middle = usual(now - KNOWN.window_s / 2)
        return Expected(middle, spread, samples, 1_000_000, "hour", share=False)


@dataclass(frozen=True, slots=True)
class Wrong:
    """What goes wrong, from when on. Sigma in characters."""

    kind: Kind
    begins: float
    sigma: float
    declines: float  # the share that declines, of those that would not

    def made(self, replies: Iterable[Observation], seed: int) -> Iterator[Observation]:
        """What becomes of these."""
        rng = random.Random(f"wrong-{seed}")
        for one in replies:
            declines = one.values[Metric.REFUSAL_RATE]
            if self.kind == "3 sigma more decline" and one.at >= self.begins and rng.random() < self.declines:
                declines = 1.0
            length = one.values[Metric.REPLY_LENGTH] + self._lift(one.at - self.begins)
            yield said(one.at, length, declines, one.caller)

    def _lift(self, since_s: float) -> float:
        if since_s < 0:
            return 0.0
        match self.kind:
            case "3 sigma":
                return 3 * self.sigma
            case "drift of 2 sigma a day":
                return 2 * self.sigma * since_s / DAY_S
            case "spike of 10 minutes":
                return 8 * self.sigma if since_s < 600 else 0.0
        return 0.0


def wrong(seed: int, kind: Kind, taught: Watch) -> Wrong:
    """What goes wrong with that seed, in the measure of what was learned; in a normal week nothing ever."""
    span_s = WEEK_S - 4 * 3600 if kind != "drift of 2 sigma a day" else DAY_S
    begins = MONDAY + TAUGHT_S + random.Random(-seed - 1).random() * span_s
    known = {
        one.tripwire.id: one.limits.expected
        for one in taught.standings(begins)
        if one.limits.expected is not None
    }
    length, declines = known.get(LENGTH.id), known.get("model-refuses-more")
    sigma = length.spread if length is not None else 0.0
    share = declines.limit(3, declines.samples) if declines is not None else 0.0
    begins = math.inf if kind == "normal" else begins
    return Wrong(kind, begins, sigma, share)


@dataclass(frozen=True, slots=True)
class Week:
    """What the fourth week told, by tripwire: what fired before anything was wrong, and how long after it did. Null
    where it did not within two days."""

    false: dict[str, int]
    noticed_s: dict[str, float | None]


def weeks(
    seed: int,
    tripwires: tuple[Tripwire, ...],
    every_s: float = EVERY_S,
    kinds: Iterable[Kind] = KINDS,
    moods: float = 0.0,
) -> Iterator[tuple[Kind, Week]]:
    """Three weeks are learned from once, and kept as for a restart; from there each kind goes on, a normal week for
    a week, and what is wrong from three hours before it begins until all have noticed."""
    normal = list(replies(seed, every_s, moods))
    ends = MONDAY + TAUGHT_S
    taught = watch_of(tripwires, MONDAY)
    drive(taught, (one for one in normal if one.at < ends), MONDAY, ends, 5 * LOOK_S, frozenset())
    windows, learned = stored(taught.as_json(everything=True)), stored(taught.learned_json())
    for kind in kinds:
        fault = wrong(seed, kind, taught)
        start = ends if kind == "normal" else max(ends, fault.begins - 3 * 3600)
        watch = watch_of(tripwires, start)
        watch.restore(windows)
        watch.restore_learned(learned)
        if KNOWN in tripwires:
            wire = next(one for grid in watch._grids for one in grid.wires if one.tripwire is KNOWN)
            wire.normal._baselines["model:bot"] = Truth(every_s, moods)
        coming = fault.made((one for one in normal if one.at >= start), seed)
        about = Metric.REFUSAL_RATE if kind == "3 sigma more decline" else Metric.REPLY_LENGTH
        enough = (
            frozenset(one.id for one in tripwires if one.metric is about) if kind != "normal" else frozenset()
        )
        until = min(ends + WEEK_S, fault.begins + NOTICED_S_MAX)
        yield kind, told(drive(watch, coming, start, until, LOOK_S, enough), fault.begins, tripwires)


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


def highest(seed: int, moods: float) -> float:
    """What an operator who looks at the weeks before would write down: the highest quarter of an hour in them."""
    together: dict[int, list[float]] = {}
    for one in replies(seed, moods=moods):
        if one.at < MONDAY + TAUGHT_S:
            together.setdefault(int(one.at // 900), []).append(one.values[Metric.REPLY_LENGTH])
    return max(fmean(lengths) for lengths in together.values() if len(lengths) >= 8)


def wires(seed: int, moods: float) -> tuple[Tripwire, ...]:
    """Those that are compared."""
    written = replace(SINGLY, id="fixed", above=highest(seed, moods), above_baseline=None)
    return (*SHIPPED, KNOWN, SINGLY, written)


def run(seed: int, moods: float) -> list[tuple[Kind, Week]]:
    """All kinds of weeks of one seed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return list(weeks(seed, wires(seed, moods), moods=moods))


def table(runs: Iterable[list[tuple[Kind, Week]]]) -> Iterator[str]:
    """For each tripwire and kind: noticed within half an hour, ever, the median time, and false alarms a week, with
    how many weeks had two, three and more."""
    found: dict[tuple[str, Kind], list[tuple[int, float | None]]] = defaultdict(list)
    for one in runs:
        for kind, week in one:
            for id, false in week.false.items():
                found[id, kind].append((false, week.noticed_s[id]))
    yield "| tripwire | what goes wrong | noticed within 30 min | within 2 days | after, median |"
    yield "| --- | --- | --- | --- | --- |"
    for (id, kind), many in found.items():
        if kind == "normal":
            alarms = [false for false, _ in many]
            many_in = ", ".join(
                f"{alarms.count(n)} weeks with {n}" for n in range(2, max(alarms) + 1) if n in alarms
            )
            said = f"{fmean(alarms):.2f} false alarms a week; {many_in or 'none with two'}"
            yield f"| {id} | nothing | {said} | | |"
            continue
        times = [after for _, after in many if after is not None]
        soon = sum(after <= 1800 for after in times) / len(many)
        after = f"{median(times) / 60:.0f} min" if times else "never"
        yield f"| {id} | {kind} | {soon:.1%} | {len(times) / len(many):.1%} | {after} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--mood", type=float, default=0.0, help="what replies of an hour have in common")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.jobs) as pool:
        seeds = range(asked.first, asked.first + asked.runs)
        for line in table(pool.map(run, seeds, repeat(asked.mood))):
            print(line)


if __name__ == "__main__":
    main()
