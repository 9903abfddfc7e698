"""Step 7: the request goes to its backend, and its begin to the log, side by side."""

from __future__ import annotations

from proxy import jsonio
from proxy.errors import BackendFailed
from proxy.request.exchange import Exchange, Ports
from proxy.request.record import begin


async def forward(x: Exchange, ports: Ports) -> None:
    """Opens the backend's reply. Raises BackendFailed, and Killed where the dial is turned meanwhile."""
    route = x.route
    assert route is not None, "read finds the route"
    if x.sent_raw is not x.raw and x.sent is None and x.sent_raw:
        x.sent = jsonio.loads_strict(x.sent_raw)
    begin(x, ports)
    backend = ports.backends[route.backend]
    x.sent_at = sent_at = ports.clock.monotonic()
    x.guard_s += sent_at - x.started
    body = x.sent_raw if x.sent_raw or x.http.method in ("POST", "PUT", "PATCH") else None
    try:
        x.upstream = await x.on_backend(
            backend.open(
                x.http.method,
                x.http.rel_url.raw_path_qs,
                x.http.headers,
                body,
                keep_credential=not ports.settings.clients,
            )
        )
    except BackendFailed:
        x.backend_done(ports.clock.monotonic())
        raise
    x.backend_first_byte = ports.clock.monotonic() - sent_at
