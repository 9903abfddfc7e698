"""What is normal, learned over simulated weeks."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import jsonio
from proxy.model.observation import Metric, Observation
from proxy.model.record import Json
from proxy.model.tripwire import Margin, Stat, State
from proxy.watch.baseline import WINDOWS_KEPT, Baseline, Expected
from proxy.watch.normal import GROUPS_MAX, Normal
from proxy.watch.watch import Watch
from tests.watch.support import MIDNIGHT, collected, drive, look, seen, tripwire, watch

HOUR_S, DAY_S, WEEK_S = 3600.0, 86_400.0, 7 * 86_400.0
LENGTH = tripwire(
    metric=Metric.REPLY_LENGTH, stat=Stat.MEAN, above=None, above_baseline=Margin(4, 200),
    below_baseline=Margin(4, 200), for_s=300, keep_firing_s=600,
)  # fmt: skip


def rhythm(now: float) -> float:
    """By day twice what it is by night."""
    return 300 + 100 * math.sin(2 * math.pi * (now % DAY_S) / DAY_S)


def taught(weeks: float, *, share: bool = False, spread: float = 10.0, seed: int = 1) -> Baseline:
    rng, made = random.Random(seed), Baseline(share=share)
    now = MIDNIGHT - weeks * WEEK_S
    while now < MIDNIGHT:
        value = rng.gauss(rhythm(now), spread)
        made.learn(now, value / 1000 if share else value, 50)
        now += 900
    return made


@pytest.mark.parametrize(
    ("weeks", "source", "off", "wide"),
    [(1, "hour", 12, 2.1), (2, "hour", 10, 1.6), (6, "hour", 6, 1.4)],
)
def test_it_comes_to_know_each_hour_of_the_week(weeks: int, source: str, off: float, wide: float) -> None:
    made = taught(weeks)
    for hour in range(0, 24, 3):
        for minute in (0, 20, 59):
            now = MIDNIGHT + hour * HOUR_S + minute * 60
            expected = made.expected(now)
            assert expected is not None
            assert expected.source == source
            assert abs(expected.value - rhythm(now)) < off
            assert 8 < expected.spread < 10 * wide


def test_what_was_wrong_moves_it_little() -> None:
    clean, rng = taught(4), random.Random(2)
    dirty = Baseline(share=False)
    for now in (MIDNIGHT - 4 * WEEK_S + 900 * n for n in range(4 * 672)):
        value = rng.gauss(rhythm(now), 10)
        dirty.learn(now, value * 40 if rng.random() < 0.2 else value, 50)
    for hour in range(24):
        one, other = clean.expected(MIDNIGHT + hour * HOUR_S), dirty.expected(MIDNIGHT + hour * HOUR_S)
        assert one is not None
        assert other is not None
        assert abs(one.value - other.value) < 20
        assert other.spread < 2.5 * one.spread


def test_too_little_is_nothing_and_all_hours_come_before_the_hour() -> None:
    made, sources = Baseline(share=False), []
    for n in range(8 * 96):
        now = MIDNIGHT + n * 900
        expected = made.expected(now)
        sources.append(expected.source if expected is not None else None)
        made.learn(now, rhythm(now), 10)
    # For most of a day it knows too little to tell a rhythm from a fault.
    assert set(sources[: 19 * 4]) == {None}
    assert sources[24 * 4] == "all"
    assert sources[7 * 96 + 1] == "hour"


def test_an_hour_that_was_missed_has_its_neighbours() -> None:
    made = Baseline(share=False)
    for now in (MIDNIGHT - WEEK_S + 900 * n for n in range(672)):
        if not 3 * HOUR_S <= now % DAY_S < 4 * HOUR_S:
            made.learn(now, rhythm(now), 10)
    expected = made.expected(MIDNIGHT + 3 * HOUR_S)
    assert expected is not None
    assert (expected.source, expected.windows) == ("neighbours", 8)


def test_neither_a_slope_within_the_hour_nor_a_step_on_it_is_beyond_what_is_normal() -> None:
    """By day the values rise by a sigma within each hour; at 06:00 they leap by twenty."""
    rng, made = random.Random(3), Baseline(share=False)

    def usual(now: float) -> float:
        hour = now % DAY_S / HOUR_S
        return 300 + (10 * hour if hour < 6 else 260)

    now = MIDNIGHT - 4 * WEEK_S
    while now < MIDNIGHT:
        made.learn(now, rng.gauss(usual(now), 10), 50)
        now += 900
    for minute in range(0, 12 * 60, 5):
        now = MIDNIGHT + minute * 60
        expected = made.expected(now)
        assert expected is not None
        assert expected.source == "hour"
        for side in (1, -1):
            assert expected.beyond(side * 1.5, usual(now), 50) < -0.4, (minute, side)
            assert expected.beyond(side * 1.5, usual(now) + side * 4 * expected.spread, 50) > 1, (
                minute,
                side,
            )


@given(st.floats(0.01, 0.99), st.floats(0.5, 6), st.integers(1, 500), st.booleans())
def test_a_limit_is_just_so_many_deviations_off(value: float, sigmas: float, n: int, share: bool) -> None:
    expected = Expected(0.3, 0.05, 30, 12, "hour", share)
    for side in (1, -1):
        limit = expected.limit(side * sigmas, n)
        if not share or 0 < limit < 1:
            assert expected.beyond(side * sigmas, limit, n) == pytest.approx(0, abs=1e-6)
        if 0 < limit < 1:
            assert (expected.beyond(side * sigmas, value, n) > 1e-9) == (side * (value - limit) > 1e-9) or (
                math.isclose(value, limit, rel_tol=1e-6)
            )


def test_shares_scatter_at_least_as_tosses_do() -> None:
    made = Baseline(share=True)
    for now in (MIDNIGHT - 2 * WEEK_S + 900 * n for n in range(2 * 672)):
        made.learn(now, 0.0, 200)
    expected = made.expected(MIDNIGHT)
    assert expected is not None
    assert expected.value == 0
    # One or two of 200 are no news where there never were any; a few dozen are.
    assert 3 / 200 < expected.limit(4, 200) < 8 / 200
    assert expected.limit(4, 20) > 2 / 20
    assert expected.limit(-4, 200) == 0
    assert expected.limit(30, 3) == 1


@pytest.mark.parametrize("samples", [10, 20, 30, 60, 200])
@pytest.mark.parametrize("share", [0.005, 0.02, 0.1])
def test_the_spread_of_few_values_is_theirs(share: float, samples: int) -> None:
    """Of thirty, two in a hundred are none, one or two: medians of those go by steps, what is learned does not."""
    rng, made, scaled = random.Random(samples), Baseline(share=True, apart_s=300), []
    for now in (MIDNIGHT - 3 * WEEK_S + 300 * n for n in range(3 * 2016)):
        value = sum(rng.random() < share for _ in range(samples)) / samples
        scaled.append(math.asin(math.sqrt(value)))
        made.learn(now, value, samples)
    expected = made.expected(MIDNIGHT)
    assert expected is not None
    least = 0.5 / math.sqrt(samples)
    assert least <= expected.spread < 1.35 * max(stdev(scaled), least)
    # Nor is the middle where most windows are, which would hold every one that is not empty for a sign.
    assert fmean(scaled) - expected.centre < 0.3 * expected.spread


def test_few_samples_scatter_more() -> None:
    expected = taught(3).expected(MIDNIGHT)
    assert expected is not None
    usual = expected.limit(4, 50) - expected.value
    assert expected.limit(4, 5000) - expected.value == pytest.approx(usual)
    assert expected.limit(4, 5) - expected.value == pytest.approx(usual * math.sqrt(10))


def test_it_is_bounded_and_goes_on_after_a_restart() -> None:
    made = taught(30)
    assert made.windows == 168 * WINDOWS_KEPT
    again = Baseline.of(jsonio.loads(jsonio.dumps(made.as_json())), share=False)
    assert again.samples == made.samples
    for hour in (0, 11, 100):
        one, other = made.expected(MIDNIGHT + hour * HOUR_S), again.expected(MIDNIGHT + hour * HOUR_S)
        assert one is not None
        assert other is not None
        assert other.value == pytest.approx(one.value, rel=1e-5)
        assert other.spread == pytest.approx(one.spread, rel=1e-3)
    lists: Json = {
        "samples": 9,
        "latest": [0, 1],
        "cells": {"5": [0.5, 30, 0.25, 20]},
    }  # as they were kept before
    packed: Json = {"samples": 9, "latest": [0, 1], "cells": {"5": "AAAAPwAA8EEAAIA+AACgQQ=="}}
    assert Baseline.of(lists, share=True).as_json() == packed
    normal = Normal(LENGTH)
    for n in range(GROUPS_MAX + 10):
        normal.learn(f"model:m{n}", MIDNIGHT, 1.0, 50)
    assert len(dict(normal.as_json())) == GROUPS_MAX
    # Others get their turn after each group of which an hour is worked out, and it is worked out once.
    assert len(list(normal.refresh(MIDNIGHT + HOUR_S))) == GROUPS_MAX
    assert list(normal.refresh(MIDNIGHT + HOUR_S + 5)) == []


NO_CELL: tuple[object, ...] = ([1], 1, "AACAPw==", "AACAPwAAwH8=", "AACAP")
"""A value without its samples, and none; packed: the same, a NaN for samples, cut short."""


@pytest.mark.parametrize("cells", [{"999": []}, *({"1": one} for one in NO_CELL), None])
def test_what_is_no_baseline(cells: object) -> None:
    for stored in (cells, {"samples": 1, "latest": [0, 1], "cells": cells}):
        with pytest.raises((ValueError, TypeError, KeyError)):
            Baseline.of(stored, share=False)  # type: ignore[arg-type]


def replies(start: float, until: float, lift: float = 0.0) -> Iterator[Observation]:
    """A reply each 30 seconds, whose lengths scatter by a third."""
    rng, now = random.Random(start), start
    while now < until:
        mean = rhythm(now) + lift
        yield seen(now, caller=f"user:u{rng.randrange(30)}", reply_length=rng.gauss(mean, 100))
        now += 30


def run(one: Watch, start: float, until: float, lift: float = 0.0) -> list[tuple[bool, float]]:
    """A look a minute; whether it fires, and when."""
    turned = []
    coming = replies(start, until, lift)
    for now in range(int(start), int(until), 60):
        while (following := next(coming)).at < now + 30:
            one.observe(following)
        one.observe(following)
        turned += [(turn.fires, turn.at) for turn in look(one, now + 60)]
    return turned


@pytest.fixture(scope="module")
def learned() -> dict[str, object]:
    """What two weeks have taught."""
    one = watch(LENGTH, now=MIDNIGHT)
    assert run(one, MIDNIGHT, MIDNIGHT + 2 * WEEK_S) == []
    return {"learned": collected(one.learned_json()), "windows": collected(one.as_json(everything=True))}


def restarted(stored: dict[str, object], now: float) -> Watch:
    one = watch(LENGTH, now=now)
    one.restore(stored["windows"])  # type: ignore[arg-type]
    one.restore_learned(stored["learned"])  # type: ignore[arg-type]
    return one


@pytest.mark.parametrize("lift", [150, -150])
def test_a_shift_is_seen_after_a_restart_and_learned_by_nobody(
    learned: dict[str, object], lift: float
) -> None:
    start = MIDNIGHT + 2 * WEEK_S
    one = restarted(learned, start)
    (standing,) = one.standings(start + 60)
    assert not standing.limits.learning
    assert standing.limits.expected is not None
    low, high = standing.limits.floor, standing.limits.top
    assert low is not None
    assert high is not None
    assert low < rhythm(start) < high
    known = standing.limits.learned
    (fired,) = run(one, start, start + 8 * HOUR_S, lift)
    assert fired[0]
    assert fired[1] - start < 1800
    (standing,) = one.standings(start + 8 * HOUR_S)
    assert standing.state is State.FIRING
    assert standing.limits.learned - known < 100
    ((_, _, state, value, threshold),) = one.worst(start + 8 * HOUR_S, ("support-bot",), ())
    assert state == 2
    assert value is not None
    assert threshold == standing.limits.top


def test_what_fires_beside_it_stops_the_learning(learned: dict[str, object]) -> None:
    other = tripwire(id="other", metric=Metric.TOXICITY, window_s=900.0, above=0.5, for_s=0, min_samples=1)
    one = watch(LENGTH, other, now=MIDNIGHT)
    bad = [seen(MIDNIGHT + n * 30, reply_length=5000, toxicity=0.9) for n in range(480)]
    drive(one, bad, MIDNIGHT + 4 * HOUR_S, MIDNIGHT)
    learned_samples = [x.limits.learned for x in one.standings(MIDNIGHT + 4 * HOUR_S) if x.tripwire is LENGTH]
    assert learned_samples == [0]


def test_while_it_learns_it_says_so_and_never_fires() -> None:
    one = watch(LENGTH, now=MIDNIGHT)
    assert run(one, MIDNIGHT, MIDNIGHT + 3 * HOUR_S) == []
    assert run(one, MIDNIGHT + 3 * HOUR_S, MIDNIGHT + 5 * HOUR_S, 5000) == []
    (standing,) = one.standings(MIDNIGHT + 5 * HOUR_S)
    assert standing.limits.learning
    assert standing.limits.threshold is None
    assert standing.limits.learned > 100


def test_another_stat_or_window_learns_anew(learned: dict[str, object]) -> None:
    other = tripwire(metric=Metric.REPLY_LENGTH, stat=Stat.P95, above=None, above_baseline=Margin(4, 200))
    one = watch(other)
    one.restore_learned(learned["learned"])  # type: ignore[arg-type]
    (standing,) = one.standings(MIDNIGHT)
    assert standing.limits.learning
    one = restarted(learned, MIDNIGHT + 2 * WEEK_S)
    one.take(
        (),
        (
            tripwire(
                id=LENGTH.id,
                metric=Metric.REPLY_LENGTH,
                stat=Stat.MEAN,
                above_baseline=Margin(3, 1),
                above=None,
            ),
        ),
        MIDNIGHT,
    )
    one.observe(seen(MIDNIGHT + 2 * WEEK_S, reply_length=300))
    (standing,) = one.standings(MIDNIGHT + 2 * WEEK_S)
    assert not standing.limits.learning
