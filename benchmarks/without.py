"""The proxy with parts of it off, so that what a part costs can be told: it has no such settings, and is not to.

python -m benchmarks.without PARTS serve --config FILE

PARTS: any of `log` (records are made, and neither queued nor stored) and `metrics` (nothing is counted), by commas.
Rules and tripwires are files, which `benchmarks.overhead` leaves out of the rules folder.
"""

from __future__ import annotations

import asyncio
import sys

import prometheus_client

import proxy.app
from proxy.cli import main
from proxy.log.sqlite import SqliteRecorder
from proxy.model.record import Begun, Finished


class NothingKept(SqliteRecorder):
    """A log that takes every record, and loses it."""

    def begin(self, begun: Begun) -> asyncio.Future[None]:
        return _done()

    def finish(self, finished: Finished, *, revocable: bool = False) -> asyncio.Future[None]:
        return _done()


def _done() -> asyncio.Future[None]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def take_out(parts: frozenset[str]) -> None:
    """Have this process go without them."""
    if "log" in parts:
        vars(proxy.app)["SqliteRecorder"] = NothingKept
    if "metrics" in parts:
        for metric, names in (
            (prometheus_client.Counter, ("inc",)),
            (prometheus_client.Gauge, ("inc", "dec", "set")),
            (prometheus_client.Histogram, ("observe",)),
        ):
            for name in names:
                setattr(metric, name, lambda *_: None)


if __name__ == "__main__":
    take_out(frozenset(sys.argv.pop(1).split(",")))
    main()
