"""Room and time of the watch do not grow with exchanges and callers."""

from __future__ import annotations

import tracemalloc

import pytest

from benchmarks.watch import START, Unheard, exchanges, tripwires
from proxy.watch.watch import Watch


@pytest.mark.parametrize(
    ("count", "callers"),
    [(20_000, 20_000), pytest.param(1_000_000, 100_000, marks=pytest.mark.soak)],
    ids=["short", "long"],
)
def test_memory_is_flat(count: int, callers: int) -> None:
    """Once every group there is room for is there, more exchanges of more callers take no more of it."""
    watch = Watch(Unheard())
    watch.take((), tripwires()[28:32], START)  # per app and per user
    early = 0
    tracemalloc.start()
    try:
        for n, one in enumerate(exchanges(count, callers, every_s=2.0), 1):
            watch.observe(one)
            if n % 250 == 0:
                for _ in watch.look(one.at):
                    pass
            if n == count // 2:
                early = tracemalloc.get_traced_memory()[0]
        late = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert late < early * 1.3
    assert late < 64 * 1024 * 1024
