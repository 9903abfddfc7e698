"""Callers as operators name them, in blocks, limits and allow lists, and how often one may call. Pure values."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType
from typing import Final, TypeAlias

from proxy.errors import Invalid

Network: TypeAlias = IPv4Network | IPv6Network

ADDRESSES_KEPT_MAX: Final = 4096
"""Addresses whose form is kept: an exchange reads its caller's several times."""
NAME_CHARS_MAX: Final = 256
"""The longest name of a subject, a model or an app."""
CALLS_MAX: Final = 100_000
"""The highest number of calls in a limit's rate: each call of its window is remembered by its time."""
WINDOW_S_MAX: Final = 7 * 86_400
"""The longest window of a limit."""

_RATE = re.compile(r"([1-9][0-9]{0,8}) ?/ ?([1-9][0-9]{0,4})? ?(second|minute|hour|day)s?")
_UNIT_S: Final = MappingProxyType({"second": 1, "minute": 60, "hour": 3600, "day": 86_400})
_REGION = re.compile(r"[A-Z][A-Z0-9]")
_MAPPED_BITS: Final = 96
"""Below so many bits of ::ffff:0:0 stands an IPv4 address."""
# Control characters, lone surrogates, line ends: they forge lines on a terminal or cannot be stored.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


class SubjectKind(StrEnum):
    """The names of a caller that a block or a limit can be about."""

    USER = "user"
    KEY = "key"
    IP = "ip"
    REGION = "region"
    APP = "app"


@dataclass(frozen=True, slots=True)
class SubjectName:
    """A caller by one of its names: `user:ID`, `key:NAME`, `ip:CIDR`, `region:CC`, `app:NAME`. `value` is in the
    one form in which exchanges carry it; `network` is the range of an `ip`."""

    kind: SubjectKind
    value: str
    network: Network | None = None

    @classmethod
    def parse(cls, text: str) -> SubjectName:
        """Raises Invalid."""
        word, colon, value = text.partition(":")
        if not colon or word not in tuple(SubjectKind):
            raise Invalid("a subject is `user:ID`, `key:NAME`, `ip:CIDR`, `region:CC` or `app:NAME`")
        if not value or value != value.strip() or len(value) > NAME_CHARS_MAX or not printable(value):
            raise Invalid(
                f"the name of a subject has 1 to {NAME_CHARS_MAX} printable characters and no blanks around it"
            )
        kind = SubjectKind(word)
        if kind is SubjectKind.IP:
            network = _network(value)
            return cls(kind, str(network), network)
        if kind is SubjectKind.REGION:
            value = value.upper() if value.isascii() else ""  # of ß the upper case is two letters
            if _REGION.fullmatch(value) is None:
                raise Invalid("a region is a country's code of two letters, as `region:DE`")
        return cls(kind, value)

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in any window of that many seconds."""

    calls: int
    window_s: int

    @classmethod
    def parse(cls, text: str) -> Rate:
        """`10/minute`, `500/12 hours`. Raises Invalid."""
        found = _RATE.fullmatch(text)
        if found is None:
            raise Invalid(
                "a rate is a number and second, minute, hour or day, as `10/minute` or `500/12 hours`"
            )
        calls, window_s = int(found[1]), int(found[2] or 1) * _UNIT_S[found[3]]
        if calls > CALLS_MAX or window_s > WINDOW_S_MAX:
            raise Invalid(f"a rate has at most {CALLS_MAX} calls in at most {WINDOW_S_MAX // 86_400} days")
        return cls(calls, window_s)

    def __str__(self) -> str:
        for unit in ("day", "hour", "minute", "second"):
            units, rest = divmod(self.window_s, _UNIT_S[unit])
            if not rest:
                return f"{self.calls}/{unit}" if units == 1 else f"{self.calls}/{units} {unit}s"
        raise AssertionError("every window is a number of seconds")


def printable(text: str) -> bool:
    """Whether a text may stand in a log line, a terminal and a database as it is."""
    return not any(unicodedata.category(char) in _UNPRINTABLE for char in text)


@lru_cache(maxsize=ADDRESSES_KEPT_MAX)
def plain_address(text: str) -> IPv4Address | IPv6Address:
    """An address in the one form in which exchanges carry it: an IPv4 address that is mapped into IPv6 is itself.
    Raises ValueError."""
    address = ip_address(text.split("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _network(text: str) -> Network:
    _, slash, bits = text.partition("/")
    if slash and not (bits.isascii() and bits.isdigit()):
        raise Invalid(f"`{text}` is no address range: write it as 203.0.113.0/24 or 2001:db8::/32")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise Invalid(f"`{text}` is no IP address and no range, as 203.0.113.0/24 or 2001:db8::/32") from None
    if "%" in text:
        raise Invalid(f"`{text}` has a zone, which no exchange carries: leave it out")
    # A range with more in its address than in its bits is a slip, and the wider reading blocks thousands.
    if slash and ip_address(text.partition("/")[0]) != network.network_address:
        raise Invalid(
            f"`{text}` is ambiguous: write {network} for the range, or the address without `/{bits}`"
        )
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network
