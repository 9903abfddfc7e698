"""The pictures and sounds of a streamed reply that went out: each once, by hash, type and size."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from typing import Final

from proxy.model.record import Json
from proxy.model.text import Media
from proxy.wire.stream_media import Shown

MEDIA_MAX: Final = 1024
"""So many of one reply are listed; the bytes of further ones are counted."""


KEPT_BYTES_MAX: Final = 64 << 20
"""So many bytes of one reply are kept, where the settings have them kept; what would go beyond is named only."""


class _Growing:
    """What comes in pieces."""

    __slots__ = ("bytes", "hash", "kept", "type")

    def __init__(self, type: str) -> None:
        self.type = type
        self.bytes = 0
        self.hash = hashlib.sha256()
        self.kept: bytearray | None = bytearray()  # None where not all of it could be kept


class MediaOut:
    """Gathers them as their frames are let out, in order."""

    def __init__(self) -> None:
        self.bytes = 0  # of all of them, what is not listed included
        self.keeps = False  # their bytes too
        self._room = KEPT_BYTES_MAX
        self._values: dict[tuple[str, str], str] = {}
        self._whole: dict[tuple[str, str], Media] = {}  # by field and hash: later events repeat them
        self._growing: dict[str, _Growing] = {}

    def went_out(self, shown: Iterable[Shown]) -> None:
        """A frame with these was let out."""
        for one in shown:
            media = one.media
            room = len(self._whole) + len(self._growing) < MEDIA_MAX
            if one.grows is not None:
                grown = self._growing.get(media.field)
                if grown is None and room:
                    grown = self._growing[media.field] = _Growing(media.type)
                if grown is not None:
                    grown.hash.update(one.grows)
                    grown.bytes += media.bytes
                    if not self._keep(media.bytes):
                        grown.kept = None
                    elif grown.kept is not None:
                        grown.kept += one.grows
            elif (key := (media.field, media.sha256)) in self._whole:
                continue
            elif room:
                self._whole[key] = media
                if self._keep(media.bytes):
                    self._values[key] = one.value
            self.bytes += media.bytes

    def all(self) -> tuple[Media, ...]:
        """What is listed: what came in pieces, then what came whole."""
        return (
            *(
                Media(field, one.type, one.bytes, one.hash.hexdigest())
                for field, one in self._growing.items()
            ),
            *self._whole.values(),
        )

    def kept(self) -> list[Json]:
        """The bytes of those, as base64 or as they came, where `keeps` says so."""
        if not self.keeps:
            return []
        pieces = [
            {"field": field, "data": b64encode(one.kept).decode()}
            for field, one in self._growing.items()
            if one.kept is not None
        ]
        return [*pieces, *({"field": field, "data": value} for (field, _), value in self._values.items())]

    def _keep(self, count: int) -> bool:
        if not self.keeps or count > self._room:
            return False
        self._room -= count
        return True
