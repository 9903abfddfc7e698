"""A process tree as /proc sees it: CPU seconds, memory, and when it has come to rest. Linux only."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
REST_S: Final = 0.3
REST_CPU_S: Final = 0.01  # no more CPU than this used for REST_S counts as at rest
REST_S_MAX: Final = 20.0
START_S_MAX: Final = 60.0
STOP_S_MAX: Final = 15.0


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    return found


def cpu_s(pid: int) -> float:
    """User and system seconds of the whole tree, ended and waited-for children included (those in ticks)."""
    spent = 0.0
    for member in tree(pid):
        waited = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()[13:15]
        spent += time.clock_gettime(_cpu_clock(member)) + sum(map(int, waited)) / TICKS_PER_S
    return spent


def _cpu_clock(pid: int) -> int:
    """The kernel's name of the clock of a process's CPU time, as clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | 2


def memory_mb(pid: int) -> tuple[float, float]:
    """RSS and PSS of the whole tree in MB (10^6 bytes)."""
    rss = pss = 0
    for member in tree(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in {"Rss", "Pss"}:
                kilobytes = int(value.split()[0])
                rss += kilobytes * (name == "Rss")
                pss += kilobytes * (name == "Pss")
    return rss * 1024 / 1e6, pss * 1024 / 1e6


def rest(pid: int) -> float:
    """Wait until the tree uses no CPU, so that a log written behind the replies is counted; returns its CPU
    seconds. Raises RuntimeError when it does not come to rest."""
    give_up_at = time.monotonic() + REST_S_MAX
    before = cpu_s(pid)
    while time.monotonic() < give_up_at:
        time.sleep(REST_S)
        now = cpu_s(pid)
        if now - before <= REST_CPU_S:
            return now
        before = now
    raise RuntimeError(f"process {pid} did not come to rest within {REST_S_MAX:.0f} s")


@contextmanager
def running(
    command: Sequence[str], ready_url: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[int, float]]:
    """Start a process; yields its id and the seconds until the URL answered. Ends it on the way out.

    Raises RuntimeError when it does not come up.
    """
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment) as process:
        try:
            while not _answers(ready_url):
                if process.poll() is not None or time.perf_counter() - began > START_S_MAX:
                    raise RuntimeError(f"did not come up: {' '.join(command)}")
                time.sleep(0.01)
            yield process.pid, time.perf_counter() - began
        finally:
            process.terminate()
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as reply:
            return bool(reply.status == 200)
    except urllib.error.HTTPError:
        return False
    except OSError:
        return False
