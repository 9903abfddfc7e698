"""Tripwires over simulated time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from proxy.model.observation import Metric, Observation
from proxy.model.record import Json
from proxy.model.tripwire import Per, Stat, State
from proxy.watch.grid import GROUPS_MAX
from proxy.watch.unread import SAID_MAX
from proxy.watch.watch import STANDINGS_MAX
from proxy.watch.wire import HELD_MAX
from tests.watch.support import MIDNIGHT, at, clock, drive, kept, look, seen, state, tripwire, watch

WIRE = tripwire()


def night(
    start: float, until: float, toxic: tuple[float, float], every_s: float = 4
) -> Iterator[Observation]:
    """Replies that are harmless, but for those between two times."""
    rng, now = random.Random(7), start
    while now < until:
        bad = toxic[0] <= now < toxic[1]
        score = rng.uniform(0.7, 0.99) if bad else rng.betavariate(1, 40)
        yield seen(now, caller=f"user:u{rng.randrange(50)}", toxicity=score)
        now += every_s


TOXIC = (at("03:02"), at("04:00"))


@pytest.mark.parametrize(
    "restarts", [(), (at("03:10"),), (at("02:00"), at("03:10"), at("04:05"), at("04:20"))]
)
def test_the_night_of_the_mission(restarts: tuple[float, ...]) -> None:
    """Toxic at 03:02: pending at once, firing a quarter of an hour later, well again after the recovery; a restart
    changes nothing."""
    running = watch(WIRE)
    turned, now = [], MIDNIGHT
    states: dict[str, float] = {}
    coming = night(MIDNIGHT, at("06:00"), TOXIC)
    following = next(coming, None)
    while now < at("06:00"):
        if now in restarts:
            stored = kept(running, everything=True)
            running = watch(WIRE, now=now)
            running.restore(stored)
        while following is not None and following.at <= now:
            running.observe(following)
            following = next(coming, None)
        turned += look(running, now)
        states.setdefault(state(running, now).word, now)
        now += 5
    assert [(one.fires, one.group) for one in turned] == [
        (True, "model:support-bot"),
        (False, "model:support-bot"),
    ]
    fired, relaxed = turned
    assert clock(states["pending"])[:5] == "03:02"
    assert clock(fired.began)[:5] == "03:02"
    assert clock(fired.at)[:5] == "03:17"
    assert fired.value is not None
    assert fired.value > 0.5
    assert fired.callers_count > 5
    assert len(fired.examples) == 5
    # The window is clear a quarter of an hour after the last toxic reply, and stays so for ten minutes.
    assert "04:14" <= clock(states["cooling"])[:5] <= "04:16"
    assert "04:24" <= clock(relaxed.at)[:5] <= "04:26"


def test_a_crash_loses_nothing_of_what_is_not_well() -> None:
    running = watch(WIRE)
    early = list(night(at("02:00"), at("03:10"), TOXIC))
    assert drive(running, early, at("03:10"), at("02:00")) == []
    stored = kept(running, everything=False)
    again = watch(WIRE, now=at("03:10"))
    again.restore(stored)
    late = night(at("03:10"), at("03:30"), TOXIC)
    (fired,) = drive(again, late, at("03:30"), at("03:10"))
    assert clock(fired.at)[:5] == "03:17"


def test_a_killed_model_does_not_recover() -> None:
    running = watch(WIRE)
    toxic = night(at("03:00"), at("03:30"), TOXIC)
    (fired,) = drive(running, toxic, at("12:00"), at("03:00"))
    assert fired.fires
    assert state(running, at("12:00")) is State.FIRING
    well = night(at("12:00"), at("12:30"), TOXIC)
    (relaxed,) = drive(running, well, at("12:30"), at("12:00"))
    assert not relaxed.fires


def test_one_caller_does_not_turn_the_dial_for_all() -> None:
    running = watch(tripwire(min_subjects=5, metric=Metric.SECRET_RATE, stat=Stat.RATE, above=0.2, for_s=0))
    one = [seen(MIDNIGHT + n, f"user:u{n % 40 * (n % 2)}", secret_rate=float(n % 2 == 0)) for n in range(600)]
    assert drive(running, one, MIDNIGHT + 600, MIDNIGHT) == []
    many = [seen(MIDNIGHT + 600 + n, caller=f"user:u{n % 40}", secret_rate=1.0) for n in range(60)]
    (fired,) = drive(running, many, MIDNIGHT + 660, MIDNIGHT + 600)
    assert fired.callers[0] == ("user:u0", 301)
    assert 5 <= fired.callers_count <= 6


def test_too_few_samples_are_no_breach() -> None:
    running = watch(tripwire(for_s=0))
    assert (
        drive(running, [seen(MIDNIGHT + n, toxicity=0.9) for n in range(19)], MIDNIGHT + 100, MIDNIGHT) == []
    )
    (standing,) = running.standings(MIDNIGHT + 100)
    assert (standing.state, standing.since) == (State.OK, None)
    running.observe(seen(MIDNIGHT + 101, toxicity=0.9))
    assert [one.fires for one in look(running, MIDNIGHT + 102)] == [True]


@pytest.mark.parametrize(
    ("per", "group"),
    [(Per.GLOBAL, "global"), (Per.MODEL, "model:support-bot"), (Per.APP, "app:shop"), (Per.USER, "user:u1")],
)
def test_groups(per: Per, group: str) -> None:
    running = watch(tripwire(per=per, for_s=0, min_samples=1))
    running.observe(seen(MIDNIGHT, toxicity=0.9))
    running.observe(seen(MIDNIGHT, "user:u2", "other", "else", toxicity=0.1))
    assert [one.group for one in look(running, MIDNIGHT + 1)] == [group]


def test_below() -> None:
    running = watch(tripwire(metric=Metric.REPLY_LENGTH, stat=Stat.P50, above=None, below=20, for_s=0))
    short = [seen(MIDNIGHT + n, reply_length=500 if n % 3 == 0 else 4) for n in range(60)]
    assert [one.fires for one in drive(running, short, MIDNIGHT + 60, MIDNIGHT)] == [True]


def test_a_reload_goes_on_where_tripwires_stand_and_ends_those_that_are_gone() -> None:
    other = tripwire(id="other", metric=Metric.LATENCY_S, stat=Stat.MEAN, above=5.0, for_s=0)
    running = watch(WIRE, other)
    toxic = night(at("03:00"), at("03:10"), TOXIC)
    late = [seen(one.at, toxicity=one.values[Metric.TOXICITY], latency_s=9.0) for one in toxic]
    assert [one.tripwire.id for one in drive(running, late, at("03:10"), at("03:00"))] == ["other"]
    stricter = tripwire(above=0.4)
    running.take((), (stricter,), at("03:10"))
    (gone,) = look(running, at("03:10"))
    assert (gone.tripwire.id, gone.fires, gone.why) == ("other", False, "the tripwire was changed or removed")
    (fired,) = drive(running, night(at("03:10"), at("03:20"), TOXIC), at("03:20"), at("03:10"))
    assert clock(fired.at)[:5] == "03:17"
    assert fired.tripwire is stricter
    running.take((), (tripwire(per=Per.APP),), at("03:20"))
    assert [one.fires for one in look(running, at("03:20"))] == [False]


def test_two_weeks_of_ordinary_traffic_fire_nothing() -> None:
    """A daily rhythm, harmless scores with outliers, a look every minute."""
    slow = tripwire(id="slow", metric=Metric.LATENCY_S, above=8.0)
    rng, running = random.Random(3), watch(tripwire(for_s=300), slow)
    now, turned = MIDNIGHT, 0
    while now < MIDNIGHT + 14 * 86_400:
        busy = 1 + 9 * (8 <= now % 86_400 / 3600 < 20)
        for n in range(busy):
            score = rng.uniform(0, 1) if rng.random() < 0.003 else rng.betavariate(1, 40)
            running.observe(seen(now + n, toxicity=score, latency_s=rng.expovariate(1.0)))
        turned += len(look(running, now + busy))
        now += 120
    assert turned == 0


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {"format": 2},
        {"format": 1, "grids": [{"per": "model", "window_s": 900.0, "windows": 1, "held": {}}]},
        {"format": 1, "grids": [{"per": "model", "window_s": 900, "windows": {"a": [[1, {"toxicity": 2}]]}}]},
    ],
)
def test_what_was_stored_by_something_else_is_refused(stored: Json) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        watch(WIRE).restore(stored)


def test_metrics_tell_the_worst_of_those_whom_the_settings_do_not_name() -> None:
    running = watch(
        tripwire(for_s=0, min_samples=5), tripwire(id="callers", per=Per.USER, for_s=0, min_samples=5)
    )
    for n in range(300):
        running.observe(seen(MIDNIGHT + n / 10, f"user:u{n}", f"m{n % 4}", toxicity=0.01))
    look(running, MIDNIGHT + 31)
    told: list[tuple[object, ...]] = list(running.worst(MIDNIGHT + 31, ("m0",), ()))
    assert told == [
        ("toxicity-sustained", "model:m0", 0, pytest.approx(0.01, rel=0.01), 0.5),
        ("callers", "user", 0, None, 0.5),
    ]
    for n in range(200):
        running.observe(seen(MIDNIGHT + 32 + n / 10, "user:bad", "m3", toxicity=0.9))
    look(running, MIDNIGHT + 60)
    told = list(running.worst(MIDNIGHT + 60, ("m0",), ()))
    assert told == [
        ("toxicity-sustained", "model:m0", 0, pytest.approx(0.01, rel=0.01), 0.5),
        ("toxicity-sustained", "other", 2, pytest.approx(0.9, rel=0.01), 0.5),
        ("callers", "user", 2, pytest.approx(0.9, rel=0.01), 0.5),
    ]
    assert len(list(running.standings(MIDNIGHT + 60))) == 4 + 1 + STANDINGS_MAX


def test_sentiment_is_read_at_a_look_and_of_so_many_replies() -> None:
    running = watch(
        tripwire(metric=Metric.SENTIMENT, stat=Stat.MEAN, above=None, below=-0.2, for_s=0, min_samples=5)
    )
    for n in range(SAID_MAX + 10):
        said = "I hate you, you useless idiot." if n % 2 else "The parcel is on its way."
        running.observe(replace(seen(MIDNIGHT + n / 100, f"user:u{n % 9}", toxicity=0.1), said=said))
    (fired,) = look(running, MIDNIGHT + 15)
    assert fired.samples == SAID_MAX
    assert fired.value is not None
    assert -0.6 < fired.value < -0.3
    assert fired.callers_count == 9
    assert look(running, MIDNIGHT + 20) == []
    assert next(running.standings(MIDNIGHT + 20)).samples == SAID_MAX


def test_what_is_told_by_turns_may_change_in_between() -> None:
    """Groups are forgotten and tripwires taken away while somebody is being told of them."""
    wires = (
        tripwire(per=Per.USER, for_s=0, min_samples=1),
        tripwire(id="other", per=Per.USER, min_samples=1),
    )
    running = watch(*wires)
    for n in range(50):
        running.observe(seen(MIDNIGHT + n / 100, f"user:u{n}", toxicity=0.9))
    look(running, MIDNIGHT + 1)
    standings, worst = running.standings(MIDNIGHT + 1), running.worst(MIDNIGHT + 1, (), ())
    assert next(standings).state is State.FIRING
    assert next(worst)[:3] == ("toxicity-sustained", "user", 2)
    for n in range(GROUPS_MAX + HELD_MAX):
        running.observe(seen(MIDNIGHT + 2, f"user:v{n}", toxicity=0.9))
    look(running, MIDNIGHT + 3)
    running.take((), wires[:1], MIDNIGHT + 4)
    assert 50 <= len([one.group for one in standings]) <= 2 * STANDINGS_MAX + 2 * HELD_MAX
    assert [row[0] for row in worst] == ["other"]
