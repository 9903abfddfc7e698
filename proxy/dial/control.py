"""The containment dial: what level holds for an exchange, and every turn of it.

Reading is synchronous and cheap: each exchange asks. A turn that can only tighten takes effect before this
module awaits anything, for new exchanges and for those under way, and is stored after; a turn that may loosen
is stored first. So no crash, and no broken disk, leaves an exchange looser than somebody made sure it may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf

import structlog

from proxy.clock import new_id
from proxy.dial.board import Board, Effective
from proxy.dial.keep import RETRY_FIRST_S, RETRY_MAX_S, Keeper
from proxy.dial.levels import DEFAULT
from proxy.dial.listeners import DialObserver, Live, Unobserved
from proxy.dial.restraints import Restraints
from proxy.dial.setting import Actor, Change, Setting
from proxy.dial.setting_turn import SettingTurn, Turned
from proxy.dial.state import DialStore, Stored, StoredChange, StoreError
from proxy.dial.turn import Done, Loosening, NotDurable, Snapshot, Turn, stored
from proxy.model.level import Level
from proxy.model.subject import Reach
from proxy.scopes import Scope, check_reason

__all__ = ["Dial", "DialObserver", "Effective", "Live"]

TIGHTEN_WAIT_S = 1.0
"""How long the answer to a tightening waits to be able to say that it is durable. It holds already."""
LOOSEN_WAIT_S = 5.0
TIMER_S_MAX = 3600.0
"""The longest sleep of the expiry timer: the wall clock may be set meanwhile."""

_log = structlog.get_logger("proxy.dial")


class Dial:
    """All settings, and the exchanges under way that they reach. Belongs to one event loop."""

    def __init__(
        self,
        store: DialStore,
        *,
        clock: Callable[[], float],
        observer: DialObserver | None = None,
        retry_first_s: float = RETRY_FIRST_S,
        retry_max_s: float = RETRY_MAX_S,
        tighten_wait_s: float = TIGHTEN_WAIT_S,
        loosen_wait_s: float = LOOSEN_WAIT_S,
    ) -> None:
        self._clock = clock
        self._observer: DialObserver = observer or Unobserved()
        self._tighten_wait_s = tighten_wait_s
        self._loosen_wait_s = loosen_wait_s
        self._board = Board()
        self._version = 0
        self._running: dict[Live, Level] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._watchers: list[Callable[[], object]] = []
        self._keeper = Keeper(
            store, self._current, self._observer, retry_first_s=retry_first_s, retry_max_s=retry_max_s
        )

    async def start(self) -> None:
        """Takes up what was stored. Raises StoreError: without it nobody knows what is killed."""
        found = await self._keeper.start()
        self._replace(Board(found.settings, Restraints(found.restraints)), version=found.version)
        self.expire()

    async def stop(self) -> None:
        """Stores what is not stored yet, if it can be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._keeper.stop()

    # Reading

    @property
    def board(self) -> Board:
        """The settings as they hold; `expire` first where the moment matters."""
        return self._board

    def effective(self, reach: Reach) -> Effective:
        """The level that holds for an exchange now, and the setting that decides."""
        if self._board.next_expiry <= self._clock():
            self.expire()
        return self._board.effective(reach)

    def restraints(self) -> Restraints:
        """The blocks, limits and rollbacks that hold now."""
        if self._board.next_expiry <= self._clock():
            self.expire()
        return self._board.restraints

    def watch(self, told: Callable[[], object]) -> None:
        """Have `told` called whenever patches of the rules came or went. It must not block."""
        self._watchers.append(told)

    def now(self) -> float:
        """The dial's clock, in Unix seconds."""
        return self._clock()

    def snapshot(self) -> Snapshot:
        self.expire()
        # The version alone could come again: turns that were never stored are lost in a crash.
        return Snapshot(self._version, f"{self._version}-{self._board.mark:x}", self._board)

    def unstored(self) -> tuple[tuple[int, Change], ...]:
        """Changes that hold and are not stored yet, oldest first, numbered in the order they were made."""
        return self._keeper.unstored

    async def changes(self, limit: int, before: int | None = None) -> tuple[StoredChange, ...]:
        """Stored changes, newest first, below the `seq` of `before`. Raises StoreError."""
        return await self._keeper.changes(limit, before)

    # Exchanges under way

    def attach(self, live: Live) -> None:
        """From now until `detach`, it is told of every rise above the highest level that it was told of."""
        self._running[live] = live.began
        self._tell((live,))

    def detach(self, live: Live) -> None:
        """It has ended. Harmless where it was not attached."""
        self._running.pop(live, None)

    @property
    def running(self) -> int:
        """How many exchanges are attached."""
        return len(self._running)

    # Turning

    async def set(
        self,
        scope: Scope,
        level: Level,
        *,
        actor: Actor,
        reason: str,
        ttl_s: float | None = None,
        if_match: frozenset[str] | None = None,
    ) -> Turned:
        """Set the actor's own setting at a scope. Raises Invalid, TurnError."""
        now = self._clock()
        expires = None if ttl_s is None else now + ttl_s
        setting = Setting(scope, level, actor, check_reason(reason), now, expires)
        turn = SettingTurn(actor, setting.reason, now, if_match, scope, setting)
        return turn.answer(await self.turn(turn))

    async def clear(
        self, scope: Scope, *, actor: Actor, reason: str, if_match: frozenset[str] | None = None
    ) -> Turned:
        """Take the actor's own setting at a scope away. Raises Invalid, TurnError."""
        turn = SettingTurn(actor, check_reason(reason), self._clock(), if_match, scope, None)
        return turn.answer(await self.turn(turn))

    async def note(
        self, *, actor: Actor, action: str, scope: str, before: str | None, after: str | None, reason: str
    ) -> bool:
        """A change of something else, as of the rules, on the same trail. Whether it is stored already; where
        not, it will be. Raises Invalid."""
        now = self._clock()
        change = Change(new_id(now), now, actor, action, scope, before, after, check_reason(reason))
        return await self._keeper.durable(self._keeper.remember(change), self._tighten_wait_s)

    def hold(self, board: Board, turn: Turn) -> None:
        """A turn takes effect. For `Loosening`, which calls it once its turn is stored."""
        changes = turn.changes(self._board)
        self._replace(board, version=self._version + 1)
        for scope in turn.turned():
            level = board.level_at(scope)
            self._observer.on_change(turn.actor.kind, DEFAULT if level is None else level)
        for change in changes:
            _log.warning(
                "dial_turned",
                action=change.action,
                scope=change.scope,
                actor=str(change.actor),
                before=change.before,
                after=change.after,
                reason=change.reason,
                version=self._version,
                running=len(self._running),
            )

    def expire(self) -> None:
        """Take away what has run out. Every reading does it, and a timer."""
        now = self._clock()
        settings = [one for one in self._board.settings if one.expires is not None and one.expires <= now]
        restraints = [one for one in self._board.restraints if one.expires is not None and one.expires <= now]
        if not settings and not restraints:
            return
        board = self._board.with_restraints(self._board.restraints.without(*(one.key for one in restraints)))
        for setting in settings:
            board = board.without(setting.key)
        self._replace(board, version=self._version + 1)
        lapsed = [("dial", str(one.scope), one.level.word, one.actor) for one in settings]
        lapsed += [(str(one.kind), one.scope, one.does, one.actor) for one in restraints]
        for what, scope, before, actor in lapsed:
            change = Change(new_id(now), now, actor, f"{what}.expire", scope, before, None, "ttl ended")
            self._keeper.remember(change)
            _log.warning(
                "dial_setting_expired", action=change.action, scope=scope, before=before, actor=str(actor)
            )

    async def turn(self, turn: Turn) -> Done:
        """Make a turn of whatever part hold. Raises TurnError."""
        now = self.snapshot()
        turn.check(now)
        after = turn.apply(self._board)
        if after is self._board:
            return Done(now, changed=False)
        if turn.loosens(self._board, after):
            return await self._store_then_hold(turn)
        changes = turn.changes(self._board)
        self.hold(after, turn)
        held, number = self.snapshot(), 0
        for change in changes:
            number = self._keeper.remember(change)
        return Done(held, await self._keeper.durable(number, self._tighten_wait_s))

    async def _store_then_hold(self, turn: Turn) -> Done:
        loosening = Loosening(turn, self, self._clock)
        try:
            self._keeper.propose(loosening)
        except StoreError as error:
            loosening.failed(error)
        try:
            async with asyncio.timeout(self._loosen_wait_s):
                # Timed out or cancelled, the future is cancelled with it, and the loosening sees that.
                return await loosening.done
        except TimeoutError:
            if loosening.done.done() and not loosening.done.cancelled():
                return loosening.done.result()  # it came true at the very moment
            raise NotDurable("this may loosen, was not stored in time and does not hold") from None

    def _current(self) -> Stored:
        return stored(self._version, self._board)

    def _replace(self, board: Board, *, version: int) -> None:
        before, after = self._board.strictest_by_scope(), board.strictest_by_scope()
        restraints, self._board = self._board.restraints, board
        if board.restraints is not restraints:
            self._observer.on_restraints(board.restraints.counts)
        if board.restraints.patches != restraints.patches:
            for told in self._watchers:
                told()
        self._version = version
        self._tell(tuple(self._running))
        self._arm()
        for scope in before.keys() | after.keys():
            old, new = before.get(scope), after.get(scope)
            if new is None:
                self._observer.on_level(str(scope), None)
            elif old is None or old.level is not new.level:
                self._observer.on_level(str(scope), new.level)

    def _tell(self, lives: Sequence[Live]) -> None:
        for live in lives:
            told = self._running.get(live)
            if told is None:
                continue  # one that was told before it may have ended this one
            effective = self._board.effective(live.reach)
            if effective.level <= told:
                continue
            self._running[live] = effective.level
            try:
                live.tightened(effective)
            except Exception:  # noqa: BLE001  the fault boundary between exchanges: one that fails must not shield the others from a kill
                _log.exception("exchange_not_told", level=effective.level.word)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._board.next_expiry < inf:
            delay_s = min(max(self._board.next_expiry - self._clock(), 0.001), TIMER_S_MAX)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self.expire()
        self._arm()
