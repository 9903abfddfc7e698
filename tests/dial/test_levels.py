"""What each level permits, and which turns may loosen something."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dial.board import Board
from proxy.dial.levels import DEFAULT, PERMITS, loosens
from proxy.dial.setting import Actor, Setting
from proxy.model.level import Level
from proxy.model.subject import Reach
from proxy.scopes import Scope


def test_every_level_has_a_row_and_a_stricter_one_permits_no_more() -> None:
    assert set(PERMITS) == set(Level)
    rows = [PERMITS[level] for level in sorted(Level)]
    for looser, stricter in pairwise(rows):
        assert looser.enforces <= stricter.enforces
        assert looser.strict_actions <= stricter.strict_actions
        assert looser.edits_request <= stricter.edits_request
        assert looser.allow_list <= stricter.allow_list
        assert looser.serves >= stricter.serves


def test_open_enforces_nothing_and_killed_serves_nothing() -> None:
    assert not PERMITS[Level.OPEN].enforces
    assert PERMITS[DEFAULT].enforces
    assert [level for level in Level if not PERMITS[level].serves] == [Level.KILLED]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, Level.KILLED, False),
        (None, Level.GUARDED, False),
        (None, Level.OPEN, True),
        (Level.OPEN, Level.OPEN, True),  # it may hold for longer
        (Level.OPEN, None, False),
        (Level.GUARDED, None, True),  # a wider open may hold again
        (Level.GUARDED, Level.KILLED, False),
        (Level.KILLED, Level.KILLED, False),
        (Level.KILLED, Level.GUARDED, True),
        (Level.KILLED, Level.OPEN, True),
        (Level.KILLED, None, True),
        (None, None, False),
    ],
)
def test_loosening(before: Level | None, after: Level | None, expected: bool) -> None:
    assert loosens(before, after) is expected


SCOPES = [Scope.parse(text) for text in ("global", "model:a", "model:b", "app:x", "app:y")]
ACTORS = [Actor.person("p"), Actor.rules(), Actor.tripwire("t")]
BOARDS = st.lists(
    st.builds(
        Setting,
        scope=st.sampled_from(SCOPES),
        level=st.sampled_from(Level),
        actor=st.sampled_from(ACTORS),
        reason=st.just("r"),
        since=st.just(0.0),
    ),
    max_size=8,
).map(Board)
REACHES = st.builds(
    Reach,
    models=st.frozensets(st.sampled_from("abc"), max_size=2),
    app=st.sampled_from([None, "x", "y", "z"]),
    app_verified=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(BOARDS, REACHES, st.sampled_from(SCOPES), st.sampled_from(ACTORS), st.none() | st.sampled_from(Level))
def test_a_turn_that_does_not_count_as_loosening_loosens_no_exchange(
    board: Board, reach: Reach, scope: Scope, actor: Actor, level: Level | None
) -> None:
    after = board.without((str(scope), actor.slot))
    if level is not None:
        after = after.with_setting(Setting(scope, level, actor, "r", 0.0))
    if not loosens(board.level_at(scope), after.level_at(scope)):
        assert after.effective(reach).level >= board.effective(reach).level


@settings(max_examples=300, deadline=None)
@given(BOARDS, REACHES)
def test_the_effective_level_is_the_highest_that_matches(board: Board, reach: Reach) -> None:
    matching = [
        one.level
        for one in board.settings
        if one.scope.matches(reach)
    ]  # fmt: skip
    own_app = [one.level for one in board.settings if one.scope == Scope.parse(f"app:{reach.app or 'none'}")]
    elsewhere = [
        one.level
        for one in board.settings
        if one.scope.matches(reach) and not str(one.scope).startswith("app:")
    ]
    expected = max(matching, default=DEFAULT)
    if own_app and max(own_app) is Level.OPEN and not reach.app_verified:
        expected = max(elsewhere, default=DEFAULT)  # a claimed app does not open anything
    effective = board.effective(reach)
    assert effective.level == expected
    if effective.setting is not None:
        assert effective.setting in board.settings
        assert effective.setting.level == effective.level
        assert effective.setting.scope.matches(reach)


@settings(max_examples=200, deadline=None)
@given(BOARDS, REACHES)
def test_a_claimed_app_is_never_treated_more_loosely_than_none(board: Board, reach: Reach) -> None:
    claimed = Reach(reach.models, reach.app, app_verified=False)
    nameless = Reach(reach.models, None)
    assert board.effective(claimed).level >= board.effective(nameless).level
