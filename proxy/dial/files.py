"""What the rule files set on the dial: levels, blocks and limits that stand as long as the files say so.

They belong to the actor `rules` and lie beside what people and tripwires set. A new policy brings them to what it
says: what tightens holds at once, what loosens once it is stored, tried again for as long as the files say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Protocol

import structlog

from proxy.dial.board import Board
from proxy.dial.control import Dial
from proxy.dial.restraint import Kind, Restraint
from proxy.dial.restraint_turn import change_of as restraint_change
from proxy.dial.restraints import Restraints
from proxy.dial.setting import Actor, Change, Setting
from proxy.dial.setting_turn import change_of as setting_change
from proxy.dial.turn import Conflict, NotDurable, Turn
from proxy.model.level import Level
from proxy.scopes import Scope
from proxy.subjects import Rate, SubjectName

RETRY_S: Final = 5.0
"""How long after a failed try a loosening is tried again."""

ID_PREFIX: Final = "rules-"
"""Begins the ids of blocks and limits that stand in the rule files."""

GONE: Final = "not in the rule files any more"
RULES: Final = Actor.rules()

_log = structlog.get_logger("proxy.dial")


class DeclaredLevel(Protocol):
    """A level that the files set at a scope; `until` in Unix seconds."""

    @property
    def scope(self) -> Scope: ...
    @property
    def level(self) -> Level: ...
    @property
    def reason(self) -> str: ...
    @property
    def until(self) -> float | None: ...


class DeclaredRestraint(Protocol):
    """A block of the files, or with a rate a limit."""

    @property
    def subject(self) -> SubjectName: ...
    @property
    def rate(self) -> Rate | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def until(self) -> float | None: ...


class Declared(Protocol):
    """All that the files set."""

    @property
    def levels(self) -> Sequence[DeclaredLevel]: ...
    @property
    def restraints(self) -> Sequence[DeclaredRestraint]: ...


@dataclass(frozen=True, slots=True)
class FilesTurn(Turn):
    """Brings what is the rules' own to what the files say; without `all` only as far as that tightens."""

    settings: tuple[Setting, ...]
    restraints: tuple[Restraint, ...]
    all: bool

    @property
    def scope(self) -> str:
        return "rules"

    def apply(self, board: Board) -> Board:
        settings = {one.key: one for one in board.settings}
        restraints = {one.key: one for one in board.restraints}
        changed = False
        for old, new in self._levels(board):
            if self.all or (new is not None and new.level > (old.level if old is not None else Level.OPEN)):
                changed = True
                if new is None:
                    assert old is not None
                    del settings[old.key]
                else:
                    settings[new.key] = new
        for before, after in self._restraints(board):
            if after is not None:
                restraints[after.key] = after
                changed = True
            elif self.all and before is not None:
                del restraints[before.key]
                changed = True
        return Board(settings.values(), Restraints(tuple(restraints.values()))) if changed else board

    def loosens(self, before: Board, after: Board) -> bool:
        return self.all

    def overtaken(self, base: Board, now: Board) -> bool:
        return _own(base) != _own(now)

    def changes(self, board: Board) -> tuple[Change, ...]:
        after = self.apply(board)
        settings = {one.key: one for one in after.settings}
        changes: list[Change] = []
        for old, new in self._levels(board):
            setting = new or old
            assert setting is not None
            if settings.get(setting.key) is not old:
                reason = GONE if new is None else new.reason
                changes.append(setting_change(self, str(setting.scope), old, new, reason))
        for before, then in self._restraints(board):
            one = then or before
            assert one is not None
            if after.restraints.get(one.key) is not before:
                reason = GONE if then is None else then.reason
                changes.append(restraint_change(self, one.kind, one.scope, before, then, reason))
        return tuple(changes)

    def turned(self) -> tuple[Scope, ...]:
        return tuple(one.scope for one in self.settings)

    def _levels(self, board: Board) -> Iterator[tuple[Setting | None, Setting | None]]:
        """What is set and what is to be, where that differs."""
        wanted = {one.key: one for one in self.settings}
        held = {one.key: one for one in board.settings if one.actor == RULES}
        for key in dict.fromkeys((*held, *wanted)):
            old, new = held.get(key), wanted.get(key)
            if old is None or new is None or _content(old) != _content(new):
                yield old, new

    def _restraints(self, board: Board) -> Iterator[tuple[Restraint | None, Restraint | None]]:
        wanted = {one.key: one for one in self.restraints}
        held = {one.key: one for one in board.restraints if one.actor == RULES}
        for key in dict.fromkeys((*held, *wanted)):
            old, new = held.get(key), wanted.get(key)
            if old is None or new is None or (old.reason, old.expires) != (new.reason, new.expires):
                yield old, new


class RuleFiles:
    """Keeps the dial at what the rule files say."""

    def __init__(self, dial: Dial, *, retry_s: float = RETRY_S) -> None:
        self._dial = dial
        self._retry_s = retry_s
        self._declared: Declared | None = None

    async def tighten(self, declared: Declared) -> None:
        """From now on the files say this; what tightens holds before anything is awaited."""
        self._declared = declared
        await self._dial.turn(self._turn(declared, all=False))

    async def settle(self) -> None:
        """Let go of what the files do not say any more. Returns once that is stored, or the files say something
        else."""
        declared = self._declared
        while declared is not None and declared is self._declared:
            try:
                await self._dial.turn(self._turn(declared, all=True))
                return
            except (NotDurable, Conflict) as error:
                _log.error("rules_loosening_waits", error=str(error), retry_s=self._retry_s)
            await asyncio.sleep(self._retry_s)

    def _turn(self, declared: Declared, *, all: bool) -> FilesTurn:
        now = self._dial.now()
        settings = tuple(
            Setting(one.scope, one.level, RULES, one.reason, now, one.until)
            for one in declared.levels
            if one.until is None or one.until > now
        )
        restraints = tuple(
            _restraint(one, now) for one in declared.restraints if one.until is None or one.until > now
        )
        return FilesTurn(RULES, "as the rule files say", now, None, settings, restraints, all)


def _restraint(one: DeclaredRestraint, now: float) -> Restraint:
    kind = Kind.BLOCK if one.rate is None else Kind.LIMIT
    about, value = str(one.subject), "" if one.rate is None else str(one.rate)
    id = ID_PREFIX + blake2b(f"{kind} {about} {value}".encode(), digest_size=4).hexdigest()
    return Restraint(kind, id, about, value, RULES, one.reason, now, one.until)


def _content(one: Setting) -> tuple[Level, str, float | None]:
    """What tells a setting from another of its scope and actor, but for when it was made."""
    return one.level, one.reason, one.expires


def _own(board: Board) -> tuple[frozenset[Setting], frozenset[Restraint]]:
    return (
        frozenset(one for one in board.settings if one.actor == RULES),
        frozenset(one for one in board.restraints if one.actor == RULES),
    )
