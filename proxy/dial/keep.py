"""Makes the dial's changes durable, off the event loop, one write at a time.

Two kinds of change come here. One that has taken effect already only has to be remembered: it stands in the
backlog until a write succeeds, however long that takes. A proposal must be stored before it may take effect;
while it is being stored the dial may be turned again, so its owner has the last word on whether it still
stands, and where it does not the next write puts the store right.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from proxy.dial.restraints import RESTRAINTS_MAX
from proxy.dial.setting import Change
from proxy.dial.state import DialStore, Stored, StoredChange, StoreError

RETRY_FIRST_S = 0.2
RETRY_MAX_S = 5.0
STOP_WAIT_S = 5.0
"""How long a stop waits for the last write."""
BACKLOG_MAX = RESTRAINTS_MAX + 1000
"""Changes that wait to be stored; all that may run out at once find room. Past it the oldest lines of the trail are
dropped, counted and logged; what holds is always kept."""
PROPOSALS_MAX = 64

_log = structlog.get_logger("proxy.dial")


class Busy(StoreError):
    """Too many proposals wait for the store."""


class Proposal(Protocol):
    """A change that must be stored before it takes effect. Its methods are called on the event loop."""

    def prepare(self) -> tuple[Stored, tuple[Change, ...]] | None:
        """What to store, as of now, and the changes; None where it no longer stands."""
        ...

    def stored(self) -> tuple[Change, ...]:
        """It is stored: take effect. Where it can't any more, the changes that withdraw it from the trail."""
        ...

    def failed(self, error: StoreError) -> None:
        """It is not stored, and did not take effect."""
        ...


class Current(Protocol):
    """The dial as it holds now."""

    def __call__(self) -> Stored: ...


class KeepObserver(Protocol):
    """Told of what is not durable."""

    def on_unstored(self, changes: int) -> None: ...

    def on_dropped(self, changes: int) -> None: ...


@dataclass(slots=True)
class _Backlog:
    changes: deque[Change] = field(default_factory=deque)
    added: int = 0  # how many were ever added
    stored: int = 0  # how many of those are stored (or dropped)


class Keeper:
    """The one writer of a store, which belongs to its thread from `start` on."""

    def __init__(
        self,
        store: DialStore,
        current: Current,
        observer: KeepObserver,
        *,
        retry_first_s: float = RETRY_FIRST_S,
        retry_max_s: float = RETRY_MAX_S,
    ) -> None:
        self._store = store
        self._current = current
        self._observer = observer
        self._retry_s = (retry_first_s, retry_max_s)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dial-store")
        self._wake = asyncio.Event()
        self._attempted = asyncio.Condition()
        self._attempts = 0
        self._attempting = False
        self._backlog = _Backlog()
        self._proposals: deque[Proposal] = deque()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def start(self) -> Stored:
        """What was stored last. Raises StoreError."""
        loop = asyncio.get_running_loop()
        stored = await loop.run_in_executor(self._thread, self._store.load)
        self._task = asyncio.create_task(self._run(), name="dial-keeper")
        self._task.add_done_callback(_died)
        return stored

    async def stop(self) -> None:
        """Tries once more to store what is not, then closes the store. What remains is lost, and logged.

        A second stop does nothing.
        """
        if self._stopped:
            return
        self._stopped = True
        if self._task is not None:
            if self._backlog.changes:
                self._wake.set()
                await self._wait_attempt(self._backlog.added, STOP_WAIT_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._proposals:
            self._proposals.popleft().failed(StoreError("the proxy is stopping"))
        if self._backlog.changes:
            _log.error("dial_changes_lost", changes=len(self._backlog.changes))
        closed = asyncio.get_running_loop().run_in_executor(self._thread, self._store.close)
        # A disk that hangs must not keep the proxy from stopping.
        await asyncio.wait((closed,), timeout=STOP_WAIT_S)
        self._thread.shutdown(wait=False)

    @property
    def unstored(self) -> tuple[tuple[int, Change], ...]:
        """Changes that hold and are not stored yet, oldest first, each with its number."""
        return tuple(enumerate(self._backlog.changes, self._backlog.stored + 1))

    def remember(self, change: Change) -> int:
        """Store this when it can be. Returns its number for `durable`."""
        backlog = self._backlog
        backlog.changes.append(change)
        backlog.added += 1
        if len(backlog.changes) > BACKLOG_MAX:
            dropped = backlog.changes.popleft()
            backlog.stored += 1
            self._observer.on_dropped(1)
            _log.error("dial_change_dropped", action=dropped.action, scope=dropped.scope)
        self._observer.on_unstored(len(backlog.changes))
        self._wake.set()
        return backlog.added

    async def durable(self, number: int, wait_s: float) -> bool:
        """Whether that change is stored, once a write that carried it has ended, or after `wait_s`."""
        await self._wait_attempt(number, wait_s)
        return self._backlog.stored >= number

    def propose(self, proposal: Proposal) -> None:
        """Store it, then tell it. Raises Busy."""
        if len(self._proposals) >= PROPOSALS_MAX:
            raise Busy("too many changes wait for the dial's store")
        self._proposals.append(proposal)
        self._wake.set()

    async def changes(self, limit: int, before: int | None) -> tuple[StoredChange, ...]:
        """Stored changes, newest first. Raises StoreError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._store.changes, limit, before)

    async def _wait_attempt(self, number: int, wait_s: float) -> None:
        # A write under way may have begun before this change; the one after it is sure to carry it.
        enough = self._attempts + (2 if self._attempting else 1)

        def done() -> bool:
            return self._backlog.stored >= number or self._attempts >= enough

        try:
            async with asyncio.timeout(wait_s), self._attempted:
                await self._attempted.wait_for(done)
        except TimeoutError:
            pass

    async def _run(self) -> None:
        delay_s = 0.0
        while True:
            if delay_s:
                # A fresh change is tried at once; the delay is for what failed before.
                try:
                    async with asyncio.timeout(delay_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass
            else:
                await self._wake.wait()
            self._wake.clear()
            proposal = self._proposals.popleft() if self._proposals else None
            self._attempting = True
            ok = await self._attempt(proposal)
            async with self._attempted:
                self._attempting = False
                self._attempts += 1
                self._attempted.notify_all()
            if self._proposals:
                self._wake.set()
            first_s, max_s = self._retry_s
            delay_s = 0.0 if ok or not self._backlog.changes else min(max(delay_s * 2, first_s), max_s)

    async def _attempt(self, proposal: Proposal | None) -> bool:
        """One write of all that is to be stored; whether the store took it."""
        prepared = proposal.prepare() if proposal is not None else None
        if prepared is None:
            proposal = None
            if not self._backlog.changes:
                return True
        changes = list(self._backlog.changes)
        number = self._backlog.added
        if prepared is None:
            contents = self._current()
        else:
            contents, proposed = prepared
            changes += proposed
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._thread, self._store.write, contents, changes
            )
        except StoreError as error:
            _log.error("dial_store_failed", error=str(error), unstored=len(self._backlog.changes))
            if proposal is not None:
                proposal.failed(error)
            return False
        except asyncio.CancelledError:
            if proposal is not None:
                proposal.failed(StoreError("the proxy is stopping"))
            raise
        self._is_stored(number)
        for undo in proposal.stored() if proposal is not None else ():
            self.remember(undo)
        return True

    def _is_stored(self, number: int) -> None:
        backlog = self._backlog
        while backlog.stored < number:
            backlog.changes.popleft()
            backlog.stored += 1
        self._observer.on_unstored(len(backlog.changes))


def _died(task: asyncio.Task[None]) -> None:
    # Turns go on without it, each answered as not durable; that must not be all that is seen of a bug here.
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("dial_keeper_died", exc_info=error)
