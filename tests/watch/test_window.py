"""Sliding windows, against keeping every sample."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import jsonio
from proxy.model.observation import Metric
from proxy.model.tripwire import Per, Stat
from proxy.watch.batch import Batch
from proxy.watch.grid import Grid
from proxy.watch.histogram import ACCURACY, bin_of, quantile, value_of
from proxy.watch.window import SLICES, Sums, Window
from tests.watch.support import MIDNIGHT, seen, tripwire

VALUES = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


def add(window: Window, at: int, which: int, value: float) -> None:
    sums = window.open(at)
    into = sums[which]
    if into is None:
        into = sums[which] = Sums(1, value, value)
    else:
        into.count += 1
        into.total += value
        into.highest = max(into.highest, value)
    into.bins = into.bins or {}
    into.bins[bin_of(value)] = into.bins.get(bin_of(value), 0) + 1


@given(st.lists(VALUES, min_size=2))
def test_bins_keep_the_order_and_the_value(values: list[float]) -> None:
    values.sort()
    places = [bin_of(value) for value in values]
    assert places == sorted(places)
    for value, place in zip(values, places, strict=True):
        assert math.isclose(value_of(place), value, rel_tol=ACCURACY * 1.001, abs_tol=1e-9)


@pytest.mark.parametrize("value", [1e30, -1e30, 1e-300, 0.0])
def test_what_is_too_large_or_small_has_a_bin_all_the_same(value: float) -> None:
    assert math.isfinite(value_of(bin_of(value)))


@given(
    st.lists(st.tuples(st.integers(0, 12), VALUES), min_size=1, max_size=60),
    st.integers(0, 40),
    st.booleans(),
)
def test_a_window_says_what_its_samples_say(steps: list[tuple[int, float]], rest: int, stored: bool) -> None:
    window, kept, at = Window(1), [], 0
    for step, value in steps:
        at += step
        add(window, at, 0, value)
        kept.append((at, value))
        if stored:
            window = Window.of(jsonio.loads(jsonio.dumps(window.as_json(["a"]))), ["a"])
    at += rest
    window.move(at)
    values = sorted(value for when, value in kept if when >= at - SLICES)
    assert window.count(0) == len(values)
    if not values:
        assert window.stat(0, Stat.P95) is None
        assert window.empty
        return
    mean = window.stat(0, Stat.MEAN)
    assert mean is not None
    assert math.isclose(mean, sum(values) / len(values), rel_tol=1e-6, abs_tol=1e-3)
    assert window.stat(0, Stat.MAX) == values[-1]
    for stat, share in ((Stat.P50, 0.5), (Stat.P95, 0.95)):
        exact = values[max(1, math.ceil(share * len(values))) - 1]
        told = window.stat(0, stat)
        assert told is not None
        assert math.isclose(told, exact, rel_tol=ACCURACY * 1.001, abs_tol=1e-9)


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    window = Window(1)
    for at in (100, 99, 50):
        add(window, at, 0, 1.0)
    assert window.count(0) == 3


def test_the_quantile_of_one_value_is_it() -> None:
    assert math.isclose(quantile({bin_of(7.0): 1}, 0.5), 7.0, rel_tol=ACCURACY)


def test_metrics_that_a_later_policy_does_not_watch_are_left_out() -> None:
    window = Window(2)
    add(window, 1, 0, 1.0)
    add(window, 1, 1, 2.0)
    later = Window.of(window.as_json(["a", "b"]), ["c", "b"])
    assert (later.count(0), later.count(1)) == (0, 1)


@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.dictionaries(st.sampled_from(["tokens", "latency_s"]), VALUES)),
        min_size=1,
    ),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_together_or_one_by_one(steps: list[tuple[int, dict[str, float]]], cuts: list[int]) -> None:
    wires = (
        tripwire(id="a", metric=Metric.TOKENS, stat=Stat.P50, above=1e3),
        tripwire(id="b", metric=Metric.LATENCY_S, stat=Stat.SUM, above=1e4, below=None),
    )
    at, many = MIDNIGHT, []
    for step, values in steps:
        at += step
        many.append(replace(seen(at), values=values))
    singly, together = Grid(Per.MODEL, 900.0, wires), Grid(Per.MODEL, 900.0, wires)
    for one in many:
        singly.take("model:m", Batch([one]))
    begin = 0
    for size in cycle(cuts):
        if begin >= len(many):
            break
        together.take("model:m", Batch(many[begin : begin + size]))
        begin += size
    alone, whole = singly.groups["model:m"], together.groups["model:m"]
    for which, stats in ((0, (Stat.P50, Stat.MAX)), (1, (Stat.MAX,))):
        assert alone.count(which) == whole.count(which)
        assert [alone.stat(which, stat) for stat in stats] == [whole.stat(which, stat) for stat in stats]
