"""One turn of the dial: what somebody asks for, how it fails, and how one is stored before it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from proxy.clock import new_id
from proxy.dial.board import Board
from proxy.dial.levels import DEFAULT, loosens
from proxy.dial.setting import Actor, ActorKind, Change, Scope, Setting
from proxy.dial.state import StoreError
from proxy.errors import GuardrailError
from proxy.model.level import Level

SETTINGS_MAX = 1000


class TurnError(GuardrailError):
    """A turn that did not take effect."""


class LevelUnavailable(TurnError):
    """The level exists in the contract and cannot be set in this version."""


class VersionMismatch(TurnError):
    """The dial was turned since the caller read it."""


class Conflict(TurnError):
    """Another turn of the same scope came while this one was being stored."""


class TooManySettings(TurnError):
    """The dial is full."""


class NotDurable(TurnError):
    """A turn that may loosen could not be stored, so it did not take effect."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The dial as it holds. `etag` is the same only where the version and all settings are."""

    version: int
    etag: str
    board: Board = field(compare=False)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """By scope, then by whose they are."""
        return tuple(sorted(self.board.settings, key=lambda one: one.key))


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


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody asks for. `setting` None takes their own away; `if_match` None means whatever holds."""

    scope: Scope
    actor: Actor
    setting: Setting | None
    reason: str
    at: float
    if_match: frozenset[str] | None

    def check(self, now: Snapshot) -> None:
        """Raises VersionMismatch."""
        if self.if_match is not None and now.etag not in self.if_match:
            raise VersionMismatch(f"the dial was turned since: it is at version {now.version} now")

    def apply(self, board: Board) -> Board:
        """The board after it; the same one where it changes nothing. Raises TooManySettings."""
        after = board
        if self.setting is None:
            after = after.without(self._key)
        if self.actor.kind is ActorKind.PERSON:
            # A person's turn ends what the tripwires had set here: the person has looked.
            after = after.without_kind(self.scope, ActorKind.TRIPWIRE)
        if self.setting is not None:
            after = after.with_setting(self.setting)
        if len(after.settings) > max(SETTINGS_MAX, len(board.settings)):
            raise TooManySettings(f"the dial holds at most {SETTINGS_MAX} settings; clear some first")
        return after

    def loosens(self, before: Board, after: Board) -> bool:
        """Whether `after`, its own doing, may be looser for any exchange."""
        return loosens(before.level_at(self.scope), after.level_at(self.scope))

    def change(self, board: Board) -> Change:
        """Its line on the trail: from what its actor had set at that scope to what the actor sets."""
        own = board.own(self._key)
        return Change(
            id=new_id(self.at),
            at=self.at,
            actor=self.actor,
            action="dial.clear" if self.setting is None else "dial.set",
            scope=str(self.scope),
            before=own.level.word if own is not None else None,
            after=self.setting.level.word if self.setting is not None else None,
            reason=self.reason,
        )

    def turned(self, now: Snapshot, level: Level | None, *, durable: bool, changed: bool = True) -> Turned:
        return Turned(
            scope=self.scope,
            setting=self.setting,
            level=DEFAULT if level is None else level,
            version=now.version,
            etag=now.etag,
            durable=durable,
            changed=changed,
        )

    @property
    def _key(self) -> tuple[str, str]:
        return (str(self.scope), self.actor.slot)


class Held(Protocol):
    """The dial, as a turn that waits for the store sees it."""

    @property
    def board(self) -> Board: ...

    def snapshot(self) -> Snapshot: ...

    def hold(self, board: Board, turn: Turn) -> None:
        """The turn takes effect."""
        ...


class Loosening:
    """A turn that must be stored before it holds. The dial may be turned otherwise while the store writes:

    - its caller named a version → it fails with VersionMismatch
    - the same scope was turned → it fails with Conflict: what came later and holds already wins
    - its caller has given up → it does not happen
    - anything else → both hold

    Where it fails after the store had taken it, a `dial.withdraw` follows on the trail, and with it the
    settings as they hold.
    """

    def __init__(self, turn: Turn, held: Held, clock: Callable[[], float]) -> None:
        self.done: asyncio.Future[Turned] = asyncio.get_running_loop().create_future()
        self._turn = turn
        self._held = held
        self._clock = clock
        self._base = held.board
        self._change: Change | None = None

    def prepare(self) -> tuple[int, Sequence[Setting], Change] | None:
        if self.done.done():
            return None
        now = self._held.snapshot()
        try:
            self._turn.check(now)
            after = self._turn.apply(self._held.board)
        except TurnError as error:
            self.done.set_exception(error)
            return None
        self._base = self._held.board
        self._change = self._turn.change(self._base)
        return now.version + 1, after.settings, self._change

    def stored(self) -> Change | None:
        now = self._held.snapshot()
        board = self._held.board
        scope = self._turn.scope
        try:
            if self.done.done():
                return self._withdraw("its caller had given up")
            if board is not self._base:
                self._turn.check(now)
                if board.at(scope) != self._base.at(scope):
                    raise Conflict(f"{scope} was turned while this was being stored; look again")
            after = self._turn.apply(board)
        except TurnError as error:
            self.done.set_exception(error)
            return self._withdraw("the dial was turned while it was being stored")
        self._held.hold(after, self._turn)
        self.done.set_result(self._turn.turned(self._held.snapshot(), after.level_at(scope), durable=True))
        return None

    def failed(self, error: StoreError) -> None:
        if not self.done.done():
            self.done.set_exception(
                NotDurable(f"this may loosen, could not be stored and does not hold: {error}")
            )

    def _withdraw(self, why: str) -> Change | None:
        change = self._change
        if change is None:
            return None
        now = self._clock()
        return replace(
            change, id=new_id(now), at=now, action="dial.withdraw", before=change.after, after=change.before,
            reason=f"never took effect: {why}",
        )  # fmt: skip
