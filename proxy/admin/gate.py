"""Who may call the admin API, and through which door: Host, Origin, bearer token. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from proxy.admin.errors import ApiError
from proxy.settings import Role, Token

ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "admin")
"""Each role may do what those before it may."""

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(authority: str) -> str | None:
    """The lower-case name of a `Host` value, without port, brackets and final dot; None where it is none."""
    try:
        parts = urlsplit(f"//{authority}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if not name or parts.path or parts.query or parts.fragment or parts.username is not None:
        return None
    return plain_address(name.rstrip("."))


def plain_address(name: str) -> str:
    """An address in its one normal form, an IPv4 one that came over IPv6 as itself; any other name unchanged."""
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return name
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


class Gate:
    """The checks of one listener."""

    def __init__(self, tokens: Iterable[Token], hosts: Iterable[str]) -> None:
        self._tokens = tuple((_digest(one.token.get_secret_value()), one) for one in tokens)
        self._named = frozenset(plain_address(host.lower().strip("[]").rstrip(".")) for host in hosts if host)

    def check_host(self, hosts: list[str], own_address: str | None) -> None:
        """A browser that was made to resolve another name to this address must get nothing. Raises ApiError."""
        name = host_name(hosts[0]) if len(hosts) == 1 else None
        if name is None or not (name in LOOPBACK_NAMES or name in self._named or name == own_address):
            raise ApiError(
                421, "foreign_host", "this listener is not reached under that Host; `admin.hosts` adds names"
            )

    def check_origin(self, origins: list[str], host: str) -> None:
        """Pages may call only from where this listener itself is. Raises ApiError."""
        for origin in origins:
            scheme, _, authority = origin.partition("://")
            name = host_name(authority)
            own = authority.lower() == host.lower()
            if scheme not in ("http", "https") or name is None or not (own or name in self._named):
                raise ApiError(403, "foreign_origin", "a page of that origin may not call this API")

    def caller(self, authorizations: list[str]) -> Token:
        """The token that a request carries. Raises ApiError.

        Every known token is compared, in constant time, whatever the first ones say.
        """
        scheme, _, presented = authorizations[0].partition(" ") if len(authorizations) == 1 else ("", "", "")
        found: Token | None = None
        digest = _digest(presented.strip())
        for known, token in self._tokens:
            if hmac.compare_digest(known, digest):
                found = token
        if found is None or scheme.lower() != "bearer":
            raise ApiError(
                401,
                "unauthenticated",
                "this needs `Authorization: Bearer TOKEN` with a valid token",
                headers={"WWW-Authenticate": 'Bearer realm="guardrail-admin"'},
            )
        return found

    @staticmethod
    def check_role(token: Token, needed: Role) -> None:
        """Raises ApiError."""
        if ROLES.index(token.role) < ROLES.index(needed):
            raise ApiError(
                403, "forbidden", f"this needs the role {needed}; the token {token.name} is a {token.role}"
            )


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()
