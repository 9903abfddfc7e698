"""When full passes of the garbage collector are made: they keep the event loop as long as they last."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import closing

import pytest

from proxy.collector import IDLE_S, LOOK_S, PASSES, PASSES_MAX, Collector


@pytest.fixture
def in_flight() -> list[str]:
    return []


@pytest.fixture
def begun() -> list[int]:
    return [0]


@pytest.fixture
def collector(in_flight: list[str], begun: list[int]) -> Iterator[Collector]:
    before = gc.get_threshold()
    collector = Collector(lambda: len(in_flight), lambda: begun[0])
    yield collector
    collector.close()
    assert gc.get_threshold() == before


def young_passes(count: int) -> None:
    for _ in range(count):
        gc.collect(1)


def test_a_full_pass_waits_until_nothing_is_in_flight(collector: Collector, in_flight: list[str]) -> None:
    assert not collector.look(), "it has just been made"
    in_flight.append("an exchange")
    young_passes(PASSES)
    assert not collector.look()
    in_flight.clear()
    assert collector.look()
    assert not collector.look()


def test_a_proxy_that_is_never_idle_makes_one_at_last(collector: Collector, in_flight: list[str]) -> None:
    in_flight.append("an exchange")
    young_passes(PASSES_MAX)
    assert collector.look()


def test_what_was_left_is_walked_again_only_after_a_long_rest(
    collector: Collector, in_flight: list[str]
) -> None:
    young_passes(PASSES)
    assert collector.look()
    frozen = gc.get_freeze_count()
    assert frozen > 0
    in_flight.append("an exchange")
    collector.look()
    in_flight.clear()
    looked = [collector.look() for _ in range(int(IDLE_S / LOOK_S) + 2)]
    assert looked.index(True) == int(IDLE_S / LOOK_S) - 1
    assert looked.count(True) == 1, "once is enough"


def test_a_rest_is_none_where_exchanges_come_and_go_between_looks(
    collector: Collector, begun: list[int]
) -> None:
    young_passes(PASSES)
    assert collector.look()
    for _ in range(3 * int(IDLE_S / LOOK_S)):
        begun[0] += 1
        assert not collector.look()


def test_the_interpreter_makes_none_by_itself(collector: Collector) -> None:
    before = gc.get_stats()[2]["collections"]
    kept = [[number] for number in range(200_000)]
    assert gc.get_stats()[2]["collections"] == before
    assert len(kept) == 200_000


async def test_it_looks_again_and_again_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.collector.LOOK_S", 0.0)
    looked: list[int] = []
    often = asyncio.Event()

    def in_flight() -> int:
        looked.append(1)
        if len(looked) == 3:
            often.set()
        return 1

    with closing(Collector(in_flight, lambda: 0)) as collector:
        collector.run()
        async with asyncio.timeout(10):
            await often.wait()
    before = len(looked)
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(looked) == before
