"""`python -m benchmarks.log cost`: the exchange log's share of what a small exchange costs, and of its time.

First the recorder by itself, in a process of its own (log_alone.py). Then the proxy as shipped beside the same
proxy that hands nothing to its log (`benchmarks.without log`), before backends that answer at once and after
AFTER_S; question and reply are new each time, 16 clients ask, rounds alternate. CPU is that of the process
tree, read after the log has taken everything in, indexes included. Differences are of neighbouring runs; the
medians are printed. With `--before DIR` the code of another checkout is measured too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.overhead import AT_ONCE, PYTHON, ROOT, Sample, Target, free_ports, measure, settings, target
from benchmarks.process import running

AFTER_S: Final = (0.0, 0.05)
ALONE_AFTER_S: Final = (0.005, 0.05)
EXCHANGES: Final = (1600, 800)
"""In a run, before each backend."""
WARM: Final = 200
ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """What the log adds to an exchange, one round's."""

    cpu_ms: float
    wait_ms: float


def cost(before: Path | None, rounds: int = ROUNDS) -> None:
    """Measure, and print a table."""
    trees = {"log": ROOT} | ({} if before is None else {"log, before": before})
    alone(trees, rounds)
    print(
        "| backend answers after | log | its CPU, ms | adds to p50, ms | CPU with it, ms | p50 with it, ms |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for after_s, count in zip(AFTER_S, EXCHANGES, strict=True):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            (backend,) = free_ports(1)
            command = [PYTHON, "-m", "benchmarks.backend", str(backend), str(after_s)]
            stack.enter_context(running(command, f"http://127.0.0.1:{backend}/readyz"))
            pairs = {
                name: [
                    _started(stack, Path(folder) / f"{number}-{with_log}", backend, tree, with_log)
                    for with_log in (False, True)
                ]
                for number, (name, tree) in enumerate(trees.items())
            }
            found = _rounds(pairs, count, rounds)
        for name, samples in found.items():
            costs = [Cost(on.cpu_ms - off.cpu_ms, on.p50_ms - off.p50_ms) for off, on in samples]
            cells = (
                f"{after_s * 1000:.0f} ms",
                name,
                _spread([one.cpu_ms for one in costs]),
                _spread([one.wait_ms for one in costs]),
                f"{median(on.cpu_ms for _, on in samples):.3f}",
                f"{median(on.p50_ms for _, on in samples):.1f}",
            )
            print(f"| {' | '.join(cells)} |", flush=True)


def alone(trees: dict[str, Path], rounds: int) -> None:
    """The recorder by itself, and print a table."""
    found: dict[tuple[float, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for after_s, count in zip(ALONE_AFTER_S, EXCHANGES, strict=True):
            for name, tree in trees.items():
                with tempfile.TemporaryDirectory() as folder:
                    script = str(ROOT / "benchmarks" / "log_alone.py")
                    command = [PYTHON, "-P", script, str(count), str(AT_ONCE), str(after_s), folder]
                    environment = os.environ | {"PYTHONPATH": str(tree)}
                    done = subprocess.run(command, check=True, capture_output=True, env=environment)
                found.setdefault((after_s, name), []).append(json.loads(done.stdout))
    print("| by itself, a backend's answer after | log | CPU, us | wait, p50 ms |\n| --- | --- | --- | --- |")
    for (after_s, name), samples in found.items():
        cpu, wait = (_spread([one[key] for one in samples]) for key in ("cpu_us", "wait_ms"))
        print(f"| {after_s * 1000:.0f} ms | {name} | {cpu} | {wait} |", flush=True)


def _started(stack: ExitStack, folder: Path, backend: int, tree: Path, with_log: bool) -> Target:
    listen, admin = free_ports(2)
    folder.mkdir()
    config = settings(folder, listen, admin, backend)
    config.write_text(config.read_text().replace(str(ROOT / "rules"), str(tree / "rules")))
    way = ["-m", "benchmarks.without", "" if with_log else "log", "serve", "--config", str(config)]
    # `-P`: the code is that of PYTHONPATH, not of the folder that this runs in.
    command = [PYTHON, "-P", *way]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    ready = f"http://127.0.0.1:{admin}/readyz"
    return target(folder.name, listen, stack.enter_context(running(command, ready, environment)))


def _rounds(
    pairs: dict[str, list[Target]], count: int, rounds: int
) -> dict[str, list[tuple[Sample, Sample]]]:
    """Without and with the log, for each checkout."""
    found: dict[str, list[tuple[Sample, Sample]]] = {name: [] for name in pairs}
    for targets in pairs.values():
        for one in targets:
            measure(one, "new", WARM)
    for number in range(rounds):
        for name, targets in pairs.items():
            order = targets if number % 2 else targets[::-1]
            samples = {one.name: measure(one, "new", count) for one in order}
            off, on = (samples[one.name] for one in targets)
            found[name].append((off, on))
            print(
                f"{name}: {off.cpu_ms:.3f} and {on.cpu_ms:.3f} ms CPU, p50 {off.p50_ms:.1f} and "
                f"{on.p50_ms:.1f} ms",
                file=sys.stderr,
                flush=True,
            )
    return found


def _spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
