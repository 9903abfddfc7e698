"""How the proxy is: status for people, health and metrics for machines."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from proxy.admin import shapes
from proxy.admin.endpoint import Call, Endpoint, answer
from proxy.admin.errors import ApiError
from proxy.metrics import Metrics
from proxy.model.record import Json


async def status(call: Call) -> web.Response:
    """Version, uptime, scorers, backends, policy; and the dial in short."""
    dial = call.context.dial
    now = dial.snapshot()
    short: dict[str, Json] = {
        "version": now.version,
        "settings": len(now.settings),
        "blocks": now.board.restraints.counts["block"],
        "rollbacks": now.board.restraints.counts["rollback"],
        "limits": now.board.restraints.counts["limit"],
        "unstored_changes": len(dial.unstored()),
        "exchanges_attached": dial.running,
    }
    return answer({"dial": short, **call.context.status()})


async def healthz(call: Call) -> web.Response:
    """The process answers."""
    return answer({"status": "ok"})


async def readyz(call: Call) -> web.Response:
    """Exchanges can be served: policy loaded, log writable, scorers up."""
    checks = call.context.ready()
    shown: dict[str, Json] = {name: "ok" if wrong is None else wrong for name, wrong in checks.items()}
    failing = [f"{name}: {wrong}" for name, wrong in checks.items() if wrong is not None]
    if failing:
        raise ApiError(503, "not_ready", "; ".join(failing), details={"checks": shown})
    return answer({"ready": True, "checks": shown})


async def metrics(call: Call) -> web.Response:
    """Prometheus text."""
    return web.Response(body=await call.context.metrics(), headers={"Content-Type": Metrics.content_type})


ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/status", "viewer", status, "How the proxy is",
        shapes.STATUS, {200: "Version, uptime and its parts"},
    ),
    Endpoint(
        "GET", "/healthz", None, healthz, "Liveness",
        shapes.record({"status": {"const": "ok"}}), {200: "The process answers"},
    ),
    Endpoint(
        "GET", "/readyz", None, readyz, "Readiness",
        shapes.CHECKS, {200: "It serves", 503: "What is wrong, by check"},
    ),
    Endpoint("GET", "/metrics", None, metrics, "Metrics", None, {200: "Prometheus text"}),
)  # fmt: skip
