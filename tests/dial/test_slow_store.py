"""A store that hangs: the loop goes on, and the later turn wins."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dial.control import Dial
from proxy.dial.setting import Actor
from proxy.dial.state import SqliteDialStore
from proxy.dial.turn import Conflict, NotDurable, VersionMismatch
from proxy.model.level import Level
from proxy.model.subject import Reach
from proxy.scopes import Scope
from tests.dial.conftest import StartDial
from tests.dial.helpers import (
    ANN,
    BEN,
    GLOBAL,
    TurnedClock,
    UnreliableStore,
    stored_levels,
    stored_settings,
    until,
)

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


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["global", "model:bot", "app:x"]),
        st.sampled_from([ANN, Actor.rules(), Actor.tripwire("t")]),
        st.none() | st.sampled_from([Level.OPEN, Level.GUARDED, Level.KILLED]),
        st.booleans(),
    ),
    max_size=15,
)


@settings(max_examples=25, deadline=None)
@given(_STEPS)
def test_whenever_nothing_waits_the_store_holds_what_the_dial_holds(
    steps: list[tuple[str, Actor, Level | None, bool]],
) -> None:
    """The disk comes and goes between turns; each turn is accepted or leaves everything as it was."""

    async def check(path: Path) -> None:
        store = UnreliableStore(SqliteDialStore(path))
        dial = Dial(store, clock=TurnedClock(), retry_first_s=0.001, retry_max_s=0.001, tighten_wait_s=20)
        await dial.start()
        for scope, actor, level, broken in steps:
            store.broken = broken
            before = dial.snapshot()
            try:
                if level is None:
                    turned = await dial.clear(Scope.parse(scope), actor=actor, reason="r")
                else:
                    turned = await dial.set(Scope.parse(scope), level, actor=actor, reason="r")
            except NotDurable:
                assert broken
                assert dial.snapshot() == before
            else:
                assert turned.durable is not (broken and turned.changed)
                assert (dial.snapshot() == before) is not turned.changed
            if not dial.unstored():
                assert set(stored_settings(path)) == set(dial.snapshot().settings)
        store.broken = False
        await dial.stop()
        assert set(stored_settings(path)) == set(dial.snapshot().settings)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check(Path(folder) / "dial.sqlite3"))
