"""Bodies without the bytes of their images, sounds and files: in place of each stands what it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from proxy.model.record import Json
from proxy.model.text import Media, Path
from proxy.wire.data import DATA_CHARS_MIN, is_data_url
from proxy.wire.plain import is_base64
from proxy.wire.shape import at, with_leaves

Stands = Mapping[str, str]
"""What stands in place of a string."""
_NOTHING: Final[Stands] = {}


def stand_ins(body: Json, media: Iterable[Media]) -> Stands:
    """For each string of a body that holds the bytes of one of these: its type, size and hash. Addresses of media
    stay, and so do strings so short that they cost nothing."""
    found: dict[str, str] = {}
    for one in media:
        try:
            value = at(body, one.path)
        except LookupError:
            continue  # it stands within a text, which is kept
        if (
            isinstance(value, str)
            and len(value) >= DATA_CHARS_MIN
            and (is_data_url(value) or is_base64(value))
        ):
            found[value] = f"media:{one.type};bytes={one.bytes};sha256={one.sha256}"
    return found or _NOTHING


def unloaded(body: Json, stands: Stands) -> Json:
    """The body with these strings replaced wherever they stand; the same object where there is none."""
    if not stands:
        return body
    lengths = {len(value) for value in stands}
    leaves: dict[Path, str] = {}
    todo: list[tuple[Json, Path]] = [(body, ())]
    while todo:
        node, path = todo.pop()
        children: Iterable[tuple[str | int, Json]]
        if isinstance(node, dict):
            children = node.items()
        elif isinstance(node, list):
            children = enumerate(node)
        else:
            continue
        for step, child in children:
            if isinstance(child, dict | list):
                todo.append((child, (*path, step)))
            elif isinstance(child, str) and len(child) in lengths and child in stands:
                leaves[*path, step] = stands[child]
    return with_leaves(body, leaves) if leaves else body
