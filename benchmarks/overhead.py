"""`make bench`: what the proxy costs over a bare pass-through, in one run against one backend process.

Both stand side by side with the same backend; rounds alternate between them, so that a noisy neighbour hits
both, and the medians of the rounds' ratios are what to trust. CPU is that of the process tree, read after the
log came to rest. The proxy runs as shipped: shipped rules, every exchange durably on the log before release.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Final, Literal

from benchmarks.process import cpu_s, memory_mb, rest, running

ROOT: Final = Path(__file__).resolve().parent.parent
PYTHON: Final = sys.executable
PROXY: Final = Path(sys.executable).with_name("guardrail-proxy")
AT_ONCE: Final = 16
LOAD_S_MAX: Final = 300.0
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

Kind = Literal["whole", "stream"]


@dataclass(frozen=True, slots=True)
class Target:
    """One of the two that are compared."""

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


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rounds of one kind of request; the proxy's figures over the bare ones', round by round."""

    kind: Kind
    bare: tuple[Sample, ...]
    proxy: tuple[Sample, ...]

    @property
    def cpu_ratio(self) -> float:
        return median(proxy.cpu_ms / bare.cpu_ms for bare, proxy in zip(self.bare, self.proxy, strict=True))


def measure(target: Target, kind: Kind, count: int, headers: Mapping[str, str] = NO_HEADERS) -> Sample:
    """Drive one target from a load process. Raises CalledProcessError when any reply was not whole."""
    before = rest(target.pid)
    command = [
        PYTHON,
        "-m",
        "benchmarks.load",
        target.url,
        str(count),
        str(AT_ONCE),
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
    )


def compare(bare: Target, proxy: Target, kind: Kind, count: int, rounds: int) -> Comparison:
    """Alternate between the two; the first round of each only warms up."""
    samples: dict[str, list[Sample]] = {"bare": [], "proxy": []}
    for turn in range(rounds + 1):
        # Who comes first alternates as well, so that neither always follows the other's heat.
        for target in (bare, proxy) if turn % 2 else (proxy, bare):
            sample = measure(target, kind, count if turn else max(AT_ONCE, count // 4))
            if turn:
                samples[target.name].append(sample)
                print(f"{kind} {target.name}: {sample.cpu_ms:.3f} ms CPU", file=sys.stderr, flush=True)
    return Comparison(kind, tuple(samples["bare"]), tuple(samples["proxy"]))


def settings(folder: Path, listen: int, admin: int, backend: int) -> Path:
    """proxy.yaml for the measured proxy."""
    path = folder / "proxy.yaml"
    path.write_text(
        f"listen: 127.0.0.1:{listen}\n"
        f"data_dir: {folder / 'data'}\n"
        f"rules_dir: {ROOT / 'rules'}\n"
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
    return "".join(cell.ljust(34) if n == 0 else cell.rjust(14) for n, cell in enumerate(cells))


def table(bare: Target, proxy: Target, comparisons: Sequence[Comparison]) -> str:
    lines = [row("", "bare", "proxy", "ratio")]
    for found in comparisons:
        name = "small reply" if found.kind == "whole" else "stream of 100 chunks"
        for label, figure in (
            ("CPU ms", "cpu_ms"),
            ("p50 ms", "p50_ms"),
            ("p99 ms", "p99_ms"),
            ("per s", "per_s"),
        ):
            values = [
                median(getattr(sample, figure) for sample in side) for side in (found.bare, found.proxy)
            ]
            ratio = found.cpu_ratio if figure == "cpu_ms" else values[1] / values[0]
            lines.append(row(f"{name}, {label}", f"{values[0]:.3f}", f"{values[1]:.3f}", f"{ratio:.2f}"))
    for label, a, b in (
        ("start-up s", bare.start_s, proxy.start_s),
        ("RSS at rest MB", bare.rest_rss_mb, proxy.rest_rss_mb),
        ("PSS at rest MB", bare.rest_pss_mb, proxy.rest_pss_mb),
    ):
        lines.append(row(label, f"{a:.2f}", f"{b:.2f}", f"{b / a:.2f}"))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each target that count")
    parser.add_argument("--requests", type=int, default=2000, help="small requests in a round")
    parser.add_argument("--streams", type=int, default=160, help="streams in a round")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    args = parser.parse_args()
    at_backend, at_bare, at_proxy, at_admin = free_ports(4)
    backend_url = f"http://127.0.0.1:{at_backend}"
    with tempfile.TemporaryDirectory() as folder:
        config = settings(Path(folder), at_proxy, at_admin, at_backend)
        backend_command = [PYTHON, "-m", "benchmarks.backend", str(at_backend)]
        bare_command = [PYTHON, "-m", "benchmarks.bare", str(at_bare), backend_url]
        proxy_command = [str(PROXY), "serve", "--config", str(config)]
        with (
            running(backend_command, f"{backend_url}/readyz"),
            running(bare_command, f"http://127.0.0.1:{at_bare}/readyz") as bare_started,
            running(proxy_command, f"http://127.0.0.1:{at_admin}/readyz") as proxy_started,
        ):
            bare, proxy = target("bare", at_bare, bare_started), target("proxy", at_proxy, proxy_started)
            found = [
                compare(bare, proxy, "whole", args.requests, args.rounds),
                compare(bare, proxy, "stream", args.streams, args.rounds),
            ]
            loaded = memory_mb(proxy.pid)
            total = cpu_s(proxy.pid)
    if args.json:
        comparisons = [asdict(entry) | {"cpu_ratio": entry.cpu_ratio} for entry in found]
        targets = {"bare": asdict(bare), "proxy": asdict(proxy)}
        print(json.dumps({"targets": targets, "comparisons": comparisons, "proxy_loaded_mb": loaded}))
    else:
        print(table(bare, proxy, found))
        print(
            f"\nproxy after the load: RSS {loaded[0]:.0f} MB, PSS {loaded[1]:.0f} MB, {total:.1f} s of CPU in all"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
