"""What rule files set on the dial: beside people's settings, tightened at once, loosened once stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.dial.control import Dial
from proxy.dial.files import RULES, RuleFiles
from proxy.dial.restraint import Kind
from proxy.dial.restraint_turn import lift, restrain
from proxy.dial.state import SqliteDialStore
from proxy.dial.turn import StandsInFiles
from proxy.model.level import Level
from proxy.model.subject import Reach
from proxy.scopes import Scope
from proxy.subjects import Rate, SubjectName
from tests.dial.helpers import ANN, GLOBAL, TurnedClock, UnreliableStore, until

BOT = Scope.parse("model:bot")


@dataclass(frozen=True)
class At:
    scope: Scope
    level: Level
    reason: str = "retired"
    until: float | None = None


@dataclass(frozen=True)
class Who:
    subject: SubjectName
    rate: Rate | None = None
    reason: str = "INC-42"
    until: float | None = None


@dataclass(frozen=True)
class Says:
    levels: tuple[At, ...] = ()
    restraints: tuple[Who, ...] = ()


BOB = SubjectName.parse("user:bob")
KILLED = Says((At(BOT, Level.KILLED),))


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def store(tmp_path: Path) -> UnreliableStore:
    return UnreliableStore(SqliteDialStore(tmp_path / "dial.sqlite3"))


@pytest.fixture
async def dial(store: UnreliableStore, clock: TurnedClock) -> AsyncIterator[Dial]:
    made = Dial(store, clock=clock, retry_first_s=0.01, retry_max_s=0.05)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def files(dial: Dial) -> RuleFiles:
    return RuleFiles(dial, retry_s=0.01)


async def say(files: RuleFiles, says: Says) -> None:
    await files.tighten(says)
    await files.settle()


def level(dial: Dial, model: str = "bot") -> Level:
    return dial.effective(Reach(frozenset({model}))).level


async def trail(dial: Dial) -> list[tuple[str, str, str | None, str | None, str]]:
    """The oldest first."""
    found = [one.change for one in reversed(await dial.changes(100))]
    assert all(one.actor in (RULES, ANN) for one in found)
    return [(one.action, one.scope, one.before, one.after, one.reason) for one in found]


async def test_levels_stand_as_long_as_the_files_say_so(dial: Dial, files: RuleFiles) -> None:
    await say(files, KILLED)
    assert (level(dial), level(dial, "other")) == (Level.KILLED, Level.GUARDED)
    await say(files, Says((At(BOT, Level.DEGRADED, "better"),)))
    assert level(dial) is Level.DEGRADED
    await say(files, Says())
    assert level(dial) is Level.GUARDED
    assert await trail(dial) == [
        ("dial.set", "model:bot", None, "killed", "retired"),
        ("dial.set", "model:bot", "killed", "degraded", "better"),
        ("dial.clear", "model:bot", "degraded", None, "not in the rule files any more"),
    ]


async def test_the_same_again_changes_nothing(dial: Dial, files: RuleFiles, clock: TurnedClock) -> None:
    says = Says((At(BOT, Level.KILLED),), (Who(BOB), Who(BOB, Rate.parse("1/minute"))))
    await say(files, says)
    before = dial.snapshot()
    clock.at += 60
    await say(files, Says(says.levels, says.restraints))
    assert dial.snapshot() == before
    assert len(await trail(dial)) == 3


async def test_peoples_settings_lie_beside_and_the_strictest_holds(dial: Dial, files: RuleFiles) -> None:
    await dial.set(BOT, Level.OPEN, actor=ANN, reason="x")
    await say(files, KILLED)
    assert level(dial) is Level.KILLED
    await dial.clear(BOT, actor=ANN, reason="x")
    assert level(dial) is Level.KILLED, "a person's undo is of the person's own"
    await dial.set(BOT, Level.OPEN, actor=ANN, reason="x")
    await say(files, Says())
    assert level(dial) is Level.OPEN


async def test_blocks_and_limits_come_and_go_with_the_files(dial: Dial, files: RuleFiles) -> None:
    own = await restrain(dial, Kind.BLOCK, "user:eve", actor=ANN, reason="x")
    await say(files, Says((), (Who(BOB), Who(BOB, Rate.parse("5/minute")))))
    assert [(one.kind, one.about, one.value) for one in dial.restraints() if one.actor == RULES] == [
        (Kind.BLOCK, "user:bob", ""),
        (Kind.LIMIT, "user:bob", "5/minute"),
    ]
    (block,) = (one for one in dial.restraints().of(Kind.BLOCK) if one.actor == RULES)
    with pytest.raises(StandsInFiles, match="take it out there"):
        await lift(dial, Kind.BLOCK, block.id, actor=ANN, reason="x")
    await say(files, Says((), (Who(BOB, Rate.parse("9/minute")),)))
    assert [one.value for one in dial.restraints().of(Kind.LIMIT)] == ["9/minute"]
    await say(files, Says())
    assert list(dial.restraints()) == [own.restraint]


async def test_what_runs_out_is_not_brought_back(dial: Dial, files: RuleFiles, clock: TurnedClock) -> None:
    says = Says((At(BOT, Level.KILLED, until=clock.at + 60),), (Who(BOB, until=clock.at + 60),))
    await say(files, says)
    assert level(dial) is Level.KILLED
    clock.at += 61
    assert level(dial) is Level.GUARDED
    await say(files, Says(says.levels, says.restraints))
    assert level(dial) is Level.GUARDED
    assert not list(dial.restraints())


async def test_a_tightening_holds_before_it_is_stored_a_loosening_after(
    dial: Dial, files: RuleFiles, store: UnreliableStore
) -> None:
    await say(files, KILLED)
    store.broken = True
    both = Says((At(GLOBAL, Level.KILLED), At(BOT, Level.GUARDED)))
    await files.tighten(both)
    assert level(dial, "other") is Level.KILLED
    settling = asyncio.create_task(files.settle())
    await until(lambda: store.attempts > 3)
    assert dial.board.level_at(BOT) is Level.KILLED
    store.broken = False
    await settling
    assert dial.board.level_at(BOT) is Level.GUARDED


async def test_a_later_policy_ends_the_waiting_of_the_one_before(
    dial: Dial, files: RuleFiles, store: UnreliableStore
) -> None:
    await say(files, KILLED)
    store.broken = True
    await files.tighten(Says())
    settling = asyncio.create_task(files.settle())
    await until(lambda: store.attempts > 3)
    await files.tighten(Says(KILLED.levels))
    store.broken = False
    await settling
    await files.settle()
    assert level(dial) is Level.KILLED


async def test_a_restart_finds_what_the_files_had_set(tmp_path: Path, clock: TurnedClock) -> None:
    path = tmp_path / "dial.sqlite3"
    for _ in range(2):
        dial = Dial(SqliteDialStore(path), clock=clock)
        await dial.start()
        await say(RuleFiles(dial), Says((At(BOT, Level.KILLED),), (Who(BOB),)))
        assert dial.snapshot().version == 1
        await dial.stop()
