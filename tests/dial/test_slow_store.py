"""A store that hangs: the loop goes on, and the later turn wins."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from proxy.dial.control import Dial
from proxy.dial.setting import Scope
from proxy.dial.state import SqliteDialStore
from proxy.dial.turn import Conflict, NotDurable, VersionMismatch
from proxy.model.level import Level
from proxy.model.subject import Reach
from tests.dial.conftest import StartDial
from tests.dial.helpers import ANN, BEN, GLOBAL, UnreliableStore, stored_levels, until

BOT = Scope.parse("model:bot")


async def test_a_hanging_disk_delays_neither_a_kill_nor_its_answer_for_long(
    start_dial: StartDial, path: Path
) -> None:
    store = UnreliableStore(SqliteDialStore(path))
    dial = await start_dial(store, tighten_wait_s=0.05)
    store.gate.clear()
    turned = await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")
    assert not turned.durable
    assert dial.effective(Reach()).level is Level.KILLED
    store.gate.set()
    await until(lambda: not dial.unstored())
    assert stored_levels(path) == {"global": "killed"}


async def test_a_loosening_that_is_stored_too_late_is_withdrawn(start_dial: StartDial, path: Path) -> None:
    store = UnreliableStore(SqliteDialStore(path))
    dial = await start_dial(store, loosen_wait_s=0.05)
    await dial.set(GLOBAL, Level.KILLED, actor=ANN, reason="x")
    store.gate.clear()
    with pytest.raises(NotDurable, match="in time"):
        await dial.set(GLOBAL, Level.OPEN, actor=ANN, reason="too late")
    store.gate.set()
    await until(
        lambda: stored_levels(path) == {"global": "killed"} and not dial.unstored() and store.attempts >= 3
    )
    assert dial.effective(Reach()).level is Level.KILLED
    actions = [(one.change.action, one.change.before, one.change.after) for one in await dial.changes(10)]
    assert actions == [
        ("dial.withdraw", "open", "killed"),
        ("dial.set", "killed", "open"),
        ("dial.set", None, "killed"),
    ]


async def _turn_during_a_loosening(
    dial: Dial, store: UnreliableStore, meanwhile: Scope, if_match: frozenset[str] | None
) -> object:
    """BEN sets `meanwhile` to killed while ANN's `guarded` for the model is being stored; how ANN's ended."""
    store.entered.clear()
    store.gate.clear()
    loosening = asyncio.ensure_future(
        dial.set(BOT, Level.GUARDED, actor=ANN, reason="slow", if_match=if_match)
    )
    await asyncio.to_thread(store.entered.wait, 20)
    kill = asyncio.ensure_future(dial.set(meanwhile, Level.KILLED, actor=BEN, reason="quick"))
    await asyncio.sleep(0)
    assert dial.effective(Reach(frozenset({"bot"}))).level is Level.KILLED
    store.gate.set()
    assert (await kill).durable
    (ended,) = await asyncio.gather(loosening, return_exceptions=True)
    return ended


@pytest.mark.parametrize(
    ("meanwhile", "named_version", "failure"),
    [
        (BOT, False, Conflict),
        (BOT, True, VersionMismatch),
        (GLOBAL, True, VersionMismatch),
        (GLOBAL, False, None),  # both hold
    ],
)
async def test_a_kill_that_comes_while_a_loosening_is_stored_wins(
    start_dial: StartDial, path: Path, meanwhile: Scope, named_version: bool, failure: type[Exception] | None
) -> None:
    store = UnreliableStore(SqliteDialStore(path))
    dial = await start_dial(store)
    await dial.set(BOT, Level.KILLED, actor=ANN, reason="x")
    tag = frozenset({dial.snapshot().etag}) if named_version else None
    result = await _turn_during_a_loosening(dial, store, meanwhile, tag)
    if failure is not None:
        assert isinstance(result, failure)
        await until(lambda: not dial.unstored())
    assert dial.effective(Reach(frozenset({"bot"}))).level is Level.KILLED
    held = {str(one.scope): one.level.word for one in dial.snapshot().settings}
    assert held.get("model:bot") == ("guarded" if failure is None else "killed")
    await until(lambda: stored_levels(path) == held)
