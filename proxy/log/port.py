"""The exchange log as the rest of the proxy sees it, whatever stores it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from proxy.model.record import Begun, Finished, Json, Kept

Previous: TypeAlias = Callable[[Json], str | None]
"""Tells from a request by which id its backend keeps the reply that it goes on from."""
Chain: TypeAlias = tuple[tuple[Kept, ...], ...]
"""Replies of one conversation, each as the exchanges about it."""

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Search:
    """What a search asks for; every condition given must hold. Times are Unix seconds, `until` excluded."""

    model: str | None = None  # as asked for, as sent or as served
    app: str | None = None
    subject: str | None = None  # user:ID, key:NAME, ip:ADDRESS or ip:CIDR, region:CC, app:NAME
    outcome: str | None = None
    rule: str | None = None
    level: str | None = None
    policy: str | None = None  # a digest, or its beginning
    since: float | None = None
    until: float | None = None
    scores: Mapping[str, float] | None = None  # label: the least score
    max_scores: Mapping[str, float] | None = (
        None  # label: the highest; what has no score of the label is not found
    )
    q: str | None = None  # words that each stand in the prompt or the reply, in any case
    limit: int = PAGE_DEFAULT
    cursor: str | None = None  # `next` of the page before


@dataclass(frozen=True, slots=True)
class Page:
    """One page, newest first. `next` is given while there may be more, also where a page is short because a
    search read as many rows as one page may."""

    exchanges: tuple[Mapping[str, Json], ...]
    next: str | None


class LogObserver(Protocol):
    """Who counts what the log does. Called on the event loop."""

    def on_commit(self, seconds: float, records: int) -> None:
        """So many begin and end records were made durable together."""
        ...

    def on_failure(self, reason: str) -> None:
        """A record could not be written (yet). `reason` is one of a closed set of words."""
        ...

    def on_queue(self, records: int) -> None:
        """How many records wait for the writer."""
        ...

    def on_removed(self, why: str, exchanges: int) -> None:
        """So many exchanges were removed: by `erasure`, `age` or `size`."""
        ...


class Recorder(Protocol):
    """Keeps every exchange. Each future resolves once its record is durable, or fails with LogUnavailable.

    A record whose future failed is kept, within limits, and written once the fault is over.
    """

    async def start(self) -> None:
        """Open the store; exchanges that a crash cut are finished as interrupted before anything else.

        Raises StoreUnusable for a store that no waiting will mend. One that is full, locked or read-only
        lets the proxy start, not `healthy`, and is tried again.
        """
        ...

    async def stop(self) -> None:
        """Write what is queued, within a limit, and close the store."""
        ...

    def begin(self, begun: Begun) -> asyncio.Future[None]:
        """Put the beginning of an exchange on the log. It may wait for company until `hurry` is called."""
        ...

    def finish(self, finished: Finished, *, revocable: bool = False) -> asyncio.Future[None]:
        """Put the end of an exchange on the log, chained to the record that finished before.

        A `revocable` end counts only if its future resolves: one that failed is never written, and one that is
        cancelled is not written either, unless it is too late for that. The exchange then takes another end.
        """
        ...

    def hurry(self) -> None:
        """Somebody waits for what was handed in."""
        ...

    @property
    def queue_depth(self) -> int:
        """Records handed in and not yet durable."""
        ...

    @property
    def healthy(self) -> bool:
        """Whether the last write went well and there is room for more."""
        ...

    async def search(self, search: Search) -> Page:
        """Raises ValueError for a search that makes no sense, LogUnavailable where nothing can be read."""
        ...

    async def conversation(self, id: str, previous: Previous) -> Chain | None:
        """The exchanges about a reply that its backend keeps, by its id there, before them those about the one
        that its request went on from, and so on; the oldest reply first, each one's in the order of beginning.
        `previous` tells that id from a request, in another thread.

        None where a reply of the chain is not on the log (not known, erased, too old), or the chain is longer than
        one look may read. Raises LogUnavailable where nothing can be read.
        """
        ...

    async def show(self, id: str) -> Mapping[str, Json] | None:
        """The whole record of an exchange (INTERFACE section 8), None for an unknown id."""
        ...
