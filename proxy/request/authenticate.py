"""Step 1: which configured client calls, by its key. Without `clients` in the settings any client may call."""

from __future__ import annotations

import hmac

from proxy.errors import NotAuthenticated
from proxy.request.exchange import Exchange, Ports


async def authenticate(x: Exchange, ports: Ports) -> None:
    """Raises NotAuthenticated."""
    clients = ports.settings.clients
    if not clients or x.probe is not None:
        return
    presented = _presented_key(x)
    if presented is None:
        raise NotAuthenticated("no API key was given; send the proxy's client key as the API key")
    given = presented.encode()
    # Every key is compared, each in constant time: how long it takes tells nothing of which one matched.
    matched = [
        client for client in clients if hmac.compare_digest(client.key.get_secret_value().encode(), given)
    ]
    if not matched:
        raise NotAuthenticated("the API key is not one of this proxy's client keys")
    x.client = matched[0]


def _presented_key(x: Exchange) -> str | None:
    headers = x.http.headers
    authorization = headers.get("authorization", "")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or headers.get("api-key") or None
