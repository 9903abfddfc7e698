"""The exchange log in one SQLite file: the `Recorder` for a single node."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeVar

import structlog

from proxy.errors import LogUnavailable
from proxy.log.admission import ENDED_ALREADY
from proxy.log.fault import Fault
from proxy.log.health import HealthLines
from proxy.log.items import Ask, Item, Settled
from proxy.log.keep import Keep
from proxy.log.port import Chain, LogObserver, Page, Previous, Search
from proxy.log.prepare import Entry, Revocable
from proxy.log.reading import OWN_READS_MAX, Readers
from proxy.log.seal import StoreUnusable
from proxy.log.store import Store
from proxy.log.weight import weight_of
from proxy.log.writer import Writer
from proxy.model.record import Begun, Finished, Json
from proxy.model.secret import Secrets

QUEUE_RECORDS_MAX: Final = 8192
QUEUE_BYTES_MAX: Final = 256 * 1024 * 1024
"""Records handed in and not settled; past either limit the next one fails at once. A single record larger than
the limit is taken when nothing else waits."""
STALL_S: Final = 5.0
"""A record that is not settled by then fails, and so does every new one until the disk answers again."""
COMPANY_S: Final = 0.025
"""So long a beginning may wait for records that somebody waits for: each commit costs the same."""
READ_WAIT_S: Final = 1.0
READERS_WAITING_MAX: Final = 1024
"""So long a reader waits for what was handed in before, and so many at once; else it reads what there is."""
DRAIN_S: Final = 10.0  # how long `stop` waits for the queue to be written
_WATCH_S: Final = 0.5
_RECORD_BYTES: Final = 1024

T = TypeVar("T")

_log = structlog.get_logger("proxy.log")


class SqliteRecorder:
    """Keeps exchanges in the file at `path`. Used from one event loop; `clock` gives Unix seconds."""

    def __init__(
        self,
        path: Path,
        *,
        durability: Literal["before_release", "async"] = "before_release",
        keep: Keep | None = None,
        secrets: Secrets | None = None,
        observer: LogObserver | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._durable, self._observer = durability == "before_release", observer
        self._readers = Readers(path, secrets)
        self._own_reader = Readers(path, secrets, threads=1, reads_max=OWN_READS_MAX)
        self._writer = Writer(
            Store(path, clock, keep, secrets),
            opened=self._opened,
            changed=self._changed,
            settled=self._settled,
            noted=self._noted,
            removed=self._removed,
            ended=self._ended,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready: asyncio.Future[StoreUnusable | None] | None = None
        self._end: asyncio.Future[None] | None = None
        self._waiting: deque[tuple[Item, asyncio.Future[None] | None]] = deque()
        self._bytes = 0
        self._unsent: list[Item] = []
        self._sending = self._hurrying = False  # whether `hurry` is to be called
        self._stalled = self._watching = False
        self._stopping = self._over = False
        self._asking = 0  # questions that the writer has yet to answer
        self._health = HealthLines(self._tell_health)

    async def start(self) -> None:
        """See `Recorder.start`."""
        self._loop = asyncio.get_running_loop()
        self._ready = self._loop.create_future()
        self._end = self._loop.create_future()
        self._writer.start()
        unusable = await self._ready
        if unusable is not None:
            raise unusable
        self._tell_health()

    async def stop(self) -> None:
        """See `Recorder.stop`; waits at most `DRAIN_S`."""
        if self._end is None or self._stopping:
            return
        self._stopping = True
        self._health.stop()
        self.hurry()
        self._writer.finish()
        done, _ = await asyncio.wait((self._end,), timeout=DRAIN_S)
        if not done:
            self._fail_waiting(
                Fault("stalled", "the exchange log did not finish writing in time"), older_than_s=0.0
            )
        self._readers.close()
        self._own_reader.close()

    def begin(self, begun: Begun) -> asyncio.Future[None]:
        """See `Recorder.begin`."""
        known = 3 * begun.body_bytes if begun.body_read else 0
        return self._hand_in(begun, _RECORD_BYTES + (known or weight_of(begun.body)))

    def finish(self, finished: Finished, *, revocable: bool = False) -> asyncio.Future[None]:
        """See `Recorder.finish`."""
        content: Json = [finished.sent, finished.received, finished.delivered, finished.logprobs]
        return self._hand_in(finished, _RECORD_BYTES + weight_of(content), revocable=revocable)

    def hurry(self) -> None:
        """See `Recorder.hurry`."""
        self._hurrying = False
        if self._unsent:
            self._writer.put(self._unsent)
            self._unsent = []

    def _company(self) -> None:
        """No beginning waits any longer. Its timer is not stopped where that was sent before: that costs more."""
        self._sending = False
        self.hurry()

    @property
    def queue_depth(self) -> int:
        """See `Recorder.queue_depth`."""
        return len(self._waiting)

    @property
    def healthy(self) -> bool:
        """See `Recorder.healthy`."""
        return self._loop is not None and not self._stalled and self._writer.fault is None

    @property
    def fault(self) -> str | None:
        """Why it is not healthy, for people."""
        if self._stalled:
            return f"the exchange log has not answered for {STALL_S:g} s"
        fault = self._writer.fault
        return None if fault is None else fault.text

    async def search(self, search: Search) -> Page:
        """See `Recorder.search`."""
        await self._all_in()
        return await self._readers.search(search)

    async def show(self, id: str) -> Mapping[str, Json] | None:
        """See `Recorder.show`."""
        await self._all_in()
        return await self._readers.show(id)

    async def conversation(self, id: str, previous: Previous) -> Chain | None:
        """See `Recorder.conversation`."""
        await self._all_in()
        return await self._own_reader.conversation(id, previous)

    async def _all_in(self) -> None:
        """Wait until what was handed in can be read, for so long as a reader waits for the writer."""
        if self._loop is None or not self.healthy or self._over or self._asking >= READERS_WAITING_MAX:
            return
        self.hurry()
        asked: asyncio.Future[None] = self._loop.create_future()
        self._asking += 1
        asked.add_done_callback(self._answered)
        self._writer.put(Ask(lambda: self._tell(_set_result, asked, None)))
        await asyncio.wait((asked,), timeout=READ_WAIT_S)

    def _answered(self, asked: asyncio.Future[None]) -> None:
        self._asking -= 1

    def _hand_in(self, entry: Entry, weight: int, *, revocable: bool = False) -> asyncio.Future[None]:
        loop = self._loop
        if loop is None:
            raise RuntimeError("the recorder was not started")
        future: asyncio.Future[None] = loop.create_future()
        waiting = self._waiting
        full = len(waiting) >= QUEUE_RECORDS_MAX or (waiting and self._bytes + weight > QUEUE_BYTES_MAX)
        refused: Fault | None = None
        if full:
            refused = Fault("queue_full", "the exchange log's queue is full")
        elif self._stopping or self._over:
            refused = Fault("stopped", "the exchange log is closing")
        elif self._stalled:
            refused = Fault("stalled", self.fault or "")
        if refused is not None:
            future.set_exception(LogUnavailable(refused.text))
            self._failed(refused.reason)
            if refused.reason != "stalled" or revocable:
                return future  # nobody waits for a stalled disk, but what it missed is written afterwards
        if revocable and self._durable:
            assert isinstance(entry, Finished)
            entry = Revocable(entry, future)
        item = Item(entry, weight, loop.time())
        self._bytes += weight
        waiting.append((item, future if self._durable else None))
        self._unsent.append(item)
        if not self._durable and not future.done():
            future.set_result(None)
        if isinstance(entry, Begun):
            if not self._sending:
                self._sending = True
                loop.call_later(COMPANY_S, self._company)
        elif not self._hurrying:
            # Those that end in the same turn of the loop go together: waking the writer costs more than a record.
            self._hurrying = True
            loop.call_soon(self.hurry)
        if not self._watching:
            self._watching = True
            loop.call_later(_WATCH_S, self._watch)
        return future

    def _opened(self, unusable: StoreUnusable | None) -> None:
        self._tell(_set_result, self._ready, unusable)

    def _ended(self) -> None:
        self._tell(self._on_ended)

    def _changed(self) -> None:
        self._tell(self._tell_health)

    def _settled(self, settled: Settled) -> None:
        self._tell(self._on_settled, settled)

    def _noted(self, reason: str, text: str) -> None:
        self._tell(self._on_noted, reason, text)

    def _removed(self, why: str, exchanges: int) -> None:
        if self._observer is not None:
            self._tell(self._observer.on_removed, why, exchanges)

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            return  # the loop was closed under us: nobody is left to be told

    def _tell_health(self) -> None:
        if not self._stopping:
            self._health.tell(None if self._stalled else self._writer.fault, self.fault, well=self.healthy)

    def _on_settled(self, settled: Settled) -> None:
        if self._stalled:
            self._stalled = False
            self._tell_health()
        failed = settled.fault
        for place, item in enumerate(settled.items):
            _, future = self._waiting.popleft()
            self._bytes -= item.weight
            why = failed.text if failed is not None else settled.refused.get(place)
            if future is not None and not future.done():
                if why is None:
                    future.set_result(None)
                else:
                    future.set_exception(LogUnavailable(why))
            if why is not None:
                overtaken = failed is None and why == ENDED_ALREADY
                if overtaken and isinstance(item.entry, Finished):
                    # The chain is never amended; who reads the record must know that it is not the last word.
                    _log.warning("log_overtaken", exchange=item.entry.id, outcome=item.entry.outcome.value)
                self._failed(failed.reason if failed else "overtaken" if overtaken else "refused")
        for _ in range(settled.dropped):
            self._failed("dropped")
        if self._observer is not None:
            if failed is None:
                self._observer.on_commit(settled.seconds, len(settled.items) - len(settled.refused))
            self._observer.on_queue(len(self._waiting))

    def _on_noted(self, reason: str, text: str) -> None:
        _log.error("log_noted", reason=reason, why=text)
        self._failed(reason)

    def _on_ended(self) -> None:
        self._over = True
        self._fail_waiting(Fault("stopped", "the log's writer has ended"), older_than_s=0.0)
        _set_result(self._end, None)

    def _watch(self) -> None:
        """Notice a disk that does not answer: no thread can be taken back from it."""
        assert self._loop is not None
        if not self._waiting:
            self._watching = False
            return
        self._loop.call_later(_WATCH_S, self._watch)
        if self._waiting[0][0].since + STALL_S <= self._loop.time():
            self._stalled = True
            self._tell_health()
            self._fail_waiting(Fault("stalled", self.fault or ""), older_than_s=STALL_S)
        if self._observer is not None:
            self._observer.on_queue(len(self._waiting))

    def _fail_waiting(self, fault: Fault, *, older_than_s: float) -> None:
        """Fail whoever waits that long; their records stay with the writer and may yet be written."""
        assert self._loop is not None
        before = self._loop.time() - older_than_s
        for item, future in self._waiting:
            if item.since <= before and future is not None and not future.done():
                future.set_exception(LogUnavailable(fault.text))
                self._failed(fault.reason)

    def _failed(self, reason: str) -> None:
        if self._observer is not None:
            self._observer.on_failure(reason)


def _set_result(future: asyncio.Future[T] | None, value: T) -> None:
    if future is not None and not future.done():
        future.set_result(value)
