"""The one thread that writes: it takes whatever is queued, makes it durable at once, and tells the event loop.

While a fault lasts, records fail fast with its reason and are kept, within limits, to be written once it is
over; between attempts nothing touches the disk. Nothing here needs a restart to recover.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Final

from proxy.log.behind import LAST_STEPS_MAX, Behind, Pending
from proxy.log.encode import Damaged
from proxy.log.fault import Fault, reason_of
from proxy.log.heads import HEAD_S
from proxy.log.items import Ask, Item, Settled
from proxy.log.kept import Kept
from proxy.log.seal import StoreUnusable
from proxy.log.store import Store
from proxy.logs import faults

BATCH_RECORDS_MAX: Final = 512
BATCH_BYTES_MAX: Final = 32 * 1024 * 1024
RETRY_S: Final = 0.25
"""After a fault, how long records fail without another attempt."""
LOCK_WAIT_S: Final = 2.0  # for a `log` command that brings in what a crash left
FREE_BYTES_MIN: Final = 64 * 1024 * 1024
"""Less room than this on the disk counts as unhealthy: the next records may be the last."""
INDEX_STEP: Final = 128
"""Exchanges of one step of the indexes; while there is load, there is one after each commit."""
CHECKPOINT_RECORDS: Final = 4096
CHECKPOINT_BYTES: Final = 32 * 1024 * 1024
"""So much written, and the write-ahead log is brought in even under load; when idle it is done at once."""
UPKEEP_SHARE: Final = 4
"""A step of upkeep waits this many times as long as the one before took: it has a fifth of the writer's time."""
UPKEEP_S: Final = 1.0
"""How often it is looked whether anything is to be removed."""
_PAUSE_S: Final = 0.02
_REST_S: Final = 2.0


class Writer(threading.Thread):
    """Runs until `finish` was called and the queue is empty. `opened`, `changed` (of `fault`), `settled` and
    `noted` (what is wrong and keeps no record from being written: a word, and words for people) and `removed`
    (why, and how many exchanges) are called in this thread and must not block."""

    def __init__(
        self,
        store: Store,
        *,
        opened: Callable[[StoreUnusable | None], None],
        changed: Callable[[], None],
        settled: Callable[[Settled], None],
        noted: Callable[[str, str], None],
        removed: Callable[[str, int], None],
        ended: Callable[[], None],
    ) -> None:
        super().__init__(name="exchange-log", daemon=True)
        self._store = store
        self._opened = opened
        self._changed = changed
        self._settled = settled
        self._noted = noted
        self._removed = removed
        self._ended = ended
        self._queue: SimpleQueue[Sequence[Item] | Ask | None] = SimpleQueue()
        self._asks: list[Ask] = []
        self._pending = Pending()
        self._entered = 0  # of what the store has brought in, as far as it was counted
        self._kept = Kept()
        self._fault: Fault | None = None
        self._retry_at = 0.0
        self._behind = Behind()
        self._new_records = 0  # since the last checkpoint
        self._new_bytes = 0
        self._heads_at = 0.0  # not tried before then
        self._upkeep_at = 0.0
        self._upkeeping = False  # there is more to do
        self._stopping = False
        self._room = True

    @property
    def fault(self) -> Fault | None:
        """What keeps records from being written; None while all is well. May be asked from any thread."""
        if self._fault is None and not self._room:
            return Fault("full", f"less than {FREE_BYTES_MIN >> 20} MiB left on the disk")
        return self._fault

    def put(self, some: Sequence[Item] | Ask) -> None:
        """Hand in records, or a question for those before it; from any thread, without waiting."""
        self._queue.put(some)

    def finish(self) -> None:
        """Write what is queued, then end."""
        self._queue.put(None)

    def run(self) -> None:
        unusable: StoreUnusable | None = None
        try:
            try:
                self._store.open(LOCK_WAIT_S)
            except StoreUnusable as error:
                unusable = error
                return
            except Exception as error:  # noqa: BLE001  # as in _commit
                self._fail(error)
            finally:
                self._opened(unusable)
            if self._store.cut_off:
                self._noted("cut_off", "records that were on the log are gone from its end; see `log verify`")
            while not self._stopping:
                self._note()
                self._step()
                self._put_head()
                self._upkeep()
            self._bring_in()
            self._tidy(last=True)
            self._put_head(last=True)
        finally:
            self._fault = Fault("stopped", "the log's writer has ended")
            self._store.release()
            self._answer()
            self._ended()

    def _step(self) -> None:
        batch = self._take()
        if batch:
            self._commit(batch)
        if self._fault is None and self._bring_in_s() <= 0.0:
            self._bring_in()
        self._answer()
        if self._fault is not None or not batch:
            self._tidy()
            return
        # Under load as many records are indexed as came in, so that the rest stays bounded.
        for _ in range(len(batch) // INDEX_STEP + 1):
            if self._behind.due:
                self._tidy()
        if self._new_records >= CHECKPOINT_RECORDS or self._new_bytes >= CHECKPOINT_BYTES:
            self._tidy(checkpoint=True)

    def _take(self) -> list[Item]:
        """Everything that is queued, until the limits of a batch are reached; waits a while for the first."""
        batch: list[Item] = []
        weight = 0
        try:
            some = self._queue.get(timeout=self._wait_s())
            while some is not None:
                if isinstance(some, Ask):
                    self._asks.append(some)
                else:
                    batch += some
                    weight += sum(item.weight for item in some)
                    if len(batch) >= BATCH_RECORDS_MAX or weight >= BATCH_BYTES_MAX:
                        return batch
                some = self._queue.get_nowait()
            self._stopping = True
        except Empty:
            pass
        return batch

    def _wait_s(self) -> float:
        """How long it may wait for records before there is something else to do."""
        if self._fault is not None:
            return RETRY_S
        rest_s = self._behind.wait_s() if self._behind.any else _PAUSE_S if self._new_records else _REST_S
        return min(rest_s, self._bring_in_s(), _PAUSE_S if self._upkeeping else rest_s)

    def _bring_in_s(self) -> float:
        if not self._store.pending:
            return _REST_S
        return 0.0 if self._asks else self._pending.wait_s(self._store.pending)

    def _bring_in(self) -> None:
        try:
            self._store.bring_in()
        except Exception as error:  # noqa: BLE001  # as in _commit
            self._fail(error)
        self._count()

    def _count(self) -> None:
        """Take note of what has come into the tables."""
        new = self._store.entered - self._entered
        if new:
            self._entered += new
            self._behind.wrote(new)
            self._new_records += new

    def _answer(self) -> None:
        asks, self._asks = self._asks, []
        for ask in asks:
            ask.answer()

    def _commit(self, batch: list[Item]) -> None:
        started = time.perf_counter()
        if self._fault is not None and time.monotonic() < self._retry_at:
            self._give_up(batch, started)
            return
        try:
            self._write_kept()
            refused = self._write(batch)
        except (sqlite3.Error, OSError, Damaged, StoreUnusable) as error:
            self._fail(error)
            self._give_up(batch, started)
            return
        except Exception as error:  # noqa: BLE001  # the declared boundary: a mistake of ours must not end the writer
            self._fail(error)
            # Not kept, nor what was kept before: what broke it once would break it for ever.
            dropped = len(batch) + self._kept.drop()
            self._settled(Settled(batch, time.perf_counter() - started, fault=self._fault, dropped=dropped))
            return
        self._recovered()
        self._settled(Settled(batch, time.perf_counter() - started, refused=refused))

    def _write(self, batch: Sequence[Item], *, again: bool = False) -> dict[int, str]:
        entries = [item.entry for item in batch]
        if not self._store.pending:
            self._pending.begins()
        try:
            refused = self._store.append(entries, again=again)
        except sqlite3.IntegrityError:
            # A record that is there already, from a commit that was reported as failed: look before writing.
            if again:
                raise
            self._store.close()
            refused = self._store.append(entries, again=True)
        self._count()
        self._new_bytes += sum(item.weight for item in batch)
        return refused

    def _write_kept(self) -> None:
        while some := self._kept.first(BATCH_RECORDS_MAX):
            self._write(some, again=True)
            self._kept.written(some)

    def _give_up(self, batch: list[Item], started: float) -> None:
        dropped = self._kept.keep(batch)
        self._settled(Settled(batch, time.perf_counter() - started, fault=self._fault, dropped=dropped))

    def _tidy(self, *, checkpoint: bool = False, last: bool = False) -> None:
        """What nobody waits for: trying again after a fault, the search index, the checkpoint."""
        try:
            if self._fault is not None:
                if time.monotonic() < self._retry_at and not last:
                    return
                self._store.probe()
                self._write_kept()
                self._recovered()
            elif self._behind.any and not checkpoint:
                steps = LAST_STEPS_MAX if last else 1 if self._behind.due else 0
                for _ in range(steps):
                    if not self._store.index(INDEX_STEP):
                        self._behind.done()
                        break
            elif self._new_records:
                self._store.checkpoint()
                self._new_records = self._new_bytes = 0
            room = self._store.free_bytes() >= FREE_BYTES_MIN
            if room != self._room:
                self._room = room
                self._changed()
        except Exception as error:  # noqa: BLE001  # as in _commit
            self._fail(error)
            if self._fault is not None and self._fault.reason == "bug":
                self._settled(Settled((), 0.0, fault=self._fault, dropped=self._kept.drop()))

    def _note(self) -> None:
        if lost := self._store.lost():
            self._noted("unreadable", lost)

    def _put_head(self, *, last: bool = False) -> None:
        """The file of heads proves the log's end; records are written whether or not it can be."""
        if self._fault is not None or (not last and time.monotonic() < self._heads_at):
            return
        try:
            self._store.put_head(last=last)
        except OSError as error:
            self._heads_at = time.monotonic() + HEAD_S
            self._noted("heads", f"the head of the exchange log cannot be written: {error}")

    def _upkeep(self) -> None:
        """A step of erasure and retention, if it is time for one."""
        started = time.monotonic()
        if self._fault is not None or started < self._upkeep_at:
            return
        try:
            step = self._store.upkeep()
        except Exception as error:  # noqa: BLE001  # as in _commit
            self._upkeep_at = started + UPKEEP_S
            self._fail(error)
            return
        self._upkeeping = step.more
        now = time.monotonic()
        self._upkeep_at = now + (UPKEEP_SHARE * (now - started) if step.more else UPKEEP_S)
        if step.more:
            self._new_records += 1  # something to bring into the main file
        if step.why is not None:
            self._removed(step.why, step.exchanges)

    def _fail(self, error: Exception) -> None:
        reason = reason_of(error)
        # What a mistake of ours has to say may quote a record.
        what = str(error) if reason != "bug" else f"{type(error).__name__}, a mistake of the proxy's own"
        if reason in ("full", "locked") or (isinstance(error, sqlite3.Error) and reason == "io"):
            self._store.give_up()
        else:
            self._store.close()
        way = tuple(faults(error)) if reason == "bug" else ()
        self._fault = Fault(reason, f"the exchange log cannot be written: {what}", way)
        self._retry_at = time.monotonic() + RETRY_S
        self._changed()

    def _recovered(self) -> None:
        if self._fault is not None:
            self._fault = None
            self._changed()
