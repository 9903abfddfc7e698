"""Step 2: what is asked, by whom, of which model. Reads the body and finds the route.

Names that a client only claims (its user, app or region, from a caller that is neither authenticated nor a
trusted proxy) are taken for the record and for what makes treatment stricter; see `Reach.app_verified`.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

from proxy.errors import BadRequest, UnknownPath
from proxy.model.subject import Reach, Subject
from proxy.request.body import parse_body, read_body
from proxy.request.exchange import Exchange, Ports
from proxy.request.turn import READ_INLINE_BYTES_MAX, beside
from proxy.wire.registry import wire_for

FORWARDED_HOPS_MAX = 32
"""How many addresses of an X-Forwarded-For header are looked at, from the nearest."""

NAME_CHARS_MAX = 256
"""The longest user, app or region name that is taken; longer ones are cut."""


async def identify(x: Exchange, ports: Ports) -> None:
    """Raises UnknownPath, BadRequest, TooLarge, Unreadable."""
    settings = ports.settings
    http = x.http
    peer_trusted = _trusted(http.remote, ports)
    vouched = peer_trusted or x.client is not None
    _name_caller(x, ports, peer_trusted=peer_trusted, vouched=vouched)
    _check_path(http.path)
    x.wire = wire_for(http.method, http.path, is_anthropic=x.api == "anthropic")
    x.raw = await read_body(http, settings.limits.max_body_bytes)
    x.body_bytes = len(x.raw)
    large = x.body_bytes > READ_INLINE_BYTES_MAX
    if x.wire is None:
        if settings.unknown_paths == "deny":
            raise UnknownPath(f"{http.method} {http.path} is not a path that this proxy can read")
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
        requested = x.view.model
        if x.subject.user is None and x.view.user is not None:
            user = x.view.user[:NAME_CHARS_MAX]
            x.subject = Subject(key=x.subject.key, user=user, ip=x.subject.ip, region=x.subject.region)
        for media in x.view.media:
            x.unscanned["media"] += media.bytes
        if x.view.conversation is not None:
            x.unscanned["conversation"] += 1
    x.sent_raw = x.raw
    x.route = ports.router.route(x.api, requested)
    x.reach = Reach(models=x.route.names, app=x.app, app_verified=x.app_verified)
    if x.wire is not None and x.route.sent is not None and x.route.sent != requested:
        x.sent_raw = await beside(large, x.wire.rename_model, x.raw, x.route.sent)


def _check_path(path: str) -> None:
    """What is read here must be what the backend will read: no path that it might resolve to another one."""
    segments = path.split("/")
    if not path.startswith("/") or "%" in path or "\\" in path or "." in segments or ".." in segments:
        raise UnknownPath("the path is ambiguous: dot segments, backslashes and double encoding are refused")


def _name_caller(x: Exchange, ports: Ports, *, peer_trusted: bool, vouched: bool) -> None:
    names = ports.settings.identify
    headers = x.http.headers
    if x.client is not None:
        x.app, x.app_verified = x.client.app, True
    else:
        x.app, x.app_verified = _name(headers.get(names.app_header or "")), vouched
    region = _name(headers.get(names.region_header)) if names.region_header and peer_trusted else None
    x.subject = Subject(
        key=x.client.name if x.client is not None else None,
        user=_name(headers.get(names.user_header or "")),
        ip=_address(x.http.remote, headers.getall("x-forwarded-for", ()) if peer_trusted else (), ports),
        region=region.upper() if region else None,
    )


def _name(value: str | None) -> str | None:
    return value.strip()[:NAME_CHARS_MAX] or None if value else None


def _parse(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ipaddress.ip_address((text or "").strip().strip("[]").split("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _trusted(remote: str | None, ports: Ports) -> bool:
    address = _parse(remote)
    return address is not None and any(
        address in network for network in ports.settings.identify.trusted_proxies
    )


def _address(remote: str | None, forwarded: tuple[str, ...] | list[str], ports: Ports) -> str | None:
    """The nearest address that is no trusted proxy, read from the right: what stands left of it is a claim."""
    hops = [hop for line in forwarded for hop in line.split(",")][-FORWARDED_HOPS_MAX:]
    nearest = _parse(remote)
    for hop in reversed(hops):
        address = _parse(hop)
        if address is None:
            break
        nearest = address
        if not _trusted(str(address), ports):
            break
    return str(nearest) if nearest is not None else None
