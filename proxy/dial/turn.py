"""One turn of the dial, of whatever part: how it fails, and how one is stored before it holds."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from proxy.clock import new_id
from proxy.dial.board import Board
from proxy.dial.setting import Actor, Change, Setting
from proxy.dial.state import Stored, StoreError
from proxy.errors import GuardrailError
from proxy.scopes import Scope


class TurnError(GuardrailError):
    """A turn that did not take effect."""


class VersionMismatch(TurnError):
    """The dial was turned since the caller read it."""


class Conflict(TurnError):
    """Another turn of the same scope came while this one was being stored."""


class TooManySettings(TurnError):
    """The dial is full."""


class TooManyRestraints(TurnError):
    """So many blocks, limits and rollbacks hold already."""


class NoSuchRestraint(TurnError):
    """What was to be taken away is not there."""


class StandsInFiles(TurnError):
    """What was to be taken away stands in the rule files, which would bring it back."""


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
class Turn(ABC):
    """What somebody asks for. `if_match` None means whatever holds."""

    actor: Actor
    reason: str
    at: float
    if_match: frozenset[str] | None

    def check(self, now: Snapshot) -> None:
        """Raises VersionMismatch."""
        if self.if_match is not None and now.etag not in self.if_match:
            raise VersionMismatch(f"the dial was turned since: it is at version {now.version} now")

    @property
    @abstractmethod
    def scope(self) -> str:
        """What it is about, as the trail names it."""

    @abstractmethod
    def apply(self, board: Board) -> Board:
        """The board after it; the same one where it changes nothing. Raises TurnError."""

    @abstractmethod
    def loosens(self, before: Board, after: Board) -> bool:
        """Whether `after`, its own doing, may be looser for any exchange."""

    @abstractmethod
    def overtaken(self, base: Board, now: Board) -> bool:
        """Whether what it is about was turned between the two."""

    @abstractmethod
    def changes(self, board: Board) -> tuple[Change, ...]:
        """Its lines on the trail, made on that board."""

    def turned(self) -> tuple[Scope, ...]:
        """The scopes whose levels it turns."""
        return ()


@dataclass(frozen=True, slots=True)
class Done:
    """A turn that holds. `changed` is false where it holds already."""

    now: Snapshot
    durable: bool = True
    changed: bool = True


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
    - the same scope, block or limit was turned → it fails with Conflict: what came later and holds already wins
    - its caller has given up → it does not happen
    - anything else → both hold

    Where it fails after the store had taken it, a `….withdraw` follows on the trail, and with it the
    settings as they hold.
    """

    def __init__(self, turn: Turn, held: Held, clock: Callable[[], float]) -> None:
        self.done: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._turn = turn
        self._held = held
        self._clock = clock
        self._base = held.board
        self._changes: tuple[Change, ...] = ()

    def prepare(self) -> tuple[Stored, tuple[Change, ...]] | None:
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
        self._changes = self._turn.changes(self._base)
        return stored(now.version + 1, after), self._changes

    def stored(self) -> tuple[Change, ...]:
        now = self._held.snapshot()
        board = self._held.board
        try:
            if self.done.done():
                return self._withdraw("its caller had given up")
            if board is not self._base:
                self._turn.check(now)
                if self._turn.overtaken(self._base, board):
                    raise Conflict(f"{self._turn.scope} was turned while this was being stored; look again")
            after = self._turn.apply(board)
        except TurnError as error:
            self.done.set_exception(error)
            return self._withdraw("the dial was turned while it was being stored")
        self._held.hold(after, self._turn)
        self.done.set_result(Done(self._held.snapshot()))
        return ()

    def failed(self, error: StoreError) -> None:
        if not self.done.done():
            self.done.set_exception(
                NotDurable(f"this may loosen, could not be stored and does not hold: {error}")
            )

    def _withdraw(self, why: str) -> tuple[Change, ...]:
        now = self._clock()
        return tuple(
            replace(
                change, id=new_id(now), at=now, action=change.action.partition(".")[0] + ".withdraw",
                before=change.after, after=change.before, reason=f"never took effect: {why}",
            )
            for change in self._changes
        )  # fmt: skip


def stored(version: int, board: Board) -> Stored:
    """A board as the store keeps it."""
    return Stored(version, board.settings, tuple(board.restraints))
