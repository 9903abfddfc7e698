"""A shift adds up, whatever the steps of time in which it is looked at; single windows never do."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import jsonio
from proxy.model.observation import Metric
from proxy.model.tripwire import Margin, Stat, State, Tripwire
from proxy.watch.baseline import Expected
from proxy.watch.chart import Chart
from proxy.watch.normal import Limits
from proxy.watch.watch import Watch
from tests.watch.support import MIDNIGHT, kept, look, seen, tripwire, watch
from tests.watch.test_baseline import rhythm, taught

WINDOW_S = 300.0
NORMAL = Expected(400.0, 40.0, 30, 12, "hour", share=False)
SHIFTS = st.floats(2, 20)
SIGMAS = st.floats(-50, 50)


def both(shift: float = 3.0) -> Tripwire:
    margin = Margin(shift, 200, shift=True)
    return tripwire(window_s=WINDOW_S, above=None, above_baseline=margin, below_baseline=margin, for_s=0)


def at(wire: Tripwire) -> Limits:
    line = Margin(wire.above_baseline.sigmas, 0, shift=True).line if wire.above_baseline else 0
    return Limits(NORMAL.limit(-line), NORMAL.limit(line), NORMAL)


def after(wire: Tripwire, sigmas: list[float], step_s: float = 5.0) -> list[Chart]:
    """Looks at windows so many sigmas off."""
    chart, told = Chart(looked=MIDNIGHT), []
    for n, one in enumerate(sigmas, 1):
        chart = chart.step(wire, at(wire), 400 + 40 * one, 30, MIDNIGHT + n * step_s)
        told.append(chart)
    return told


@given(SHIFTS, st.lists(SIGMAS, max_size=60))
def test_it_is_a_share_of_what_is_too_much(shift: float, sigmas: list[float]) -> None:
    for chart in after(both(shift), sigmas):
        assert 0 <= chart.above <= 1
        assert 0 <= chart.below <= 1
        assert chart.full == (max(chart.above, chart.below) == 1)


@given(SHIFTS, st.lists(SIGMAS, max_size=60))
def test_both_sides_are_alike(shift: float, sigmas: list[float]) -> None:
    for one, other in zip(
        after(both(shift), sigmas), after(both(shift), [-one for one in sigmas]), strict=True
    ):
        assert math.isclose(one.above, other.below, abs_tol=1e-9)


@given(SHIFTS, st.floats(1, 1e6))
def test_no_single_window_fills_it(shift: float, wild: float) -> None:
    looks = int(WINDOW_S / 5)
    assert not any(chart.full for chart in after(both(shift), [wild * shift] * looks))


@given(SHIFTS, st.floats(0.999, 3), st.sampled_from([1.0, 5.0, 60.0]))
def test_a_shift_fills_it_in_a_few_windows(shift: float, times: float, step_s: float) -> None:
    """However large: between one window and a third, and as many as half the shift takes to add up."""
    charts = after(both(shift), [shift * times] * int(8 * WINDOW_S / step_s), step_s)
    took = next(n for n, chart in enumerate(charts, 1) if chart.full) * step_s / WINDOW_S
    beyond = shift * times - shift / 2
    expected = max(7.5 / shift / beyond, 1 / 0.75)
    assert expected - 1e-6 <= took <= expected + step_s / WINDOW_S + 1e-6


@given(SHIFTS, st.lists(st.floats(-0.499, 0.499), max_size=200))
def test_what_is_less_than_half_of_it_never_counts(shift: float, shares: list[float]) -> None:
    assert all(chart.empty for chart in after(both(shift), [share * shift for share in shares]))


def test_a_pause_counts_no_more_than_a_minute_and_no_baseline_empties_it() -> None:
    wire = both()
    (filled,) = after(wire, [2.5])
    later = filled.step(wire, at(wire), 500.0, 30, filled.looked + 3600)
    assert later.above - filled.above == pytest.approx((2.5 - 1.5) * 3 / 7.5 * 60 / WINDOW_S)
    assert later.step(wire, Limits(learning=True), 500.0, 30, later.looked + 5).empty


@given(st.lists(SIGMAS, min_size=1, max_size=20))
def test_it_goes_on_after_a_restart(sigmas: list[float]) -> None:
    chart = after(both(), sigmas)[-1]
    assert Chart.of(jsonio.loads(jsonio.dumps(chart.as_json()))) == chart


@pytest.mark.parametrize("stored", [None, [], [0, 0], [0, 0, "x"], [2, 0, 0], [0, -1, 0]])
def test_what_is_no_chart(stored: object) -> None:
    with pytest.raises(ValueError, match="no chart"):
        Chart.of(stored)  # type: ignore[arg-type]


LENGTH = tripwire(
    id="length", metric=Metric.REPLY_LENGTH, stat=Stat.MEAN, window_s=WINDOW_S, above=None, min_samples=5,
    above_baseline=Margin(3, 200, shift=True), below_baseline=Margin(3, 200, shift=True),
    for_s=0, keep_firing_s=600,
)  # fmt: skip
LEARNED = taught(3, spread=30.0).as_json()


def started(now: float, *tripwires: Tripwire) -> Watch:
    """Where three weeks were learned from."""
    made = watch(*(tripwires or (LENGTH,)), now=now)
    entry = {"of": ["reply_length", "mean", "model", WINDOW_S], "groups": {"model:support-bot": LEARNED}}
    made.restore_learned({"format": 1, "learned": {"length": entry}})  # type: ignore[dict-item]
    return made


def shifted(one: Watch, start: float, until: float, sigmas: float) -> list[tuple[bool, float]]:
    """Replies that are that much too long, each as long as the other, and what turns."""
    turned = []
    for now in range(int(start), int(until), 15):
        length = rhythm(now) + 30 * sigmas
        one.observe(seen(now, f"user:u{now % 7}", reply_length=length))
        turned += [(turn.fires, turn.at) for turn in look(one, now)]
    return turned


@pytest.mark.parametrize("sigmas", [5, -5])
@pytest.mark.parametrize("how", ["whole", "restart", "reload"])
def test_a_shift_fires_wherever_it_is_interrupted_and_relaxes_when_it_is_over(
    sigmas: float, how: str
) -> None:
    one = started(MIDNIGHT)
    assert shifted(one, MIDNIGHT, MIDNIGHT + 600, 0.0) == []
    assert shifted(one, MIDNIGHT + 600, MIDNIGHT + 1020, sigmas) == []
    (standing,) = one.standings(MIDNIGHT + 1020)
    assert standing.state is State.OK
    assert standing.adds_up is not None
    assert 0.2 < standing.adds_up < 0.95
    if how == "restart":
        stored = kept(one, everything=False)
        one = started(MIDNIGHT + 1020)
        one.restore(stored)
    elif how == "reload":
        one.take((), (replace(LENGTH, severity="low"),), MIDNIGHT + 1020)
    ((fires, fired_at),) = shifted(one, MIDNIGHT + 1020, MIDNIGHT + 3600, sigmas)
    assert fires
    assert MIDNIGHT + 1020 < fired_at < MIDNIGHT + 1500
    ((fires, relaxed_at),) = shifted(one, MIDNIGHT + 3600, MIDNIGHT + 7200, 0.0)
    assert not fires
    assert MIDNIGHT + 4200 <= relaxed_at < MIDNIGHT + 4800


def test_callers_of_all_windows_that_add_up_are_counted_and_no_others() -> None:
    """Two at a time are behind it, another two in each window."""
    wire = replace(LENGTH, min_subjects=5)
    one, turned = started(MIDNIGHT, wire), []
    for now in range(int(MIDNIGHT), int(MIDNIGHT) + 3600, 15):
        pair = (now - int(MIDNIGHT)) // int(WINDOW_S) * 2 + now // 15 % 2
        sigmas = 5 if now >= MIDNIGHT + 1800 else -1
        one.observe(seen(now, f"user:u{pair}", reply_length=rhythm(now) + 30 * sigmas))
        turned += look(one, now)
    (fired,) = turned
    assert MIDNIGHT + 1800 + 2 * WINDOW_S <= fired.at <= MIDNIGHT + 1800 + 3 * WINDOW_S
    assert fired.callers_count >= 5
    assert {caller for caller, _ in fired.callers} <= {f"user:u{n}" for n in range(12, 24)}


def test_a_model_that_is_silent_neither_fires_nor_recovers() -> None:
    one = started(MIDNIGHT)
    shifted(one, MIDNIGHT, MIDNIGHT + 420, 3.5)
    (before,) = one.standings(MIDNIGHT + 420)
    for now in range(int(MIDNIGHT) + 420, int(MIDNIGHT) + 4000, 60):
        assert look(one, now) == []
    (later,) = one.standings(MIDNIGHT + 4000)
    assert later.adds_up == pytest.approx(before.adds_up, abs=0.4)
