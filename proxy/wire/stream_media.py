"""Pictures, sounds and files in the events of a stream, by the places that they have in a whole reply.

Their bytes are no text, so no event lists them as a piece. A sound comes in deltas, each base64 by itself; a
picture comes whole, and once more in each event that repeats its item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from proxy.model.record import Json
from proxy.model.text import Media, Path
from proxy.wire.base import Event
from proxy.wire.data import data_at, read_data, said
from proxy.wire.shape import at, field_name, leaves, mapping, string
from proxy.wire.unread import OPAQUE

_MAY_HOLD: Final = re.compile(rb'"\s*data:|"[A-Za-z0-9+/_=\\-]{256}', re.IGNORECASE)
"""What a frame has that repeats an item with data in it."""


class Shown(NamedTuple):
    """Data in one event. What `grows` goes on with the next of its field: it has its bytes then, and no hash."""

    media: Media
    value: str
    grows: bytes | None = None


def media_in(event: Event) -> tuple[Shown, ...]:
    """The data in an event that is read as no text."""
    body = event.body
    if not isinstance(body, dict):
        return ()
    # Readers say where they left data unread, but for the events of a response that repeat what it is made of.
    if event.unread is None and not (
        ("item" in body or "response" in body or "part" in body) and _MAY_HOLD.search(event.frame.data or b"")
    ):
        return ()
    return tuple(_shown(body, {piece.path for piece in event.pieces}))


def _shown(body: Mapping[str, Json], read: set[Path]) -> Iterator[Shown]:
    for path, value in leaves(body, ()):
        if path in read or path[-1] in OPAQUE or not data_at(path, value) or said(path, value) is not None:
            continue
        name, type, grows = _place(body, path)
        if grows:
            data = read_data(value).bytes or b""
            yield Shown(Media(field_name(name), type, len(data), ""), value, data)
        else:
            yield Shown(read_data(value).media(field_name(name), type), value)


def _place(body: Mapping[str, Json], path: Path) -> tuple[Path, str, bool]:
    """The path in the words of a whole reply, the wire's word for what it is, and whether it comes in pieces."""
    kind = string(body.get("type")) or ""
    match path:
        case ("choices", int(), "delta" | "message" as key, *rest):
            choice = mapping(at(body, path[:2])).get("index")
            index = choice if isinstance(choice, int) else path[1]
            return ("choices", index, "message", *rest), str(rest[0] if rest else key), key == "delta"
        case ("response", "output", int(), *_):
            return path[1:], _type(at(body, path[:3])), False
        case ("item", *rest):
            return ("output", _number(body, "output_index"), *rest), _type(body.get("item")), False
        case ("part", *rest):
            place: Path = ("output", _number(body, "output_index"), "content", _number(body, "content_index"))
            return (*place, *rest), _type(body.get("part")), False
        case ("partial_image_b64",):
            number = _number(body, "partial_image_index")
            place = ("output", _number(body, "output_index"), "partial_images", number)
            return place, "image_generation_call", False
        case ("content_block", *rest):
            return ("content", _number(body, "index"), *rest), _type(body.get("content_block")), False
        case ("delta", *rest) if kind == "content_block_delta":
            return ("content", _number(body, "index"), *rest), _type(body.get("delta")), True
        case ("message", *rest):
            return tuple(rest), "data", False
        case _:
            name = kind.removeprefix("response.").removesuffix(".delta") or "event"
            return (name, *path), name, kind.endswith("delta")


def _number(body: Mapping[str, Json], key: str) -> int:
    number = body.get(key)
    return number if isinstance(number, int) else 0


def _type(value: Json) -> str:
    return string(mapping(value).get("type")) or "data"
