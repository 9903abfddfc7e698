"""`python -m benchmarks.watch`: what tripwires cost an exchange, and how much room they take.

Fifty tripwires over all metrics, in twelve kinds of window, so that nothing is shared that need not be; five
models, and as many callers as asked for. CPU time, not wall time: the machines are noisy. `--exchanges 1000000
--callers 100000` is the long run.
"""

from __future__ import annotations

import argparse
import logging
import random
import resource
import time
from collections.abc import Iterator
from typing import Final

import structlog

from proxy.model.observation import Metric, Observation
from proxy.model.tripwire import Per, Stat, Tripwire
from proxy.watch.watch import Watch

TRIPWIRES: Final = 50
START: Final = 1_800_000_000.0
_STATS: Final = (Stat.P95, Stat.MEAN, Stat.MAX)
_WINDOWS_S: Final = (300.0, 900.0, 3600.0)


class Unheard:
    def on_uncarded(self, model: str | None) -> None: ...


def tripwires(count: int = TRIPWIRES) -> tuple[Tripwire, ...]:
    """Every metric by turns, each with another group and window."""
    made = []
    for n in range(count):
        metric = tuple(Metric)[n % len(Metric)]
        share = metric.endswith("_rate")
        made.append(
            Tripwire(
                f"t{n}",
                metric,
                Stat.RATE if share else _STATS[n % 3],
                tuple(Per)[n // 10 % 4],
                _WINDOWS_S[n % 3],
                above=0.9 if share or metric is Metric.TOXICITY else 1e6,
            )
        )
    return tuple(made)


def exchanges(count: int, callers: int, every_s: float = 0.02, seed: int = 1) -> Iterator[Observation]:
    """Exchanges at that distance in time."""
    rng = random.Random(seed)
    for n in range(count):
        model = f"m{n % 5}"
        values = {
            str(metric): float(rng.random() < 0.01) if metric.endswith("_rate") else rng.random() * 0.8
            for metric in Metric
        }
        yield Observation(
            START + n * every_s, f"x{n}", model, frozenset((model,)), "v1", model, model, "shop",
            f"user:u{rng.randrange(callers)}", values,
        )  # fmt: skip


def run(count: int, callers: int) -> tuple[float, float, float]:
    """Microseconds of CPU for one exchange, milliseconds for one look at all tripwires, and KiB that are held more
    after all exchanges than after a tenth of them."""
    watch = Watch(Unheard())
    watch.take((), tripwires(), START)
    spent_s = look_s = 0.0
    early = looks = 0
    chunk: list[Observation] = []
    for n, one in enumerate(exchanges(count, callers), 1):
        chunk.append(one)
        if len(chunk) == 250 or n == count:
            began = time.process_time()
            for seen in chunk:
                watch.observe(seen)
            spent_s += time.process_time() - began
            began = time.process_time()
            for _ in watch.look(chunk[-1].at):
                pass
            look_s += time.process_time() - began
            looks += 1
            chunk = []
        if n == count // 10:
            early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return spent_s / count * 1e6, look_s / looks * 1e3, float(late - early)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--exchanges", type=int, default=100_000)
    parser.add_argument("--callers", type=int, default=5_000)
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    cost_us, look_ms, grown_kib = run(asked.exchanges, asked.callers)
    print(f"{TRIPWIRES} tripwires, {asked.exchanges} exchanges of {asked.callers} callers:")
    print(
        f"  {cost_us:.1f} us an exchange, {look_ms:.2f} ms a look, {grown_kib:.0f} KiB more after a tenth of them"
    )


if __name__ == "__main__":
    main()
