"""What a session wrote and no index holds yet, remembered so that filling in the indexes need not read it again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Set
from itertools import islice
from typing import Final, NamedTuple

from proxy.log.rows import BeginRow, FinishRow

RECORDS_MAX: Final = 4096
PARTS_BYTES_MAX: Final = 8 * 1024 * 1024
PART_BYTES: Final = 128  # what one takes beside its content
"""Past these nothing is remembered until the indexes have come so far; then they read what they need."""


class Ended(NamedTuple):
    """A finished record, and what postings say of its detail."""

    begin: BeginRow
    finish: FinishRow
    rules: Set[str]
    scores: Mapping[str, float]


class Recent:
    """Of one connection. Every part from `first_part` on is new to it."""

    def __init__(self, first_part: int) -> None:
        self._records: deque[Ended] = deque()
        self._parts: dict[int, bytes] = {}
        self._bytes = 0
        self._all_from = first_part  # every part from this one on is remembered, but for removed ones

    def record(self, ended: Ended) -> None:
        """One that was written, in the order of the chain."""
        if len(self._records) < RECORDS_MAX:
            self._records.append(ended)

    def records_after(self, link: int, records_max: int) -> list[Ended]:
        """The records that follow that place in the chain without a gap; none where the next is not remembered."""
        records = self._records
        while records and records[0].finish.link <= link:
            records.popleft()
        found: list[Ended] = []
        for ended in islice(records, records_max):
            if ended.finish.link != link + len(found) + 1:
                break
            found.append(ended)
        return found

    def part(self, number: int, content: bytes) -> None:
        """A new one, with the next number."""
        self._bytes += PART_BYTES + len(content)
        if self._bytes > PARTS_BYTES_MAX:
            self._parts.clear()
            self._bytes, self._all_from = 0, number + 1
            return
        self._parts[number] = content

    def forget_part(self, number: int) -> None:
        """It is no longer in the store."""
        content = self._parts.pop(number, None)
        if content is not None:
            self._bytes -= PART_BYTES + len(content)

    def parts_after(self, part: int) -> list[tuple[int, bytes]] | None:
        """All parts after this one, in order; None where not all are remembered."""
        while self._parts and (first := next(iter(self._parts))) <= part:  # they stand in order
            self.forget_part(first)
        return None if part + 1 < self._all_from else list(self._parts.items())
