"""How much room a value takes while it waits."""

from __future__ import annotations

from itertools import islice
from typing import Final

from proxy.model.record import Json

_SAMPLE: Final = 64
_NODE_BYTES: Final = 32


def weight_of(value: Json) -> int:
    """About how many bytes a value holds; large lists and objects are sampled, so that asking costs little."""
    total = 0.0
    stack: list[tuple[Json, float]] = [(value, 1.0)]
    while stack:
        node, times = stack.pop()
        if isinstance(node, str):
            total += len(node) * times
            continue
        total += _NODE_BYTES * times
        if isinstance(node, dict):
            children: list[Json] = list(islice(node.values(), _SAMPLE))
        elif isinstance(node, list):
            children = node[:: max(1, len(node) // _SAMPLE)]
        else:
            continue
        if children:
            times *= len(node) / len(children)
            stack.extend((child, times) for child in children)
    return int(total)
