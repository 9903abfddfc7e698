"""Which model of which backend a request is for, and its bytes with that model's name."""

from __future__ import annotations

from proxy.backend.route import Route
from proxy.model.subject import Reach
from proxy.request.exchange import Exchange
from proxy.request.turn import READ_INLINE_BYTES_MAX, beside


async def address(x: Exchange, route: Route) -> None:
    """Have the exchange go there: its request as it was received, but for the model's name. Where it was to go
    elsewhere before, it stays within reach of whatever held for it there."""
    x.route = route
    x.reach = Reach(models=x.reach.models | route.names, app=x.app, app_verified=x.app_verified)
    x.sent_raw, x.sent = x.raw, None
    x.judged, x.judged_raw = (), b""
    x.findings, x.scores, x.pseudonyms = [], {}, None  # of its request, which is judged anew
    requested = x.view.model if x.view is not None else None
    if x.wire is not None and route.sent is not None and route.sent != requested:
        large = x.body_bytes > READ_INLINE_BYTES_MAX
        x.sent_raw = await beside(large, x.wire.rename_model, x.raw, route.sent)
