"""Step 4: what is asked, of which model. Reads the body and finds the route."""

from __future__ import annotations

from dataclasses import replace

from proxy.errors import BadRequest, UnknownPath
from proxy.request.address import address
from proxy.request.admit import admit_again
from proxy.request.body import keep_some, parse_body, read_body
from proxy.request.exchange import Exchange, Ports
from proxy.request.identify import clean_name
from proxy.request.turn import READ_INLINE_BYTES_MAX, beside
from proxy.wire.alternatives import alternatives
from proxy.wire.credentials import masked
from proxy.wire.registry import wire_for


async def read(x: Exchange, ports: Ports) -> None:
    """Raises UnknownPath, BadRequest, TooLarge, Unreadable, SubjectBlocked, RateLimited."""
    settings = ports.settings
    http = x.http
    _check_path(http.path)
    x.wire = wire_for(http.method, http.path, is_anthropic=x.api == "anthropic")
    if x.wire is None and settings.unknown_paths == "deny":
        x.body_read = False
        x.body, x.body_bytes = await keep_some(http)
        raise UnknownPath(f"{http.method} {http.path} is not a path that this proxy can read")
    x.raw = await read_body(http, settings.limits.max_body_bytes)
    x.body_bytes = len(x.raw)
    large = x.body_bytes > READ_INLINE_BYTES_MAX
    if x.wire is None:
        x.unscanned["unknown_path"] += len(x.raw)
        requested = None
    else:
        if http.method == "POST":
            x.body = await beside(large, parse_body, x.raw)
        elif x.raw:
            raise BadRequest("a body has no meaning on this call")
        if "starting_after" in http.query:
            # What came before that point is not read again, so a match over it could not be seen.
            raise BadRequest("a stream cannot be resumed through this proxy; ask for the response as a whole")
        x.view = await beside(large, x.wire.read_request, x.body)
        if large and not x.policy.unlogs:
            x.logged = await beside(True, masked, x.body)
        requested = x.view.model
        if x.subject.user is None:
            x.subject = replace(x.subject, user=clean_name(x.view.user))
        for media in x.view.media:
            x.unscanned["media"] += media.bytes
    admit_again(x, ports)
    rollbacks = ports.dial.restraints().rollbacks
    route = ports.router.route(x.api, requested, rollbacks)
    if requested is None and http.method == "POST" and not rollbacks.keys().isdisjoint(route.names):
        # The backend would take its default, which may be the very version that was rolled back.
        raise BadRequest("name the model: one at this backend is rolled back", code="model_required")
    for other in alternatives(x.body) if x.wire is not None else ():
        # A gateway may answer with this one: whatever holds for it holds for the exchange.
        also = ports.router.route(x.api, other, rollbacks)
        if also.rollback is not None:
            raise BadRequest(f"the model {other!r} is rolled back; leave it out", code="rolled_back")
        x.reach = replace(x.reach, models=x.reach.models | also.names)
    await address(x, route)


def _check_path(path: str) -> None:
    """What is read here must be what the backend will read: no path that it might resolve to another one."""
    segments = path.split("/")
    if not path.startswith("/") or "%" in path or "\\" in path or "." in segments or ".." in segments:
        raise UnknownPath("the path is ambiguous: dot segments, backslashes and double encoding are refused")
