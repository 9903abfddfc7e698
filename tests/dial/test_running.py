"""Exchanges under way: told of every rise at once, and of nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

from proxy.dial.control import Dial
from proxy.dial.state import SqliteDialStore
from proxy.model.level import Level
from proxy.model.subject import Reach
from proxy.scopes import Scope
from tests.dial.helpers import ANN, GLOBAL, Running, TurnedClock

BOT = Scope.parse("model:bot")
AT_BOT = Reach(frozenset({"bot", "alias-of-bot"}))


async def test_a_kill_reaches_running_exchanges_before_the_store_is_asked(dial: Dial) -> None:
    bot, other = Running(AT_BOT), Running(Reach(frozenset({"other"})))
    dial.attach(bot)
    dial.attach(other)
    turning = asyncio.ensure_future(dial.set(BOT, Level.KILLED, actor=ANN, reason="x"))
    await asyncio.sleep(0)  # one step of the loop, no time for a disk
    assert bot.told == [Level.KILLED]
    assert not turning.done()
    await turning
    assert (bot.told, other.told) == ([Level.KILLED], [])


async def test_loosening_never_reaches_a_running_exchange(dial: Dial) -> None:
    running = Running()
    dial.attach(running)
    await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")
    await dial.set(GLOBAL, Level.OPEN, actor=ANN, reason="x")
    await dial.clear(GLOBAL, actor=ANN, reason="x")
    await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")
    assert running.told == [Level.KILLED]  # once; it never came back


async def test_an_exchange_that_ended_is_not_told(dial: Dial) -> None:
    running = Running()
    dial.attach(running)
    dial.detach(running)
    dial.detach(running)
    await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")
    assert running.told == []
    assert dial.running == 0


async def test_an_exchange_that_began_open_is_told_when_open_runs_out(dial: Dial, clock: TurnedClock) -> None:
    await dial.set(GLOBAL, Level.OPEN, actor=ANN, reason="x", ttl_s=60)
    running = Running(began=Level.OPEN)
    dial.attach(running)
    clock.at += 60
    dial.effective(Reach())
    assert running.told == [Level.GUARDED]


async def test_the_end_of_a_ttl_needs_no_exchange_to_notice_it(path: Path) -> None:
    """With a clock that runs, the timer alone ends the setting and tells who is under way."""
    loop = asyncio.get_running_loop()
    dial = Dial(SqliteDialStore(path), clock=loop.time)
    await dial.start()
    told = asyncio.Event()

    class Waiting(Running):
        def tightened(self, effective: object) -> None:
            told.set()

    await dial.set(GLOBAL, Level.OPEN, actor=ANN, reason="x", ttl_s=0.05)
    dial.attach(Waiting(began=Level.OPEN))
    await asyncio.wait_for(told.wait(), 10)
    await dial.stop()


async def test_an_exchange_attached_after_a_rise_is_told_at_once(dial: Dial) -> None:
    await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")
    late = Running(began=Level.GUARDED)
    dial.attach(late)
    assert late.told == [Level.KILLED]


async def test_one_exchange_that_fails_does_not_shield_the_others(dial: Dial) -> None:
    class Failing(Running):
        def tightened(self, effective: object) -> None:
            raise ValueError("a bug in one exchange")

    class Ending(Running):
        def tightened(self, effective: object) -> None:
            dial.detach(last)

    ending, failing, well, last = Ending(), Failing(), Running(), Running()
    for one in (failing, well, ending, last):
        dial.attach(one)
    await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")
    assert well.told == [Level.KILLED]
    assert last.told == []  # it had ended before its turn came
