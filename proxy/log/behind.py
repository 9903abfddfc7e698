"""When the writer does what costs less for many records at once: into the tables with them, into the indexes."""

from __future__ import annotations

import time
from typing import Final

BRING_IN_RECORDS: Final = 256
BRING_IN_S: Final = 0.3
"""So many records only the journal has, or the first of them for so long, and they come into the tables; at once
where somebody wants to read."""
INDEX_DUE: Final = 1024
INDEX_LATE_S: Final = 1.0
"""It is begun when so many records wait for it, or the first of them so long; then it is done to the end."""
LAST_STEPS_MAX: Final = 32
"""Steps that the writer's end may take; what is left is for the next start."""


class Pending:
    """How long what only the journal has may wait."""

    def __init__(self) -> None:
        self._due_at = 0.0

    def begins(self) -> None:
        """The first record comes."""
        self._due_at = time.monotonic() + BRING_IN_S

    def wait_s(self, records: int) -> float:
        """How long so many of them still may."""
        return 0.0 if records >= BRING_IN_RECORDS else max(0.0, self._due_at - time.monotonic())


class Behind:
    """How far the indexes are behind the records; a search reads the rest by itself."""

    def __init__(self) -> None:
        self._records = 1  # unknown at the start: there may be some
        self._due_at = 0.0
        self._begun = False

    def wrote(self, records: int) -> None:
        """So many more were written."""
        if not self._records:
            self._due_at = time.monotonic() + INDEX_LATE_S
        self._records += records

    def done(self) -> None:
        """All records are in the indexes."""
        self._records, self._begun = 0, False

    @property
    def any(self) -> bool:
        """Whether some may not be in the indexes."""
        return self._records > 0

    @property
    def due(self) -> bool:
        """Whether it is time for a step."""
        if self._records and (self._records > INDEX_DUE or time.monotonic() >= self._due_at):
            self._begun = True
        return self._begun

    def wait_s(self) -> float:
        """How long until it is."""
        return 0.0 if self._begun else max(0.0, self._due_at - time.monotonic())
