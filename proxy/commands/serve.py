"""`serve` and `demo`: run the proxy until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from contextlib import closing
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop
from aiohttp import web

from proxy import logs
from proxy.app import App
from proxy.collector import Collector, without_passes
from proxy.demo import build_demo
from proxy.settings import Address, Settings, demo_settings, load, parse_address
from proxy.shipped import shipped_rules

_log = structlog.get_logger("proxy")

DESCRIPTORS = 65_536
"""How many open files the process asks for."""

DEMO_BANNER = """
  The demo is up: a scripted model that misbehaves on request, with the proxy before it.

    curl -s {clients}/v1/chat/completions -H 'content-type: application/json' \\
      -d '{{"model": "demo", "messages": [{{"role": "user", "content": "please leak something"}}]}}'

  Ask it to leak, insult, stall, reset or call a tool; add "stream": true to see it cut as it flows.
  The dial:  export GUARDRAIL_ADMIN_TOKEN=$(cat {token})
             {command} dial set killed --scope global --reason "trying it" --admin {admin}
  The log:   {command} log search --data-dir {data}
  Metrics:   {admin}/metrics                                                       Ctrl-C stops it.
"""


def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="The settings file.")] = Path("proxy.yaml"),
) -> None:
    """Run the proxy until SIGTERM or SIGINT, then let running exchanges end.

    Example: guardrail-proxy serve --config proxy.yaml
    """
    settings = load(config, os.environ)
    logs.configure(settings.log_format)
    raise typer.Exit(uvloop.run(_run(settings)))


def demo(
    listen: Annotated[str, typer.Option(help="Where applications connect.")] = "127.0.0.1:8080",
    admin: Annotated[str, typer.Option(help="Where operators connect.")] = "127.0.0.1:8081",
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps its log and dial.")] = Path("data"),
    rules: Annotated[Path | None, typer.Option(help="The rules folder; by default the shipped one.")] = None,
) -> None:
    """Run the proxy before a built-in scripted model that can be told to misbehave. Needs no API key.

    Example: guardrail-proxy demo --listen 127.0.0.1:9000
    """
    addresses = []
    for name, text in (("--listen", listen), ("--admin", admin)):
        try:
            addresses.append(parse_address(text))
        except ValueError as error:
            raise typer.BadParameter(f"{name}: {error}") from None
    logs.configure("console")
    raise typer.Exit(uvloop.run(_demo(addresses[0], addresses[1], data_dir, rules or shipped_rules())))


async def _run(settings: Settings, banner: str | None = None) -> int:
    _take_descriptors()
    app = App(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with without_passes():
        bound = await app.start()
    scheme = "https" if settings.tls is not None else "http"
    admin_scheme = "https" if settings.admin.tls is not None else "http"
    clients, admin = f"{scheme}://{bound.client}", f"{admin_scheme}://{bound.admin}"
    _log.info(
        "serving",
        clients=clients,
        admin=admin,
        policy=app.policy.current.digest,
        rules=len(app.policy.current.rules),
        start_s=round(app.start_s, 2),
    )
    if banner is not None:
        token = settings.data_dir / "admin.token"
        typer.echo(
            banner.format(
                clients=clients,
                admin=admin,
                token=token,
                data=settings.data_dir,
                command=_command(),
            )
        )
    front, recorder = app.front, app.recorder
    with closing(Collector(lambda: front.in_flight + recorder.queue_depth, lambda: front.begun)) as collector:
        collector.run()
        await stop.wait()
    # A second signal ends the wait for running exchanges.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    _log.info("stopping", in_flight=app.front.in_flight)
    await app.stop()
    _log.info("stopped")
    return 0


async def _demo(listen: Address, admin: Address, data_dir: Path, rules: Path) -> int:
    runner = web.AppRunner(build_demo(), handle_signals=False, shutdown_timeout=1.0, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return await _run(demo_settings(listen, admin, data_dir, rules, url), DEMO_BANNER)
    finally:
        await runner.cleanup()


def _take_descriptors() -> None:
    """Raise the limit of open files as far as the system lets us: every connection needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _command() -> str:
    """How the reader of the banner can call this command: by name where it is on the path."""
    local = Path(".venv/bin/guardrail-proxy")
    return str(local) if local.exists() else "guardrail-proxy"
