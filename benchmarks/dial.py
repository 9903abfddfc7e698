"""`python -m benchmarks.dial`: how soon a turn of the dial reaches streams that run, and what comes after it.

`guardrail-proxy serve` with the shipped rules and the durable log, a backend that goes on speaking, and the
clients are a process each; the turn is made from a fourth. Streams run on every wire that speaks, half of them by a
key that `restricted` allows. All times count from when the answer of the PUT had been read, by the machine's clock.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.overhead import PROXY, PYTHON, ROOT, free_ports
from benchmarks.process import cpu_s, running

RULES: Final = """\
rules:
  - {{id: falcons, on: output, detect: {{phrases: [falcon]}}, action: flag, levels: {{degraded: redact}}}}
containment:
  restricted: {{allow: ["app:shop"]}}
  killed: {{reply: {reply}, message: This assistant is offline for maintenance.}}
"""
STEADY_S: Final = 1.0
"""How long all streams run before the turn."""
CLIENTS_S_MAX: Final = 120.0


@dataclass(frozen=True, slots=True)
class Case:
    """A turn, and what it is to do to a stream."""

    name: str
    level: str
    reply: str  # of `killed`
    cut: frozenset[str]  # whose streams


CASES: Final = (
    Case("killed, static", "killed", "static", frozenset({"shop", "other"})),
    Case("killed, error", "killed", "error", frozenset({"shop", "other"})),
    Case("restricted", "restricted", "static", frozenset({"other"})),
    Case("degraded", "degraded", "static", frozenset()),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What one turn did; milliseconds from the answer of the PUT, but for `put_ms`, which is what that took."""

    put_ms: float
    cut_ms: tuple[float, ...]  # the last byte of each stream that was cut; below zero where that came first
    stricter_ms: tuple[float, ...]  # the first text that the stricter rule edited, of those that run on
    looser_ms: tuple[float, ...]  # the last text that it would have edited, where any came after the answer
    next_ms: float  # until the answer of an exchange that began after it
    load: float  # how much of one core the proxy used before the turn


def measure(case: Case, streams: int, tokens_per_s: float) -> Found:
    """Make one turn. Raises RuntimeError where a stream did not end, or run on, as the level says."""
    at_backend, at_proxy, at_admin = free_ports(3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = settings(folder, case, at_proxy, at_admin, at_backend)
        backend = [PYTHON, "-m", "benchmarks.dial_streams", "backend", str(at_backend), str(tokens_per_s)]
        proxy = [str(PROXY), "serve", "--config", str(config)]
        with (
            running(backend, f"http://127.0.0.1:{at_backend}/readyz"),
            running(proxy, f"http://127.0.0.1:{at_admin}/readyz") as (pid, _),
            clients(at_proxy, streams, case) as asking,
        ):
            wait_for(asking, "speaking")
            before, since = cpu_s(pid), time.monotonic()
            time.sleep(STEADY_S)
            load = (cpu_s(pid) - before) / (time.monotonic() - since)
            token = (folder / "data" / "admin.token").read_text().strip()
            began, answered = turn(at_admin, token, case.level)
            next_ms = (ask_again(at_proxy, case.level) - answered) * 1000
            heard = json.loads(wait_for(asking, "{"))
    return Found(
        put_ms=(answered - began) * 1000,
        cut_ms=since_answer(answered, heard["cut"]),
        stricter_ms=since_answer(answered, heard["stricter"]),
        looser_ms=tuple(ms for ms in since_answer(answered, heard["looser"]) if ms > 0),
        next_ms=next_ms,
        load=load,
    )


def since_answer(answered: float, times: Sequence[float]) -> tuple[float, ...]:
    return tuple(sorted((at - answered) * 1000 for at in times))


def settings(folder: Path, case: Case, listen: int, admin: int, backend: int) -> Path:
    """proxy.yaml, and the shipped rules with what is measured beside them."""
    rules = folder / "rules"
    shutil.copytree(ROOT / "rules", rules)
    shipped = rules / "75-containment.yaml"
    shipped.write_text(
        shipped.read_text().partition("  # `dial set restricted`")[0]
    )  # each level stands once
    (rules / "76-measured.yaml").write_text(RULES.format(reply=case.reply))
    keys = []
    for name in ("shop", "other"):
        (folder / name).write_text(f"{name}-key")
        keys.append(f"  - {{name: {name}, app: {name}, key_file: {folder / name}}}\n")
    path = folder / "proxy.yaml"
    path.write_text(
        f"listen: 127.0.0.1:{listen}\ndata_dir: {folder / 'data'}\nrules_dir: {rules}\n"
        f"admin: {{listen: '127.0.0.1:{admin}'}}\n"
        f"backends:\n  one: {{url: 'http://127.0.0.1:{backend}', api: openai}}\n"
        f"  two: {{url: 'http://127.0.0.1:{backend}', api: anthropic}}\n"
        f"default_backend: one\nclients:\n{''.join(keys)}"
    )
    return path


@contextmanager
def clients(port: int, streams: int, case: Case) -> Iterator[subprocess.Popen[str]]:
    command = [PYTHON, "-m", "benchmarks.dial_streams", "clients", str(port), str(streams), *sorted(case.cut)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], start: str) -> str:
    """Its next line. Raises RuntimeError where that does not begin so: it has said why on standard error."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(start):
        raise RuntimeError(f"the clients said {line!r}")
    return line


def turn(port: int, token: str, level: str) -> tuple[float, float]:
    """Turn the dial for everything; when that was begun and when its answer had been read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CLIENTS_S_MAX)
    connection.connect()
    body = json.dumps({"level": level, "reason": "measured"})
    began = time.monotonic()
    connection.request("PUT", "/admin/v1/dial/global", body, {"authorization": f"Bearer {token}"})
    reply = connection.getresponse()
    said = json.loads(reply.read())
    answered = time.monotonic()
    if reply.status != 200 or not said["durable"]:
        raise RuntimeError(f"the turn was answered {reply.status} {said}")
    return began, answered


def ask_again(port: int, level: str) -> float:
    """An exchange that begins after the turn; when it was answered. Raises RuntimeError for another level."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CLIENTS_S_MAX)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello."}]})
    headers = {"authorization": "Bearer other-key", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    reply = connection.getresponse()
    reply.read()
    answered = time.monotonic()
    if reply.headers["x-guardrail-level"] != level:
        raise RuntimeError(f"an exchange after the turn had the level {reply.headers['x-guardrail-level']}")
    return answered


def quantile(values: Sequence[float], share: float) -> str:
    return f"{values[min(len(values) - 1, int(len(values) * share))]:.0f}" if values else "–"


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


HEAD: Final = (
    "turn", "tokens per s", "load", "PUT p50", "PUT most", "cut p50", "cut p99", "cut p99, from the asking",
    "stricter p50", "stricter p99", "looser streams", "next most",
)  # fmt: skip


def line(case: Case, tokens_per_s: float, found: Sequence[Found]) -> str:
    puts = sorted(one.put_ms for one in found)
    cut = sorted(ms for one in found for ms in one.cut_ms)
    asked = sorted(ms + one.put_ms for one in found for ms in one.cut_ms)
    stricter = sorted(ms for one in found for ms in one.stricter_ms)
    load = sum(one.load for one in found) / len(found)
    looser = sum(len(one.looser_ms) for one in found)
    return row(
        case.name, f"{tokens_per_s:g}", f"{load:.2f}", quantile(puts, 0.5), quantile(puts, 1),
        quantile(cut, 0.5), quantile(cut, 0.99), quantile(asked, 0.99),
        quantile(stricter, 0.5), quantile(stricter, 0.99),
        f"{looser} of {len(stricter)}" if stricter else "–", f"{max(one.next_ms for one in found):.0f}",
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each kind")
    parser.add_argument("--tokens-per-s", type=float, default=10.0, help="of each stream")
    parser.add_argument("--only", choices=[case.name for case in CASES], help="one kind of turn")
    args = parser.parse_args()
    print(row(*HEAD))
    print(row(*("---" for _ in HEAD)), flush=True)
    for case in CASES:
        if args.only in (None, case.name):
            found = [measure(case, args.streams, args.tokens_per_s) for _ in range(args.rounds)]
            print(line(case, args.tokens_per_s, found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
