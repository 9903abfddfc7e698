"""A database of regions in MaxMind's format, small and true to its description: 24-bit records, IPv6 tree with IPv4
below ::/96 (https://maxmind.github.io/MaxMind-DB/)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network


def mmdb(regions: Mapping[str, object]) -> bytes:
    """The file's bytes: networks, v4 or v6, each with its record."""
    data, places = b"", {}
    for name, record in regions.items():
        places[name] = len(data)
        data += _value(record)
    nodes: list[list[int | None]] = [[None, None]]
    leaves: dict[tuple[int, int], str] = {}
    for name in regions:
        network = ip_network(name)
        bits = format(int(network.network_address), f"0{network.max_prefixlen}b")[: network.prefixlen]
        path = "0" * 96 + bits if isinstance(network, IPv4Network) else bits
        at = 0
        for bit in path[:-1]:
            following = nodes[at][int(bit)]
            if following is None:
                nodes.append([None, None])
                following = nodes[at][int(bit)] = len(nodes) - 1
            at = following
        leaves[at, int(path[-1])] = name
    count = len(nodes)
    tree = b""
    for at, node in enumerate(nodes):
        for side in (0, 1):
            leaf = leaves.get((at, side))
            child = node[side]
            value = count + 16 + places[leaf] if leaf is not None else count if child is None else child
            tree += value.to_bytes(3)
    metadata = {
        "node_count": count, "record_size": 24, "ip_version": 6, "database_type": "Test-Country",
        "languages": [], "binary_format_major_version": 2, "binary_format_minor_version": 0,
        "build_epoch": 1, "description": {},
    }  # fmt: skip
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _value(metadata)


def _value(value: object) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        return _head(2, len(raw)) + raw
    if isinstance(value, dict):
        return _head(7, len(value)) + b"".join(_value(key) + _value(item) for key, item in value.items())
    if isinstance(value, list):
        return _head(11, len(value)) + b"".join(map(_value, value))
    assert isinstance(value, int)
    raw = value.to_bytes((value.bit_length() + 7) // 8)
    return _head(6, len(raw)) + raw


def _head(kind: int, size: int) -> bytes:
    assert size < 29, "longer values have another head"
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])
