"""Sliding windows: never more calls than a limit allows in any window, and the right time to come again."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.dial.control import Dial
from proxy.dial.restraint import Kind, Restraint
from proxy.dial.restraint_turn import restrain
from proxy.dial.restraints import Restraints
from proxy.dial.turn import TooManyRestraints
from proxy.dial.windows import CALLERS_MAX, Windows
from proxy.subjects import Rate
from tests.dial.helpers import ANN, TurnedClock


def limit(rate: str, id: str = "1", about: str = "user:bob") -> Restraint:
    return Restraint(Kind.LIMIT, id, about, rate, ANN, "x", 0.0)


class Calls:
    """Calls under some limits, by a clock that a test turns."""

    def __init__(self, *limits: Restraint) -> None:
        self.clock = TurnedClock(1000.0)
        self.windows = Windows(self.clock)
        self.held = Restraints(limits)

    def call(self, *only: str) -> int:
        """0 for a call that is allowed, else how many seconds to wait."""
        limits = [one for one in self.held.of(Kind.LIMIT) if not only or one.id in only]
        limited = self.windows.take(self.held, limits)
        return 0 if limited is None else limited.retry_after_s


def test_so_many_calls_and_then_the_time_until_the_oldest_leaves_the_window() -> None:
    calls = Calls(limit("2/minute"))
    assert calls.call() == 0
    calls.clock.at += 20
    assert calls.call() == 0
    calls.clock.at += 10.5
    assert calls.call() == 30  # 29.5 to go, said in whole seconds
    calls.clock.at += 29.5
    assert calls.call() == 0
    assert calls.call() == 20, "and now the second one is the oldest"


def test_a_call_that_is_refused_does_not_count() -> None:
    calls = Calls(limit("1/10 seconds"))
    assert calls.call() == 0
    for _ in range(9):
        calls.clock.at += 1
        assert calls.call() > 0
    calls.clock.at += 1
    assert calls.call() == 0


def test_of_several_limits_the_longest_wait_is_told_and_none_counts_what_another_refuses() -> None:
    calls = Calls(limit("1/second", "a"), limit("1/minute", "b"), limit("2/hour", "c"))
    assert calls.call() == 0
    assert calls.call() == 60
    calls.clock.at += 60
    assert calls.call() == 0, "the refused call left no trace under c"
    calls.clock.at += 60
    assert calls.call() == 3480


def test_a_limit_that_went_takes_its_calls_with_it_and_others_keep_theirs() -> None:
    calls = Calls(limit("1/hour", "a"), limit("1/hour", "b"))
    assert calls.call() == 0
    calls.held = calls.held.without(("limit", "a"))
    assert calls.call() == 3600
    calls.held = calls.held.with_one(limit("1/hour", "a"))
    assert calls.call("a") == 0


@example(allowed=1, window_s=8, gaps=[0.0, 0.0, 1.946, 0.0, 0.0])
@given(
    st.integers(1, 4),
    st.integers(1, 10),
    st.lists(st.floats(0, 12, allow_nan=False).map(lambda gap: round(gap, 3)), max_size=40),
)
def test_no_window_ever_holds_more_and_who_waits_as_told_is_let_in(
    allowed: int, window_s: int, gaps: list[float]
) -> None:
    calls = Calls(limit(f"{allowed}/{window_s} seconds"))
    taken: list[float] = []
    for gap in gaps:
        calls.clock.at += gap
        now = calls.clock.at
        recent = [at for at in taken if at + window_s > now]
        wait_s = calls.call()
        assert (wait_s == 0) == (len(recent) < allowed)
        if wait_s:
            assert wait_s - 1 < recent[0] + window_s - now <= wait_s
            before = calls.clock.at
            calls.clock.at += wait_s
            assert calls.call() == 0
            taken.append(calls.clock.at)
            assert calls.clock.at > before
        else:
            taken.append(now)


async def test_all_limits_together_remember_a_bounded_number_of_calls(
    dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.dial.restraint_turn.CALLS_HELD_MAX", 150)
    await restrain(dial, Kind.LIMIT, "user:bob", "100/day", actor=ANN, reason="x")
    with pytest.raises(TooManyRestraints, match="each remembered"):
        await restrain(dial, Kind.LIMIT, "user:eve", "51/day", actor=ANN, reason="x")
    await restrain(dial, Kind.LIMIT, "user:eve", "50/day", actor=ANN, reason="x")
    await restrain(dial, Kind.BLOCK, "user:ann", actor=ANN, reason="blocks are another matter")


def test_a_rate_that_each_caller_has_for_itself() -> None:
    clock = TurnedClock(0.0)
    windows = Windows(clock)
    rate = Rate(2, 60)
    assert [windows.take_caller("key:a", rate) for _ in range(3)] == [None, None, 60]
    assert windows.take_caller("key:b", rate) is None
    clock.at = 59.5
    assert windows.take_caller("key:a", rate) == 1
    clock.at = 60.0
    assert windows.take_caller("key:a", rate) is None
    assert windows.take_caller("key:a", Rate(1, 60)) is None, "another rate begins anew"


def test_there_are_only_so_many_windows_and_empty_ones_make_room() -> None:
    clock = TurnedClock(0.0)
    windows = Windows(clock)
    rate = Rate(1, 60)
    assert {windows.take_caller(f"ip:{number}", rate) for number in range(CALLERS_MAX)} == {None}
    assert windows.take_caller("ip:one more", rate) == 60
    assert windows.take_caller("ip:1", rate) == 60
    clock.at = 60.0
    assert windows.take_caller("ip:one more", rate) is None
