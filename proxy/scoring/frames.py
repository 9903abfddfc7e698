"""What the proxy and its scorer processes say to each other: JSON, each value led by its length.

A frame is four bytes, big end first, that count the bytes of the JSON after them. The process tells once
`{"ready": {"engine": …, "labels": […]}}` or `{"failed": reason}`, then for each question `{"id": n, "text": …}`
one answer `{"id": n, "scored": [[label, score, start, end], …]}` or `{"id": n, "error": kind}`, in order.

Nothing here knows of the rest of the proxy: the processes import it, and should start fast.
"""

from __future__ import annotations

from typing import Final

import orjson

LENGTH_BYTES: Final = 4

FRAME_BYTES_MAX: Final = 4 * 1024 * 1024
"""The longest JSON of a frame. A longer one is taken for noise: its sender has lost its place."""


class BadFrame(Exception):
    """The bytes are no frame. Its words never repeat them."""


def encode(value: object) -> bytes:
    """A value as a frame. Raises BadFrame where it is too long."""
    body = orjson.dumps(value)
    if len(body) > FRAME_BYTES_MAX:
        raise BadFrame(f"{len(body)} bytes; {FRAME_BYTES_MAX} at most")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def length(head: bytes) -> int:
    """How many bytes of JSON follow these four. Raises BadFrame."""
    count = int.from_bytes(head, "big")
    if count > FRAME_BYTES_MAX:
        raise BadFrame(f"a length of {count} bytes; {FRAME_BYTES_MAX} at most")
    return count


def decode(body: bytes) -> dict[str, object]:
    """The value of a frame, without its length. Raises BadFrame."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadFrame("not JSON") from None
    if not isinstance(value, dict):
        raise BadFrame("not an object")
    return value
