"""Turning restraints: a block, a limit, a rollback or a patch of the rules comes or goes.

One that comes takes effect at once, as a tightening of the dial does, also a rollback: it is how a model is
contained. One that goes is stored first.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from proxy.clock import new_id
from proxy.dial.board import Board
from proxy.dial.control import Dial
from proxy.dial.restraint import Kind, Restraint
from proxy.dial.restraints import RESTRAINTS_MAX
from proxy.dial.setting import Actor, ActorKind, Change
from proxy.dial.turn import Done, NoSuchRestraint, StandsInFiles, TooManyRestraints, Turn
from proxy.scopes import check_reason

CALLS_HELD_MAX: Final = 1_000_000
"""How many calls all limits together may allow: each call in a window is remembered, some 40 bytes."""

PATCHES_MAX: Final = 100
"""How many patches of the rules may hold at once: each change of one compiles their phrases anew."""

_VERBS: Final = MappingProxyType({Kind.BLOCK: ("add", "remove"), Kind.LIMIT: ("add", "remove"),
                                  Kind.ROLLBACK: ("set", "clear"), Kind.PATCH: ("add", "remove")})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Restrained:
    """A restraint that came or went. `changed` is false where it was not there anyway."""

    restraint: Restraint | None
    version: int
    etag: str
    durable: bool
    changed: bool = True


def change_of(
    turn: Turn, kind: Kind, scope: str, old: Restraint | None, new: Restraint | None, reason: str
) -> Change:
    """The line on the trail of a restraint that comes, goes or takes another's place."""
    comes, goes = _VERBS[kind]
    return Change(
        id=new_id(turn.at),
        at=turn.at,
        actor=turn.actor,
        action=f"{kind}.{comes if new is not None else goes}",
        scope=scope,
        before=old.does if old is not None else None,
        after=new.does if new is not None else None,
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class RestraintTurn(Turn):
    """`restraint` None takes away the one of that key."""

    key: tuple[str, str]
    restraint: Restraint | None
    about: str

    @property
    def scope(self) -> str:
        return self.about

    def apply(self, board: Board) -> Board:
        """Raises TooManyRestraints, StandsInFiles; NoSuchRestraint where what is to go is not there, but for a
        rollback."""
        held = board.restraints
        if self.restraint is None:
            gone = held.get(self.key)
            if gone is None and self.key[0] != Kind.ROLLBACK:
                raise NoSuchRestraint(f"there is no {self.key[0]} {self.key[1]}")
            if gone is not None and gone.actor.kind is ActorKind.RULES:
                raise StandsInFiles(
                    f"the {gone.kind} of {gone.about} stands in the rule files (`{gone.kind}s`): take it out there"
                )
            return board.with_restraints(held.without(self.key))
        after = held.with_one(self.restraint)
        if len(after) > max(RESTRAINTS_MAX, len(held)):
            raise TooManyRestraints(
                f"at most {RESTRAINTS_MAX} blocks, limits and rollbacks hold at once; remove some first"
            )
        if len(after.patches) > max(PATCHES_MAX, len(held.patches)):
            raise TooManyRestraints(
                f"at most {PATCHES_MAX} patches hold at once: move some into the rule files, then remove them"
            )
        calls = after.calls
        if calls > max(CALLS_HELD_MAX, held.calls):
            raise TooManyRestraints(
                f"all limits together would allow {calls} calls, each remembered; at most {CALLS_HELD_MAX} are"
            )
        return board.with_restraints(after)

    def loosens(self, before: Board, after: Board) -> bool:
        return self.restraint is None

    def overtaken(self, base: Board, now: Board) -> bool:
        return base.restraints.get(self.key) != now.restraints.get(self.key)

    def changes(self, board: Board) -> tuple[Change, ...]:
        old, new = board.restraints.get(self.key), self.restraint
        return (change_of(self, Kind(self.key[0]), self.about, old, new, self.reason),)


async def restrain(
    dial: Dial,
    kind: Kind,
    about: str,
    value: str = "",
    *,
    actor: Actor,
    reason: str,
    ttl_s: float | None = None,
    if_match: frozenset[str] | None = None,
) -> Restrained:
    """A block or limit of the subject `about`, at the rate `value`; a rollback of the model `about` to the version
    `value`, in place of one that there was; or a patch of the rules. Raises Invalid, TurnError."""
    now, reason = dial.now(), check_reason(reason)
    id = about if kind is Kind.ROLLBACK else _new_id(dial, kind)
    expires = None if ttl_s is None else now + ttl_s
    one = Restraint(kind, id, about, value, actor, reason, now, expires)
    return _restrained(
        one, await dial.turn(RestraintTurn(actor, reason, now, if_match, one.key, one, one.scope))
    )


async def lift(
    dial: Dial, kind: Kind, id: str, *, actor: Actor, reason: str, if_match: frozenset[str] | None = None
) -> Restrained:
    """Take one away, whoever set it. Raises Invalid, TurnError."""
    old = dial.snapshot().board.restraints.get((kind, id))
    scope = old.scope if old is not None else f"model:{id}" if kind is Kind.ROLLBACK else f"{kind} {id}"
    turn = RestraintTurn(actor, check_reason(reason), dial.now(), if_match, (kind, id), None, scope)
    return _restrained(old, await dial.turn(turn))


def _restrained(one: Restraint | None, done: Done) -> Restrained:
    return Restrained(one, done.now.version, done.now.etag, done.durable, done.changed)


def _new_id(dial: Dial, kind: Kind) -> str:
    """Short, since people type it."""
    while True:
        id = os.urandom(4).hex()
        if dial.board.restraints.get((kind, id)) is None:
            return id
