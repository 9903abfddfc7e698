"""What came of a text and is yet to be judged: its pieces, and where it paused."""

from __future__ import annotations

import re
from collections import deque

REOPENED_CONTEXT_CHARS = 512
"""How much of a text that was judged as ended is read again when it grows after all, or when another text
follows that its reader may put beside it."""

_PAUSE = None
_SURROGATE = re.compile("[\ud800-\udfff]")


def readable(piece: str) -> str:
    """The piece as detectors read it: they want valid Unicode, so half a surrogate pair (its other half may come in
    the next piece) counts as one character that matches nothing."""
    return piece if piece.isascii() else _SURROGATE.sub("\ufffd", piece)


class Grown:
    """All that came of a text, up to where it ended for its reader."""

    __slots__ = ("limit", "parts")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.limit: int | None = None  # where the reply ended for its reader, though more came

    @property
    def text(self) -> str:
        if len(self.parts) > 1:
            self.parts = ["".join(self.parts)]
        text = self.parts[0] if self.parts else ""
        return text if self.limit is None else text[: self.limit]


class Pieces:
    """A queue of characters with marks in it."""

    __slots__ = ("_at", "_queue")

    def __init__(self) -> None:
        self._queue: deque[str | None] | None = None  # none where nothing waits, as nearly always
        self._at = 0  # how much of its first piece was taken

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, piece: str | None) -> None:
        if self._queue is None:
            self._queue = deque((piece,))
        else:
            self._queue.append(piece)

    def pause(self) -> None:
        self.add(_PAUSE)

    def clear(self) -> None:
        self._queue = None
        self._at = 0

    def take_pause(self) -> bool:
        """Whether a pause is next; it is taken."""
        if self._queue and self._queue[0] is _PAUSE:
            self._queue.popleft()
            return True
        return False

    def take(self, chars: int) -> str:
        """At most so many of the next characters, up to a pause."""
        queue = self._queue
        if not queue:
            return ""
        first = queue[0]
        if len(queue) == 1 and self._at == 0 and first is not None and len(first) <= chars:
            self._queue = None
            return first
        out: list[str] = []
        while chars > 0 and queue and (piece := queue[0]) is not _PAUSE:
            end = self._at + chars
            if end < len(piece):
                out.append(piece[self._at : end])
                self._at = end
                break
            out.append(piece[self._at :] if self._at else piece)
            chars -= len(out[-1])
            queue.popleft()
            self._at = 0
        return out[0] if len(out) == 1 else "".join(out)
