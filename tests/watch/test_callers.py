"""Tripwires over callers, of whom there may be many, and who come and go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.model.observation import Metric
from proxy.model.tripwire import Per, Stat, State
from proxy.watch.gather import FEW_MAX
from proxy.watch.grid import GROUPS_MAX
from proxy.watch.prompts import PROMPTS_MAX, Prompts
from proxy.watch.wire import GONE_S, HELD_MAX
from tests.watch.support import MIDNIGHT, drive, kept, look, seen, tripwire, watch


def test_a_hundred_thousand_callers_take_no_more_room_than_the_bounds() -> None:
    running = watch(tripwire(per=Per.USER, for_s=0, min_samples=1))
    for n in range(20_000):
        running.observe(seen(MIDNIGHT + n / 100, caller=f"user:u{n}", toxicity=0.9))
    turned = look(running, MIDNIGHT + 201)
    assert len(turned) == HELD_MAX
    standings = list(running.standings(MIDNIGHT + 201))
    assert sum(one.state is State.FIRING for one in standings) == HELD_MAX
    assert len(standings) <= GROUPS_MAX + HELD_MAX


def test_what_is_not_well_is_remembered_when_many_others_come() -> None:
    running = watch(tripwire(per=Per.USER, for_s=0, min_samples=5))
    for n in range(5):
        running.observe(seen(MIDNIGHT + n, caller="user:bad", toxicity=0.9))
    assert len(look(running, MIDNIGHT + 5)) == 1
    for n in range(5 * GROUPS_MAX):
        running.observe(seen(MIDNIGHT + 6 + n / 100, caller=f"user:u{n}", toxicity=0.01))
    for n in range(60):
        running.observe(seen(MIDNIGHT + 100 + n, caller="user:bad", toxicity=0.9))
    bad = next(one for one in running.standings(MIDNIGHT + 160) if one.group == "user:bad")
    assert (bad.state, bad.samples) == (State.FIRING, 65)


@pytest.mark.parametrize(("per", "restart"), [(Per.USER, False), (Per.USER, True), (Per.MODEL, False)])
def test_who_is_gone_for_a_day_is_let_go_and_a_model_is_not(per: Per, restart: bool) -> None:
    wire = tripwire(per=per, for_s=0, min_samples=5)
    running = watch(wire)
    for n in range(5):
        running.observe(seen(MIDNIGHT + n, toxicity=0.9))
    (fired,) = look(running, MIDNIGHT + 5)
    left = MIDNIGHT + wire.window_s
    for hour in range(24):
        assert look(running, left + hour * 3600) == []
    if restart:
        stored = kept(running, everything=False)
        running = watch(wire)
        running.restore(stored)
    turned = look(running, left + GONE_S)
    if per is Per.MODEL:
        assert turned == []
    else:
        ((fires, why),) = ((one.fires, one.why) for one in turned)
        assert (fires, why) == (False, "nothing more was heard of this caller")
        assert running.standing(wire.id, fired.group) is State.OK


def test_where_many_have_fired_and_left_others_are_noticed_still() -> None:
    wire = tripwire(per=Per.USER, for_s=0, min_samples=1)
    running = watch(wire)
    for n in range(HELD_MAX):
        running.observe(seen(MIDNIGHT, caller=f"user:u{n}", toxicity=0.9))
    assert len(look(running, MIDNIGHT + 1)) == HELD_MAX
    many = [seen(MIDNIGHT + n * 60, caller="user:late", toxicity=0.9) for n in range(1, 30)]
    turned = drive(running, many, MIDNIGHT + 1800, MIDNIGHT)
    let_go, noticed = turned[:-1], turned[-1]
    assert {(one.fires, one.why) for one in let_go} == {(False, "nothing more was heard of this caller")}
    assert len(let_go) == HELD_MAX
    assert all(one.at >= MIDNIGHT + wire.window_s + wire.keep_firing_s for one in let_go)
    assert (noticed.group, noticed.fires) == ("user:late", True)


def test_what_one_caller_takes_in_all() -> None:
    """A sum is seen though no sample is over the limit, and slides out of the window again."""
    wire = tripwire(
        id="cost", metric=Metric.TOKENS, stat=Stat.SUM, per=Per.USER, above=10_000, min_samples=1, for_s=0,
        window_s=600.0, keep_firing_s=60.0,
    )  # fmt: skip
    running = watch(wire)
    many = [seen(MIDNIGHT + n, caller=f"user:u{n % 3 * (n % 2)}", tokens=60.0) for n in range(600)]
    fired, relaxed = drive(running, many, MIDNIGHT + 2000, MIDNIGHT)
    assert (fired.group, fired.fires, relaxed.fires) == ("user:u0", True, False)
    assert fired.value is not None
    assert 10_000 < fired.value < 12_000


def test_new_prompts_are_counted_not_repeated_ones() -> None:
    wire = tripwire(
        id="asks", metric=Metric.NEW_PROMPTS, stat=Stat.SUM, per=Per.USER, above=50, min_samples=1, for_s=0,
        window_s=600.0,
    )  # fmt: skip
    running = watch(wire)
    many = [
        replace(seen(MIDNIGHT + n, caller=f"user:u{n % 2}"), prompt=hash(n if n % 2 else "are you there?"))
        for n in range(300)
    ]
    (fired,) = drive(running, many, MIDNIGHT + 300, MIDNIGHT)
    assert fired.group == "user:u1"
    assert fired.value is not None
    assert 51 <= fired.value <= 51 + FEW_MAX


def test_prompts_that_are_remembered_are_bounded() -> None:
    prompts = Prompts()
    assert all(prompts.new(("u", n)) for n in range(PROMPTS_MAX + 10))
    assert prompts.new(("u", 0))
    assert not prompts.new(("u", PROMPTS_MAX))
