"""Turning the dial: what holds afterwards, for whom, until when, and who is told."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dial.control import Dial
from proxy.dial.setting import Actor
from proxy.dial.state import SqliteDialStore
from proxy.model.level import Level
from proxy.model.subject import Reach
from proxy.scopes import Scope
from tests.dial.helpers import ANN, BEN, GLOBAL, TurnedClock

BOT = Scope.parse("model:bot")
SHOP = Scope.parse("app:shop")
AT_BOT = Reach(frozenset({"bot", "alias-of-bot"}))


async def test_with_nothing_set_everything_is_guarded(dial: Dial) -> None:
    effective = dial.effective(AT_BOT)
    assert (effective.level, effective.setting) == (Level.GUARDED, None)


async def test_the_strictest_setting_that_matches_holds_and_is_named(dial: Dial) -> None:
    await dial.set(GLOBAL, Level.OPEN, actor=ANN, reason="tuning the rules")
    assert dial.effective(AT_BOT).level is Level.OPEN
    await dial.set(BOT, Level.KILLED, actor=ANN, reason="leaks keys")
    effective = dial.effective(AT_BOT)
    assert effective.level is Level.KILLED
    assert effective.setting is not None
    assert effective.setting.reason == "leaks keys"
    assert dial.effective(Reach(frozenset({"other"}))).level is Level.OPEN


async def test_a_model_is_reached_under_any_of_its_names(dial: Dial) -> None:
    await dial.set(Scope.parse("model:alias-of-bot"), Level.KILLED, actor=ANN, reason="x")
    assert dial.effective(AT_BOT).level is Level.KILLED


async def test_a_claimed_app_may_tighten_and_never_loosen(dial: Dial) -> None:
    claimed, verified = Reach(app="shop"), Reach(app="shop", app_verified=True)
    await dial.set(SHOP, Level.OPEN, actor=ANN, reason="x")
    assert dial.effective(verified).level is Level.OPEN
    assert dial.effective(claimed).level is Level.GUARDED
    await dial.set(SHOP, Level.KILLED, actor=ANN, reason="x")
    assert dial.effective(claimed).level is Level.KILLED


async def test_the_last_person_holds_the_persons_setting(dial: Dial) -> None:
    await dial.set(BOT, Level.KILLED, actor=ANN, reason="first")
    await dial.set(BOT, Level.GUARDED, actor=BEN, reason="second")
    (only,) = dial.snapshot().settings
    assert (only.actor, only.level) == (BEN, Level.GUARDED)


async def test_rules_and_tripwires_keep_their_own_and_the_strictest_holds(dial: Dial) -> None:
    await dial.set(BOT, Level.KILLED, actor=Actor.rules(), reason="retired")
    await dial.set(BOT, Level.GUARDED, actor=Actor.tripwire("a"), reason="x")
    await dial.set(BOT, Level.GUARDED, actor=ANN, reason="x")
    assert dial.effective(AT_BOT).level is Level.KILLED
    turned = await dial.clear(BOT, actor=ANN, reason="done")
    assert turned.level is Level.KILLED  # the files' setting is not hers to take away
    await dial.clear(BOT, actor=Actor.rules(), reason="gone from the files")
    assert dial.effective(AT_BOT).level is Level.GUARDED


async def test_a_persons_turn_ends_what_tripwires_had_set_there(dial: Dial) -> None:
    await dial.set(BOT, Level.KILLED, actor=Actor.tripwire("a"), reason="x")
    await dial.set(SHOP, Level.KILLED, actor=Actor.tripwire("a"), reason="x")
    await dial.clear(BOT, actor=ANN, reason="false alarm")
    assert [one.scope for one in dial.snapshot().settings] == [SHOP]


async def test_clearing_what_nobody_set_changes_nothing(dial: Dial) -> None:
    before = dial.snapshot()
    turned = await dial.clear(BOT, actor=ANN, reason="x")
    assert not turned.changed
    assert dial.snapshot() == before
    assert await dial.changes(10) == ()


_TURNS = st.lists(
    st.tuples(
        st.sampled_from(["global", "model:a", "app:x"]),
        st.sampled_from([ANN, BEN, Actor.rules(), Actor.tripwire("t")]),
        st.none() | st.sampled_from(sorted(Level)),
        st.none() | st.integers(1, 5),
        st.integers(0, 3),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(_TURNS)
def test_any_sequence_of_turns_holds_what_a_plain_table_says_also_after_a_restart(
    turns: list[tuple[str, Actor, Level | None, int | None, int]],
) -> None:
    async def check(path: Path) -> None:
        clock = TurnedClock()
        dial = Dial(SqliteDialStore(path), clock=clock)
        await dial.start()
        table: dict[tuple[str, str], tuple[Level, float]] = {}
        reaches = [
            Reach(),
            Reach(frozenset("a")),
            Reach(frozenset("a"), "x", True),
            Reach(app="x", app_verified=True),
        ]

        def expected(reach: Reach) -> Level:
            live = [(scope, level) for (scope, _), (level, end) in table.items() if end > clock.at]
            return max((lv for scope, lv in live if Scope.parse(scope).matches(reach)), default=Level.GUARDED)

        for scope, actor, level, ttl, pause in turns:
            if level is None:
                await dial.clear(Scope.parse(scope), actor=actor, reason="r")
                table.pop((scope, actor.slot), None)
            else:
                await dial.set(Scope.parse(scope), level, actor=actor, reason="r", ttl_s=ttl)
                table[scope, actor.slot] = (level, clock.at + ttl if ttl else float("inf"))
            if actor in (ANN, BEN):
                table.pop((scope, Actor.tripwire("t").slot), None)
            clock.at += pause
            assert [dial.effective(reach).level for reach in reaches] == [
                expected(reach) for reach in reaches
            ]
        await dial.stop()
        again = Dial(SqliteDialStore(path), clock=clock)
        await again.start()
        assert [again.effective(reach).level for reach in reaches] == [expected(reach) for reach in reaches]
        await again.stop()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check(Path(folder) / "dial.sqlite3"))
