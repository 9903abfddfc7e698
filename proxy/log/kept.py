"""Records that failed, kept in memory until the fault is over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from proxy.log.items import Item
from proxy.log.prepare import Revocable

KEPT_RECORDS_MAX: Final = 4096
KEPT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Records that failed and wait for the fault's end; past either limit the newest are dropped."""


class Kept:
    """In their order, within the limits."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._bytes = 0

    def keep(self, batch: Iterable[Item]) -> int:
        """Keep those whose exchange takes no other end; returns how many there was no room for."""
        dropped = 0
        for item in batch:
            if isinstance(item.entry, Revocable):
                continue
            if len(self._items) >= KEPT_RECORDS_MAX or self._bytes + item.weight > KEPT_BYTES_MAX:
                dropped += 1
            else:
                self._items.append(item)
                self._bytes += item.weight
        return dropped

    def first(self, records_max: int) -> Sequence[Item]:
        """So many of the oldest."""
        return list(islice(self._items, records_max))

    def written(self, items: Sequence[Item]) -> None:
        """These, the oldest, need not be kept any longer."""
        for item in items:
            self._items.popleft()
            self._bytes -= item.weight

    def drop(self) -> int:
        """Let go of all; returns how many."""
        dropped = len(self._items)
        self._items.clear()
        self._bytes = 0
        return dropped
