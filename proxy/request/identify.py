"""Step 2: who calls, as far as the request's head tells.

Names that a client only claims (its user, app or region, from a caller that is neither authenticated nor a
trusted proxy) are taken for the record and for what makes treatment stricter; see `Reach.app_verified`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from proxy.errors import BadRequest
from proxy.model.probe import PROBE_APP
from proxy.model.subject import Subject
from proxy.request.exchange import Exchange, Ports
from proxy.subjects import plain_address

FORWARDED_HOPS_MAX = 32
"""How many addresses of an X-Forwarded-For header are looked at, from the nearest."""

NAME_CHARS_MAX = 256
"""The longest user, app or region name that is taken; longer ones are cut."""


async def identify(x: Exchange, ports: Ports) -> None:
    """Names the caller. Raises BadRequest."""
    if x.probe is not None:
        x.app, x.app_verified, x.user_verified = PROBE_APP, True, True
        x.subject = Subject(key=f"probe:{x.probe.id}")
        return
    names = ports.settings.identify
    headers = x.http.headers
    peer_trusted = _trusted(x.http.remote, ports)
    vouched = peer_trusted or x.client is not None
    if x.client is not None:
        x.app, x.app_verified = x.client.app, True
    else:
        x.app, x.app_verified = _named(x, names.app_header), vouched
    address = _address(x.http.remote, headers.getall("x-forwarded-for", ()) if peer_trusted else (), ports)
    region = _named(x, names.region_header) if peer_trusted else None
    if region is None and address is not None and ports.region_of is not None:
        region = ports.region_of(address)
    user = _named(x, names.user_header)
    x.user_verified = x.client is not None or (peer_trusted and user is not None)
    x.subject = Subject(
        key=x.client.name if x.client is not None else None,
        user=user,
        ip=address,
        region=region.upper() if region else None,
    )


def _named(x: Exchange, header: str | None) -> str | None:
    """What that header says. Where it stands twice, a proxy may have put its own beside the caller's, and nobody
    can tell which is which. Raises BadRequest."""
    found = {clean_name(value) for value in x.http.headers.getall(header or "", ())}
    if len(found) > 1:
        raise BadRequest(f"the header `{header}` stands twice, with two names", code="ambiguous_header")
    return found.pop() if found else None


def clean_name(value: str | None) -> str | None:
    """A name that came with a request, without blanks around it; None for an empty one."""
    return value.strip()[:NAME_CHARS_MAX] or None if value else None


def _parse(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        return plain_address((text or "").strip().strip("[]"))
    except ValueError:
        return None


def _hop(text: str) -> IPv4Address | IPv6Address | None:
    """An address of X-Forwarded-For. Some proxies add the port: `203.0.113.9:4711`, `[2001:db8::1]:4711`."""
    text = text.strip()
    if text.startswith("["):
        return _parse(text[1:].partition("]")[0])
    return _parse(text.partition(":")[0] if text.count(":") == 1 else text)


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
        address = _hop(hop)
        if address is None:
            break
        nearest = address
        if not _trusted(str(address), ports):
            break
    return str(nearest) if nearest is not None else None
