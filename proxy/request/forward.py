"""Step 8: the request goes to its backend, and its begin to the log, side by side."""

from __future__ import annotations

from typing import Final

from proxy import jsonio
from proxy.errors import BackendFailed, BackendFault
from proxy.request.address import address
from proxy.request.exchange import Exchange, Ports
from proxy.request.fallback import failed, fall_back, time_left_s
from proxy.request.record import begin

OK_STATUS: Final = 200


async def forward(x: Exchange, ports: Ports) -> None:
    """Opens the backend's reply, or leaves it unopened where the exchange is now addressed to another version of
    its model, or is to be contained anew. Raises BackendFailed, and Killed where the dial is turned meanwhile."""
    route = x.route
    assert route is not None, "read finds the route"
    if x.rose:
        # The dial was turned while the request was judged: nothing goes out as the level before let it.
        await address(x, route)
        return
    if x.sent_raw is not x.raw and x.sent is None and x.sent_raw:
        x.sent = jsonio.loads_strict(x.sent_raw)
    begin(x, ports)
    backend = ports.backends[route.backend]
    x.sent_at = sent_at = ports.clock.monotonic()
    x.guard_s += sent_at - x.resumed
    within_s = time_left_s(x, sent_at)
    body = x.sent_raw if x.sent_raw or x.http.method in ("POST", "PUT", "PATCH") else None
    # The client's credential is for the backend that serves its model, and for no other.
    first = x.attempts[0].backend if x.attempts else route.backend
    credential = not ports.settings.clients and not x.stand_in and route.backend == first
    try:
        upstream = await x.on_backend(
            backend.open(
                x.http.method,
                x.http.rel_url.raw_path_qs,
                x.http.headers,
                body,
                keep_credential=credential,
                within_s=within_s,
            )
        )
    except BackendFailed as error:
        if error.fault is not BackendFault.DOWN:
            x.backend_done(ports.clock.monotonic())
        if await fall_back(x, ports, error.fault, error.message):
            return
        raise
    x.upstream = upstream
    x.backend_first_byte = ports.clock.monotonic() - sent_at
    if x.stand_in and upstream.status != OK_STATUS:
        raise BackendFailed(f"backend {route.backend}: it answered {upstream.status}")
    if failed(upstream.status) and await fall_back(
        x, ports, BackendFault.STATUS, f"the backend answered {upstream.status}"
    ):
        x.upstream = None
        ports.spawn(upstream.drain())
