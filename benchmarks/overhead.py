"""`make bench`: what the proxy costs over a bare pass-through, in one run against one backend process.

All stand side by side before the same backend: the bare pass-through, the proxy as shipped (shipped rules, every
exchange durably on the log before release), and the proxy with each of its parts off in turn. Rounds alternate
between them, so that a noisy neighbour hits all, and the medians of the rounds' ratios are what to trust. CPU is
that of the process tree, read after the log came to rest.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Final

from benchmarks.load import Kind
from benchmarks.process import memory_mb, rest, running

ROOT: Final = Path(__file__).resolve().parent.parent
PYTHON: Final = sys.executable
PROXY: Final = Path(sys.executable).with_name("guardrail-proxy")
AT_ONCE: Final = 16
LOAD_S_MAX: Final = 300.0
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Target:
    """One of those that are compared."""

    name: str
    url: str
    pid: int
    start_s: float
    rest_rss_mb: float
    rest_pss_mb: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one target. CPU in milliseconds per request."""

    cpu_ms: float
    per_s: float
    p50_ms: float
    p99_ms: float
    first_p50_ms: float


@dataclass(frozen=True, slots=True)
class Case:
    """One load: so many requests of a kind in a round, so many at once."""

    name: str
    kind: Kind
    count: int
    at_once: int


CASES: Final = (
    Case("small", "whole", 600, 16),
    Case("100 KB", "long", 12, 4),
    Case("a turn of 30", "turns", 120, 4),
    Case("stream", "stream", 3, 1),
    Case("16 streams", "stream", 32, 16),
)
"""A stream has 100 chunks. Each is a column of the table."""

FILES: Final = {
    "rules": "[1-7][0-9]-*.yaml",
    "scoring": "40-toxicity.yaml",
    "tripwires": "80-tripwires.yaml",
}
"""The shipped files that hold a part. (A policy needs one file: what the dial's levels mean stays.)"""

KEPT: Final = "75-containment.yaml"

PARTS: Final = ("rules", "scoring", "log", "metrics", "tripwires")
BARE, WHOLE = "bare", "proxy"
Samples = dict[tuple[str, str], list[Sample]]
"""By target and case."""


def measure(
    target: Target, kind: Kind, count: int, headers: Mapping[str, str] = NO_HEADERS, at_once: int = AT_ONCE
) -> Sample:
    """Drive one target from a load process. Raises CalledProcessError when any reply was not whole."""
    before = rest(target.pid)
    command = [
        PYTHON,
        "-m",
        "benchmarks.load",
        target.url,
        str(count),
        str(at_once),
        kind,
        json.dumps(dict(headers)),
    ]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=LOAD_S_MAX)
    load = json.loads(done.stdout)
    spent = rest(target.pid) - before
    return Sample(
        cpu_ms=spent / count * 1000,
        per_s=count / load["seconds"],
        p50_ms=load["p50_ms"],
        p99_ms=load["p99_ms"],
        first_p50_ms=load["first_p50_ms"],
    )


def compare(targets: Sequence[Target], rounds: int) -> Samples:
    """Alternate between them, load by load; a smaller load before only warms up."""
    samples: Samples = {}
    for turn in range(rounds + 1):
        for case in CASES:
            # Who comes first alternates as well, so that neither always follows the other's heat.
            for one in targets if turn % 2 else reversed(targets):
                if turn == 0:
                    if case.name in ("small", "16 streams"):
                        measure(one, case.kind, case.at_once * 4, at_once=case.at_once)
                    continue
                sample = measure(one, case.kind, case.count, at_once=case.at_once)
                samples.setdefault((one.name, case.name), []).append(sample)
                print(f"{case.name}, {one.name}: {sample.cpu_ms:.3f} ms CPU", file=sys.stderr, flush=True)
    return samples


def rules_without(parts: frozenset[str], shipped: Path, folder: Path) -> Path:
    """A copy of the shipped rules without the files of these parts."""
    left_out = {file for part in parts if part in FILES for file in shipped.glob(FILES[part])}
    folder.mkdir(parents=True)
    for file in shipped.glob("*.yaml"):
        if file.name == KEPT or (file not in left_out and not file.name.endswith(".test.yaml")):
            shutil.copy(file, folder)
    return folder


def settings(folder: Path, listen: int, admin: int, backend: int, off: frozenset[str] = frozenset()) -> Path:
    """proxy.yaml for the measured proxy, with the rules of the parts that are not off."""
    rules = rules_without(off, ROOT / "rules", folder / "rules") if off else ROOT / "rules"
    path = folder / "proxy.yaml"
    path.write_text(
        f"listen: 127.0.0.1:{listen}\n"
        f"data_dir: {folder / 'data'}\n"
        f"rules_dir: {rules}\n"
        f"admin: {{listen: '127.0.0.1:{admin}'}}\n"
        f"backends:\n  bench: {{url: 'http://127.0.0.1:{backend}', api: openai}}\n"
        "default_backend: bench\n"
    )
    return path


def free_ports(count: int) -> list[int]:
    """Ports that are free now; held together, so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def target(name: str, port: int, started: tuple[int, float]) -> Target:
    pid, start_s = started
    rest(pid)
    rss, pss = memory_mb(pid)
    return Target(name, f"http://127.0.0.1:{port}", pid, start_s, rss, pss)


def row(*cells: str) -> str:
    return "".join(cell.ljust(26) if n == 0 else cell.rjust(20) for n, cell in enumerate(cells))


def table(targets: Sequence[Target], samples: Samples) -> str:
    """CPU in ms, and how many times the bare pass-through's of the same round that is; then the median latency."""
    lines = [row("CPU ms a request", *(case.name for case in CASES))]
    for one in targets:
        cells = []
        for case in CASES:
            own, bare = samples[one.name, case.name], samples[BARE, case.name]
            ratio = median(a.cpu_ms / b.cpu_ms for a, b in zip(own, bare, strict=True))
            cells.append(f"{median(sample.cpu_ms for sample in own):.3f} ({ratio:.1f}x)")
        lines.append(row(one.name, *cells))
    for figure, name in (("p50_ms", "p50"), ("p99_ms", "p99"), ("first_p50_ms", "first byte, p50")):
        for one in targets[:2]:
            values = (
                median(getattr(sample, figure) for sample in samples[one.name, case.name]) for case in CASES
            )
            lines.append(row(f"{name} ms, {one.name}", *(f"{value:.1f}" for value in values)))
    lines.append("")
    lines += [
        f"{one.name}: start to ready {one.start_s:.2f} s, at rest RSS {one.rest_rss_mb:.0f} MB, "
        f"PSS {one.rest_pss_mb:.0f} MB"
        for one in targets[:2]
    ]
    return "\n".join(lines)


def started(stack: ExitStack, folder: Path, backend: int, off: frozenset[str]) -> Target:
    """The proxy, without these parts."""
    listen, admin = free_ports(2)
    folder.mkdir()
    config = str(settings(folder, listen, admin, backend, off))
    command = [PYTHON, "-m", "benchmarks.without", ",".join(off)] if off else [str(PROXY)]
    running_since = stack.enter_context(
        running([*command, "serve", "--config", config], f"http://127.0.0.1:{admin}/readyz")
    )
    name = WHOLE if not off else "without all of these" if len(off) > 1 else f"without {next(iter(off))}"
    return target(name, listen, running_since)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=2, help="rounds that count")
    parser.add_argument("--whole", action="store_true", help="not with each part off in turn")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    args = parser.parse_args()
    at_backend, at_bare = free_ports(2)
    backend_url, bare_url = f"http://127.0.0.1:{at_backend}", f"http://127.0.0.1:{at_bare}"
    offs = [frozenset[str]()]
    if not args.whole:
        offs += [*(frozenset({part}) for part in PARTS), frozenset(PARTS)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        backend_command = [PYTHON, "-m", "benchmarks.backend", str(at_backend)]
        stack.enter_context(running(backend_command, f"{backend_url}/readyz"))
        bare_command = [PYTHON, "-m", "benchmarks.bare", str(at_bare), backend_url]
        bare = target(BARE, at_bare, stack.enter_context(running(bare_command, f"{bare_url}/readyz")))
        targets = [bare]
        for number, off in enumerate(offs):
            targets.append(started(stack, Path(folder) / str(number), at_backend, off))
        found = compare(targets, args.rounds)
        loaded = memory_mb(targets[1].pid)
    if args.json:
        samples = [
            {"target": name, "case": case, "samples": [asdict(sample) for sample in list_]}
            for (name, case), list_ in found.items()
        ]
        listed = [asdict(one) for one in targets]
        print(json.dumps({"targets": listed, "samples": samples, "proxy_loaded_mb": loaded}))
    else:
        print(table(targets, found))
        print(f"{WHOLE} after the load: RSS {loaded[0]:.0f} MB, PSS {loaded[1]:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
