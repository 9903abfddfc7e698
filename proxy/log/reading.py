"""Reading the log without making the event loop wait: a few threads, each with a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from proxy.errors import LogUnavailable
from proxy.log.conversation import conversation
from proxy.log.encode import Damaged
from proxy.log.port import Chain, Page, Previous, Search
from proxy.log.query import LogReader
from proxy.log.seal import StoreUnusable
from proxy.model.record import Json
from proxy.model.secret import Secrets

READERS: Final = 2
"""For people's questions; exchanges have one of their own, so that a long search keeps none of them waiting."""
READS_MAX: Final = 32
"""Reads under way and waiting; one more fails at once."""
OWN_READS_MAX: Final = 1024
"""The same for exchanges: each takes a millisecond or a few, and whoever waits too long for one gives up."""

T = TypeVar("T")


class Readers:
    """Runs reads of the store at `path`. Methods raise LogUnavailable where nothing can be read."""

    def __init__(
        self,
        path: Path,
        secrets: Secrets | None = None,
        threads: int = READERS,
        reads_max: int = READS_MAX,
    ) -> None:
        self._path = path
        self._secrets = secrets
        self._reads_max = reads_max
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="log-reader")
        self._under_way = 0

    def close(self) -> None:
        """Take no more reads; those under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def search(self, search: Search) -> Page:
        return await self._read(lambda reader: reader.search(search))

    async def show(self, identity: str) -> Mapping[str, Json] | None:
        return await self._read(lambda reader: reader.show(identity))

    async def conversation(self, id: str, previous: Previous) -> Chain | None:
        return await self._read(lambda reader: conversation(reader, id, previous))

    async def _read(self, ask: Callable[[LogReader], T]) -> T:
        if self._under_way >= self._reads_max:
            raise LogUnavailable(f"more than {self._reads_max} reads of the log at once")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, ask)
        except (StoreUnusable, Damaged) as error:
            raise LogUnavailable(str(error)) from error
        finally:
            self._under_way -= 1

    def _ask(self, ask: Callable[[LogReader], T]) -> T:
        with LogReader(self._path, self._secrets) as reader:
            return ask(reader)
