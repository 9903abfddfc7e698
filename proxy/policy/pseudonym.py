"""Pseudonyms: what stands for a value before the backend sees it, and the way back in the reply.

A pseudonym is the value's entity and six hexadecimal digits, `<EMAIL_ADDRESS_3f9a1c>`: BLAKE2b, keyed with a key
that never leaves the proxy, over whose value it is, the entity and the value. So the same value of the same
subject has the same pseudonym in every turn of a conversation, and nobody without the key can tell which value
it is. What leads back is one exchange's own table: it holds the values of that exchange's request and no other,
so that a reply never restores anybody else's. Models drop the angle brackets at times; the way back takes the
pseudonym with and without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final

from proxy.model.text import Replacement

PSEUDONYMS_MAX: Final = 1000
"""Values of one request that get a pseudonym; further ones are redacted, which nothing restores."""

_DIGITS: Final = 6
_DIGITS_MAX: Final = 32
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}_[0-9a-f]{6,32}")
_FOUND: Final = re.compile(rf"(?<![A-Za-z0-9_])(<?)({_NAME.pattern})(?![A-Za-z0-9_])(>?)")
_OPEN: Final = re.compile(r"(?<![A-Za-z0-9_])<?(?:[A-Z][A-Za-z0-9_]{0,96})?\Z")


class Pseudonyms:
    """The pseudonyms of one exchange. `owner` says whose values they are: equal values of different owners have
    different pseudonyms."""

    __slots__ = ("_key", "_names", "_owner", "_taken", "_values")

    def __init__(self, key: bytes, owner: Iterable[str]) -> None:
        self._key = key
        self._owner = tuple(owner)
        self._names: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}
        self._taken: set[str] = set()

    def avoid(self, text: str) -> None:
        """The text has these words already: what looks like a pseudonym in it stands for itself, and is never
        restored. To be called for every text of a request before the first `of`."""
        self._taken.update(_NAME.findall(text))

    def of(self, label: str, value: str) -> str | None:
        """The pseudonym of a value; None where there are PSEUDONYMS_MAX others."""
        name = self._names.get((label, value))
        if name is None:
            if len(self._names) >= PSEUDONYMS_MAX:
                return None
            name = self._names[(label, value)] = self._new(label, value)
            self._values[name] = value
        return f"<{name}>"

    def _new(self, label: str, value: str) -> str:
        hashed = blake2b(key=self._key, person=b"pseudonym")
        for part in (*self._owner, label, value):
            raw = part.encode("utf-8", "surrogatepass")
            hashed.update(len(raw).to_bytes(8, "big") + raw)
        digits = hashed.hexdigest()
        prefix = re.sub(r"^[^A-Z]+|[^A-Z0-9]+", "_", label.upper()).strip("_")[:64] or "VALUE"
        for length in range(_DIGITS, _DIGITS_MAX + 1):
            name = f"{prefix}_{digits[:length]}"
            if name not in self._taken and name not in self._values:
                return name
        raise ValueError("the text holds every form of a pseudonym")  # it would have to know the key

    def __bool__(self) -> bool:
        return bool(self._values)

    def restorer(self) -> Restorer:
        """A way back for one new text of the reply."""
        return Restorer(self._values)


class Restorer:
    """Finds one exchange's pseudonyms in one growing text. The same however the text is cut; linear in it."""

    __slots__ = ("_base", "_from", "_values", "_window")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._window = ""  # what is not decided yet, and the character before it
        self._base = 0  # where the window begins
        self._from = 0  # where in the window that is which is not decided

    def feed(self, piece: str, *, final: bool = False) -> tuple[tuple[Replacement, ...], int]:
        """Take the next characters; gives the pseudonyms that are complete, by start, each with its value, and
        the offset before which no other can begin."""
        self._window += piece
        upto = len(self._window) if final else self._open()
        found = tuple(self._restored(upto))
        safe = self._base + upto
        keep = max(0, upto - 1)
        self._from = upto - keep
        self._window = self._window[keep:]
        self._base += keep
        return found, safe

    def _restored(self, upto: int) -> Iterator[Replacement]:
        for found in _FOUND.finditer(self._window, self._from):
            value = self._values.get(found[2])
            if value is None or found.start() >= upto:
                continue
            # One bracket without the other is the text's own.
            start, end = found.span() if found[1] and found[3] else found.span(2)
            yield Replacement(self._base + start, self._base + end, value)

    def _open(self) -> int:
        """Where a pseudonym begins that may still be one; the window's length where there is none."""
        found = _OPEN.search(self._window, self._from)
        if found is not None:
            begun = found[0].removeprefix("<")
            if any(name.startswith(begun) for name in self._values):
                return found.start()
        return len(self._window)
