"""Restraints come and go as levels do: at once or stored first, with trail and ttl, over restarts and crashes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.dial.control import Dial
from proxy.dial.restraint import Kind, Restraint
from proxy.dial.restraint_turn import Restrained, lift, restrain
from proxy.dial.setting import Actor
from proxy.dial.state import SqliteDialStore, Stored
from proxy.dial.turn import Conflict, NoSuchRestraint, NotDurable, TooManyRestraints, VersionMismatch
from proxy.errors import Invalid
from proxy.model.level import Level
from proxy.model.subject import Subject
from tests.dial.conftest import StartDial
from tests.dial.helpers import ANN, BEN, GLOBAL, Counted, TurnedClock, UnreliableStore, until

BOB = Subject(user="bob")


async def block(dial: Dial, about: str = "user:bob", **more: object) -> str:
    done = await restrain(dial, Kind.BLOCK, about, actor=ANN, reason="abuse", **more)  # type: ignore[arg-type]
    assert done.restraint is not None
    return done.restraint.id


def blocked(dial: Dial, subject: Subject = BOB) -> bool:
    return any(True for _ in dial.restraints().blocks(subject, None))


async def test_a_block_holds_until_it_is_taken_away_by_anybody(dial: Dial) -> None:
    id = await block(dial)
    assert blocked(dial)
    assert not blocked(dial, Subject(user="eve"))
    done = await lift(dial, Kind.BLOCK, id, actor=BEN, reason="a test of ours")
    assert done.changed
    assert not blocked(dial)
    with pytest.raises(NoSuchRestraint):
        await lift(dial, Kind.BLOCK, id, actor=BEN, reason="again")


async def test_two_blocks_of_one_subject_are_two(dial: Dial) -> None:
    first, second = await block(dial), await block(dial, ttl_s=60)
    assert first != second
    await lift(dial, Kind.BLOCK, first, actor=ANN, reason="x")
    assert blocked(dial)


async def test_the_trail_says_who_what_before_after_and_why(dial: Dial, clock: TurnedClock) -> None:
    id = await block(dial, "ip:10.0.0.0/8")
    await lift(dial, Kind.BLOCK, id, actor=BEN, reason="over")
    short = await block(dial, ttl_s=60)
    clock.at += 60
    assert not blocked(dial)
    await dial.note(actor=ANN, action="x", scope="x", before=None, after=None, reason="wait for the store")
    trail = [
        (one.action, one.scope, str(one.actor), one.before, one.after, one.reason)
        for one in (stored.change for stored in await dial.changes(10))
    ][1:]
    assert trail == [
        ("block.expire", "user:bob", "ann", f"blocked ({short})", None, "ttl ended"),
        ("block.add", "user:bob", "ann", None, f"blocked ({short})", "abuse"),
        ("block.remove", "ip:10.0.0.0/8", "ben", f"blocked ({id})", None, "over"),
        ("block.add", "ip:10.0.0.0/8", "ann", None, f"blocked ({id})", "abuse"),
    ]


async def test_what_nobody_could_match_is_refused_and_changes_nothing(dial: Dial) -> None:
    for about, reason in (("user:", "x"), ("model:bot", "x"), ("user:bob", "  ")):
        with pytest.raises(Invalid):
            await restrain(dial, Kind.BLOCK, about, actor=ANN, reason=reason)
    with pytest.raises(Invalid):
        await restrain(dial, Kind.LIMIT, "user:bob", "often", actor=ANN, reason="x")
    assert dial.snapshot().version == 0


async def test_a_restart_takes_up_blocks_limits_and_rollbacks(start_dial: StartDial) -> None:
    first = await start_dial()
    await block(first, ttl_s=600)
    await restrain(first, Kind.LIMIT, "app:shop", "10/minute", actor=BEN, reason="y")
    await restrain(first, Kind.ROLLBACK, "support-bot", "v1", actor=Actor.tripwire("t"), reason="z")
    gone = await block(first, "user:eve")
    await lift(first, Kind.BLOCK, gone, actor=ANN, reason="x")
    before = first.snapshot()
    await first.stop()
    again = await start_dial()
    assert again.snapshot() == before
    assert set(again.restraints()) == set(before.board.restraints)
    assert blocked(again)
    assert again.restraints().rollbacks == {"support-bot": "v1"}


async def test_a_file_of_the_version_before_is_taken_up(start_dial: StartDial, path: Path) -> None:
    first = await start_dial()
    await first.stop()
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE restraints; PRAGMA user_version = 1;")
    again = await start_dial()
    await block(again)
    await again.stop()
    assert blocked(await start_dial())


async def test_what_ran_out_while_the_proxy_was_down_does_not_come_back(
    start_dial: StartDial, clock: TurnedClock
) -> None:
    first = await start_dial()
    await block(first, ttl_s=60)
    await first.stop()
    clock.at += 61
    assert not blocked(await start_dial())


async def test_all_that_ran_out_while_the_proxy_was_down_is_on_the_trail(
    start_dial: StartDial, path: Path, clock: TurnedClock
) -> None:
    blocks = tuple(
        Restraint(Kind.BLOCK, str(at), f"user:{at}", "", ANN, "x", clock.at, clock.at + 60)
        for at in range(1500)
    )
    store = SqliteDialStore(path)
    store.load()
    store.write(Stored(1, (), blocks), ())
    store.close()
    clock.at += 3600
    counted = Counted()
    dial = await start_dial(observer=counted)
    await until(lambda: counted.unstored == 0)
    trail = [one.change for one in await dial.changes(2000)]
    assert {one.scope for one in trail if one.action == "block.expire"} == {one.about for one in blocks}
    assert (len(dial.restraints()), counted.dropped) == (0, 0)


async def test_the_end_of_a_ttl_needs_no_exchange_to_notice_it(path: Path) -> None:
    counted = Counted()
    dial = Dial(SqliteDialStore(path), clock=asyncio.get_running_loop().time, observer=counted)
    await dial.start()
    await block(dial, ttl_s=0.05)
    assert counted.restraints["block"] == 1
    await until(lambda: counted.restraints["block"] == 0)
    await dial.stop()


async def test_without_a_disk_a_block_holds_and_is_stored_later_and_none_is_lifted(
    start_dial: StartDial, path: Path
) -> None:
    store, counted = UnreliableStore(SqliteDialStore(path)), Counted()
    dial = await start_dial(store, observer=counted)
    kept = await block(dial, "user:eve")
    store.broken = True
    done = await restrain(dial, Kind.BLOCK, "user:bob", actor=ANN, reason="x")
    assert not done.durable
    assert blocked(dial)
    with pytest.raises(NotDurable):
        await lift(dial, Kind.BLOCK, kept, actor=ANN, reason="y")
    assert blocked(dial, Subject(user="eve"))
    store.broken = False
    await until(lambda: counted.unstored == 0)
    found = SqliteDialStore(path)
    assert {one.about for one in found.load().restraints} == {"user:bob", "user:eve"}
    found.close()


async def test_a_block_takes_effect_before_the_store_is_asked(start_dial: StartDial, path: Path) -> None:
    store = UnreliableStore(SqliteDialStore(path))
    dial = await start_dial(store)
    store.gate.clear()
    adding = asyncio.ensure_future(restrain(dial, Kind.BLOCK, "user:bob", actor=ANN, reason="x"))
    await asyncio.sleep(0)
    assert blocked(dial)
    assert not adding.done()
    store.gate.set()
    assert (await adding).durable


async def test_of_ten_operators_at_once_one_lifts_a_block_and_one_wins_a_version(dial: Dial) -> None:
    id = await block(dial)
    people = [Actor.person(f"p{number}") for number in range(10)]
    done = await asyncio.gather(
        *(lift(dial, Kind.BLOCK, id, actor=who, reason="x") for who in people), return_exceptions=True
    )
    assert sum(isinstance(one, Restrained) for one in done) == 1
    assert all(isinstance(one, Restrained | NoSuchRestraint | Conflict) for one in done)
    tag = frozenset({dial.snapshot().etag})
    done = await asyncio.gather(
        *(restrain(dial, Kind.BLOCK, f"user:{who}", actor=who, reason="x", if_match=tag) for who in people),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Restrained) for one in done) == 1
    assert sum(isinstance(one, VersionMismatch) for one in done) == 9
    adds = await asyncio.gather(*(block(dial, f"user:{who}") for who in people))
    assert len(set(adds)) == 10
    assert len(dial.restraints()) == 11
    trail = [one.change.action for one in await dial.changes(100)]
    assert (trail.count("block.remove"), trail.count("block.add")) == (1, 12)


async def test_blocks_and_levels_share_one_version(dial: Dial) -> None:
    before = dial.snapshot()
    await block(dial)
    with pytest.raises(VersionMismatch):
        await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x", if_match=frozenset({before.etag}))


async def test_a_bounded_number_holds(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.dial.restraint_turn.RESTRAINTS_MAX", 2)
    await block(dial)
    await restrain(dial, Kind.ROLLBACK, "bot", "v1", actor=ANN, reason="x")
    with pytest.raises(TooManyRestraints):
        await block(dial, "user:eve")
    await restrain(dial, Kind.ROLLBACK, "bot", "v2", actor=ANN, reason="what holds can still be changed")


_BLOCKER = """
import asyncio, sys, time
from pathlib import Path
from proxy.dial.control import Dial
from proxy.dial.restraint import Kind
from proxy.dial.restraint_turn import lift, restrain
from proxy.dial.setting import Actor
from proxy.dial.state import SqliteDialStore

async def main():
    dial = Dial(SqliteDialStore(Path(sys.argv[1])), clock=time.time)
    await dial.start()
    who = Actor.person("p")
    for number in range(1_000_000):
        done = await restrain(dial, Kind.BLOCK, f"user:{number}", actor=who, reason="x")
        assert done.durable
        if number % 2:
            await lift(dial, Kind.BLOCK, done.restraint.id, actor=who, reason="y")
        sys.stderr.write(f"{number}\\n")
        sys.stderr.flush()

asyncio.run(main())
"""


@pytest.mark.parametrize("turns", [1, 20])
def test_kill_9_leaves_the_blocks_that_were_answered(path: Path, turns: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _BLOCKER, str(path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        answered = [process.stderr.readline() for _ in range(turns)]
        process.send_signal(signal.SIGKILL)
        answered += list(process.stderr)
    last = int(answered[-1])
    store = SqliteDialStore(path)
    found = {one.about for one in store.load().restraints}
    store.close()
    even = {f"user:{number}" for number in range(0, last + 1, 2)}
    assert even <= found <= even | {f"user:{last + 1}"}, "the next one may have been stored and not answered"
