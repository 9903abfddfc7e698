"""Turning the dial's levels: one actor's setting at one scope."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.clock import new_id
from proxy.dial.board import Board
from proxy.dial.levels import DEFAULT, loosens
from proxy.dial.setting import ActorKind, Change, Setting
from proxy.dial.turn import Done, TooManySettings, Turn
from proxy.model.level import Level
from proxy.scopes import Scope

SETTINGS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Turned:
    """What a turn did. `setting` is None after a clear; `level` is what the scope holds now by anyone's
    setting, or the default; `changed` is false where there was nothing to clear."""

    scope: Scope
    setting: Setting | None
    level: Level
    version: int
    etag: str
    durable: bool
    changed: bool = True


def change_of(turn: Turn, scope: str, old: Setting | None, new: Setting | None, reason: str) -> Change:
    """The line on the trail of a setting that comes, goes or takes another's place."""
    return Change(
        id=new_id(turn.at),
        at=turn.at,
        actor=turn.actor,
        action="dial.clear" if new is None else "dial.set",
        scope=scope,
        before=old.level.word if old is not None else None,
        after=new.level.word if new is not None else None,
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class SettingTurn(Turn):
    """`setting` None takes the actor's own away."""

    at_scope: Scope
    setting: Setting | None

    @property
    def scope(self) -> str:
        return str(self.at_scope)

    def apply(self, board: Board) -> Board:
        """Raises TooManySettings."""
        after = board
        if self.setting is None:
            after = after.without(self._key)
        if self.actor.kind is ActorKind.PERSON:
            # A person's turn ends what the tripwires had set here: the person has looked.
            after = after.without_kind(self.at_scope, ActorKind.TRIPWIRE)
        if self.setting is not None:
            after = after.with_setting(self.setting)
        if len(after.settings) > max(SETTINGS_MAX, len(board.settings)):
            raise TooManySettings(f"the dial holds at most {SETTINGS_MAX} settings; clear some first")
        return after

    def loosens(self, before: Board, after: Board) -> bool:
        return loosens(before.level_at(self.at_scope), after.level_at(self.at_scope))

    def overtaken(self, base: Board, now: Board) -> bool:
        return now.at(self.at_scope) != base.at(self.at_scope)

    def changes(self, board: Board) -> tuple[Change, ...]:
        """From what its actor had set at that scope to what the actor sets."""
        return (change_of(self, self.scope, board.own(self._key), self.setting, self.reason),)

    def turned(self) -> tuple[Scope, ...]:
        return (self.at_scope,)

    def answer(self, done: Done) -> Turned:
        level = done.now.board.level_at(self.at_scope)
        return Turned(
            scope=self.at_scope,
            setting=self.setting,
            level=DEFAULT if level is None else level,
            version=done.now.version,
            etag=done.now.etag,
            durable=done.durable,
            changed=done.changed,
        )

    @property
    def _key(self) -> tuple[str, str]:
        return (self.scope, self.actor.slot)
