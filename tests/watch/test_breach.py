"""The table of a tripwire's states."""

from __future__ import annotations

import pytest

from proxy.model.tripwire import State
from proxy.watch.breach import KEEP_FIRING_S_MAX, Breach, Verdict
from tests.watch.support import tripwire

WIRE = tripwire(for_s=60, keep_firing_s=30)
B, C, N = Verdict.BREACHED, Verdict.CLEAR, Verdict.NO_NEWS
OK, PENDING, FIRING, COOLING = State


def walk(
    verdicts: list[Verdict], step_s: float = 10, start: Breach | None = None, now: float = 0
) -> list[State]:
    breach, states = start or Breach(), []
    for number, verdict in enumerate(verdicts):
        breach = breach.step(WIRE, verdict, now + number * step_s)
        states.append(breach.state)
    return states


@pytest.mark.parametrize(
    ("before", "verdict", "after"),
    [
        (OK, B, PENDING), (OK, C, OK), (OK, N, OK),
        (PENDING, B, PENDING), (PENDING, C, OK), (PENDING, N, OK),
        (FIRING, B, FIRING), (FIRING, C, COOLING), (FIRING, N, FIRING),
        (COOLING, B, FIRING), (COOLING, C, COOLING), (COOLING, N, COOLING),
    ],
    ids=lambda value: value.name,
)  # fmt: skip
def test_every_step(before: State, verdict: Verdict, after: State) -> None:
    assert Breach(before, 0, 0, 0).step(WIRE, verdict, 1).state is after


def test_it_fires_once_the_breach_has_lasted_and_relaxes_once_it_was_well_for_long_enough() -> None:
    assert walk([B] * 7) == [PENDING] * 6 + [FIRING]
    firing = Breach(FIRING, 0, 0, 0)
    assert walk([C] * 4, start=firing) == [COOLING] * 3 + [OK]


def test_one_look_that_is_well_ends_a_breach_that_has_not_fired() -> None:
    assert walk([B, B, B, C, B, B, B, B, B, B, B])[-1] is FIRING
    assert walk([B, B, B, C, B, B, B, B, B, B])[-1] is PENDING


def test_time_without_news_is_no_time_of_being_well() -> None:
    firing = Breach(FIRING, 0, 0, 0)
    assert walk([N] * 100, start=firing) == [FIRING] * 100
    assert walk([C, C, *[N] * 100, C], start=firing)[-1] is COOLING
    assert walk([C, C, *[N] * 100, C, C], start=firing)[-1] is OK


def test_a_long_time_without_a_look_counts_for_a_minute_at_most() -> None:
    wire = tripwire(keep_firing_s=600)
    cooling = Breach(FIRING, 0, 0, 0).step(wire, C, 10)
    assert cooling.step(wire, C, 10_000).state is COOLING


def test_without_for_it_fires_at_once() -> None:
    assert Breach().step(tripwire(for_s=0), B, 5).state is FIRING


def test_each_firing_within_an_hour_doubles_how_long_it_must_be_well() -> None:
    wire, breach, now = tripwire(for_s=0, keep_firing_s=600), Breach(), 0.0
    waited = []
    for _ in range(8):
        breach = breach.step(wire, B, now)
        assert breach.state is FIRING
        began = now
        while breach.state is not OK:
            now += 60
            breach = breach.step(wire, C, now)
        waited.append(now - began - 60)
    assert waited == [600, 1200, 2400, 4800, 9600, KEEP_FIRING_S_MAX, KEEP_FIRING_S_MAX, KEEP_FIRING_S_MAX]
    breach = breach.step(wire, B, now + 3601)
    assert breach.keep_firing_s(wire) == 600
