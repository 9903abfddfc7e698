"""What an exchange waits for while its reply is judged: the backend's bytes, or a scorer's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from proxy.backend.client import Upstream
from proxy.detect.base import Ticket

ANSWERS_S_MAX = 60.0
"""How long an answer is waited for when there is nothing else to do. Every ticket has a shorter deadline of its
scorer's; this is for a scorer that breaks its word. What is missing then has failed."""


PACE_S: Final = 0.02
"""How far apart the reads of a fast stream are: a read costs about the same whatever it brings. What comes less
often is not delayed, and neither are a stream's first two reads, so that its first word is not."""


class Answers:
    """Waits for tickets. Their callbacks come on the event loop's own thread, as a future's do."""

    __slots__ = ("_bell", "_told")

    def __init__(self) -> None:
        self._bell: asyncio.Future[None] | None = None
        self._told: dict[object, None] = {}  # what will ring

    async def first(self, tickets: Sequence[Ticket]) -> None:
        """Until one of these tickets is done. Raises TimeoutError after ANSWERS_S_MAX."""
        async with asyncio.timeout(ANSWERS_S_MAX):
            while not any(ticket.done() for ticket in tickets):
                await self.rung(tickets)

    async def rung(self, tickets: Sequence[Ticket]) -> None:
        """Until one of these tickets, or anything else that was told to `ring`, is done."""
        self._bell = bell = asyncio.get_running_loop().create_future()
        for ticket in tickets:
            if ticket not in self._told:
                self._told[ticket] = None
                ticket.add_done_callback(self.ring)
        await bell

    def ring(self, source: object) -> None:
        self._told.pop(source, None)
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)


class Inflow:
    """One reply's bytes. While tickets are open the next read is under way beside them; else no task is made."""

    __slots__ = ("_answers", "_at", "_fast", "_loop", "_read", "_upstream")

    def __init__(self, upstream: Upstream, answers: Answers) -> None:
        self._upstream = upstream
        self._answers = answers
        self._read: asyncio.Task[bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self._at = float("-inf")  # when the last read came
        self._fast = False  # and so soon after the one before that the next one waits

    async def next(self, tickets: Sequence[Ticket]) -> bytes | None:
        """The backend's next bytes, empty at their end; None where a ticket was answered first. Raises
        BackendFailed."""
        read = self._read
        if read is None:
            if not tickets:
                return await self._paced()
            read = self._read = asyncio.ensure_future(self._upstream.read())
            read.add_done_callback(self._answers.ring)
        while not read.done():
            if any(ticket.done() for ticket in tickets):
                return None
            await self._answers.rung(tickets)
        self._read = None
        return read.result()

    async def _paced(self) -> bytes:
        if self._fast and (rest_s := self._at + PACE_S - self._loop.time()) > 0.0:
            await asyncio.sleep(rest_s)
        data = await self._upstream.read()
        now = self._loop.time()
        self._fast = now - self._at < 2 * PACE_S
        self._at = now
        return data

    def close(self) -> None:
        """Nobody reads any more."""
        if self._read is not None and not self._read.cancel() and not self._read.cancelled():
            self._read.exception()  # taken, so that nobody complains that it was not
