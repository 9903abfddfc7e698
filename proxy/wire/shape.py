"""Reading parsed JSON of which nothing is certain: every helper answers for any value."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from proxy.model.record import Json
from proxy.model.text import Media, Path

DATA_CHARS_MIN = 256
"""From this length on a string in base64's alphabet without a blank is taken for data, not text."""

NAME_CHARS_MAX = 64
"""Up to this length the value of a key such as `type` or `id` is taken for a name of the wire's, not text."""

_EMPTY: Mapping[str, Json] = MappingProxyType({})
_DATA_URL = re.compile(r"data:([^;,]*)[^,]*?(;base64)?,", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]+")
_NAME = re.compile(r"[\w.:/-]*", re.ASCII)
_NAME_KEYS = frozenset(
    ("type", "id", "object", "role", "format", "status", "call_id", "tool_call_id", "tool_use_id", "item_id")
)


def mapping(value: Json) -> Mapping[str, Json]:
    """The object, or an empty one for anything else."""
    return value if isinstance(value, dict) else _EMPTY


def sequence(value: Json) -> Sequence[Json]:
    """The list, or an empty one for anything else."""
    return value if isinstance(value, list) else ()


def string(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def integer(value: Json, default: int = 0) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def at(body: Json, path: Path) -> Json:
    """The value at a path. Raises LookupError."""
    for step in path:
        body = mapping(body)[step] if isinstance(step, str) else sequence(body)[step]
    return body


def field_name(path: Path) -> str:
    """A path as findings write it: `messages[2].content`."""
    out = ""
    for step in path:
        out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else step
    return out


def is_data(value: str) -> bool:
    """Whether the string holds bytes rather than text: a data URL, or a long run of base64."""
    if value.startswith(("data:", "DATA:")) and _DATA_URL.match(value):
        return True
    return len(value) >= DATA_CHARS_MIN and _BASE64.fullmatch(value) is not None


def leaves(value: Json, path: Path) -> Iterator[tuple[Path, str]]:
    """Every non-empty string below a value, with its path, in the body's order; names of the wire's own (types,
    ids) left out."""
    stack: list[tuple[Path, Json]] = [(path, value)]
    while stack:
        where, node = stack.pop()
        if isinstance(node, str):
            last = where[-1] if where else None
            named = last in _NAME_KEYS and len(node) <= NAME_CHARS_MAX and _NAME.fullmatch(node)
            if node and not named:
                yield where, node
        elif isinstance(node, dict):
            stack.extend(((*where, key), child) for key, child in reversed(node.items()))
        elif isinstance(node, list):
            stack.extend(((*where, index), node[index]) for index in range(len(node) - 1, -1, -1))


def media_of(value: str, field: str, type: str) -> Media:
    """What is kept of data that no text rule reads: its size and hash, decoded where it is base64."""
    head = _DATA_URL.match(value)
    encoded = value
    if head is not None:
        type = head.group(1) or type
        encoded = value[head.end() :]
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        data = value.encode("utf-8", "surrogatepass")
    return Media(field, type, len(data), hashlib.sha256(data).hexdigest())
