"""The circuit breaker of a backend and its budget of second tries, by a clock that is turned by hand."""

from __future__ import annotations

import pytest

from proxy.backend.health import (
    FAILURES_MAX,
    OPEN_FIRST_S,
    OPEN_MAX_S,
    PROBE_S,
    RETRIES_MAX,
    RETRIES_PER_CALL,
    RETRIES_PER_S,
    WINDOW_CALLS_MIN,
    WINDOW_S,
    Health,
    State,
)
from proxy.errors import BackendDown, BackendFault

DOWN = BackendFault.UNREACHABLE


class TurnedClock:
    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return 1_800_000_000.0 + self.at

    def monotonic(self) -> float:
        return self.at


class Told:
    def __init__(self) -> None:
        self.ranks: list[int] = []
        self.reasons: list[str] = []

    def on_state(self, backend: str, rank: int) -> None:
        self.ranks.append(rank)

    def on_failure(self, backend: str, reason: str) -> None:
        self.reasons.append(reason)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def health(clock: TurnedClock, told: Told) -> Health:
    return Health("main", clock, told)


def fail(health: Health, times: int = 1) -> None:
    for _ in range(times):
        health.failed(health.enter(), DOWN)


def answer(health: Health, times: int = 1) -> None:
    for _ in range(times):
        health.succeeded(health.enter())


def test_failures_in_a_row_open_it_and_an_answer_between_them_does_not(health: Health, told: Told) -> None:
    fail(health, FAILURES_MAX - 1)
    answer(health)
    fail(health, FAILURES_MAX - 1)
    assert health.state == State.CLOSED
    fail(health)
    assert (health.state, health.failures, told.ranks) == (State.OPEN, FAILURES_MAX, [0, 2])
    with pytest.raises(BackendDown, match=r"not asked, since it failed before \(unreachable\)") as refused:
        health.enter()
    assert refused.value.retry_after_s == OPEN_FIRST_S
    assert told.reasons == [DOWN] * (2 * FAILURES_MAX - 1), "what was not sent is no failure"


def test_a_share_of_failures_opens_it_once_enough_calls_came(health: Health, told: Told) -> None:
    for _ in range(WINDOW_CALLS_MIN // 2 - 1):
        answer(health)
        fail(health)
    answer(health)
    assert told.ranks == [0]
    fail(health)
    assert told.ranks == [0, 2]


def test_failures_of_long_ago_do_not_count(health: Health, clock: TurnedClock) -> None:
    for _ in range(WINDOW_CALLS_MIN // 2):
        fail(health)
        answer(health)
        clock.at += WINDOW_S / 10
    fail(health)
    assert health.state == State.CLOSED


def test_one_call_finds_out_and_closes_it_again(health: Health, clock: TurnedClock, told: Told) -> None:
    fail(health, FAILURES_MAX)
    clock.at += OPEN_FIRST_S
    probe = health.enter()
    with pytest.raises(BackendDown):
        health.enter()
    health.succeeded(probe)
    assert (health.state, health.failures, told.ranks) == (State.CLOSED, 0, [0, 2, 1, 0])
    answer(health, 3)
    fail(health, FAILURES_MAX - 1)
    assert health.state == State.CLOSED, "what was before it closed does not count"


def test_each_probe_that_fails_doubles_the_time_up_to_a_bound(health: Health, clock: TurnedClock) -> None:
    fail(health, FAILURES_MAX)
    waits = []
    for _ in range(6):
        waits.append(health.wait_s)
        clock.at += health.wait_s
        fail(health)
    assert waits == [OPEN_FIRST_S, 4.0, 8.0, 16.0, OPEN_MAX_S, OPEN_MAX_S]
    clock.at += OPEN_MAX_S
    answer(health)
    fail(health, FAILURES_MAX)
    assert health.wait_s == OPEN_FIRST_S, "after it was well, it begins anew"


def test_a_probe_that_is_given_up_or_takes_long_makes_room_for_another(
    health: Health, clock: TurnedClock
) -> None:
    fail(health, FAILURES_MAX)
    clock.at += OPEN_FIRST_S
    health.left(health.enter())
    slow = health.enter()
    assert health.wait_s == PROBE_S
    clock.at += PROBE_S
    second = health.enter()
    with pytest.raises(BackendDown):
        health.enter()
    health.succeeded(slow)
    assert health.state == State.CLOSED
    health.failed(second, DOWN)
    assert (health.state, health.failures) == (State.CLOSED, 0), "it was of the time before"


def test_answers_to_calls_from_before_it_opened_say_nothing(health: Health, clock: TurnedClock) -> None:
    early = [health.enter() for _ in range(4)]
    fail(health, FAILURES_MAX)
    health.succeeded(early[0])
    health.failed(early[1], DOWN)
    assert (health.state, health.wait_s) == (State.OPEN, OPEN_FIRST_S)
    clock.at += OPEN_FIRST_S
    health.enter()
    health.left(early[2])
    assert health.wait_s == PROBE_S, "the probe is still out"


def test_what_fails_where_nothing_is_sent_any_more_may_all_go_elsewhere(health: Health) -> None:
    under_way = [health.enter() for _ in range(100)]
    for call in under_way:
        health.failed(call, DOWN)
    assert all(health.may_retry() for _ in under_way)


def test_second_tries_are_a_share_of_the_calls(health: Health, clock: TurnedClock) -> None:
    taken = 0
    while health.may_retry():
        taken += 1
    assert taken == RETRIES_MAX
    answer(health, int(1 / RETRIES_PER_CALL) * 3)
    assert [health.may_retry() for _ in range(4)] == [True, True, True, False]
    clock.at += 2 / RETRIES_PER_S
    assert [health.may_retry() for _ in range(3)] == [True, True, False]
    clock.at += 1e6
    assert sum(health.may_retry() for _ in range(100)) == RETRIES_MAX
