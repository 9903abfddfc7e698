"""A request body taken apart, so that what recurs in every turn of a conversation is stored once.

A body is a skeleton (the body with its long parts taken out, their keys kept in place) and a window: the
parts in a fixed order of slots, so that two turns of one conversation share the window's beginning. Lists of
objects (messages, input items) come apart into their items; everything else stays in one part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from proxy.log.encode import Damaged, decode, encode
from proxy.model.record import Json

WINDOW_PARTS_MAX: Final = 16_384
"""A list of more items stays in one part: the cost of a turn is bounded, only its sharing is lost."""

# The place of a slot in this tuple is stored. What changes least comes first, so that windows share more.
_SLOTS: Final = ("system", "instructions", "tools", "functions", "messages", "input", "prompt")
_WHOLE: Final = frozenset({"tools", "functions"})

WindowPart: TypeAlias = tuple[int, bytes]
"""A slot code (twice the slot's place, plus one for an item of a list) and the part's content."""


@dataclass(frozen=True, slots=True)
class Split:
    """A body in its parts, each as content bytes (`encode`)."""

    skeleton: bytes
    window: tuple[WindowPart, ...]


def split(body: Json) -> Split:
    """Take a body apart. Any JSON value will do; what has no known slot is all skeleton."""
    if not isinstance(body, dict):
        return Split(encode(body), ())
    window: list[WindowPart] = []
    skeleton: dict[str, Json] | None = None
    for place, slot in enumerate(_SLOTS):
        value = body.get(slot)
        if not value or not isinstance(value, str | list | dict):
            continue
        if skeleton is None:
            skeleton = dict(body)
        skeleton[slot] = 0  # an assignment keeps the key's place
        if isinstance(value, list) and slot not in _WHOLE and _comes_apart(value):
            window.extend((2 * place + 1, encode(item)) for item in value)
        else:
            window.append((2 * place, encode(value)))
    return Split(encode(body if skeleton is None else skeleton), tuple(window))


def join(skeleton: bytes, window: Iterable[WindowPart]) -> Json:
    """The body that `split` took apart. Raises Damaged where the parts do not fit together."""
    body = decode(skeleton)
    lists: dict[str, list[Json]] = {}
    for code, content in window:
        place, item = divmod(code, 2)
        if not isinstance(body, dict) or not 0 <= place < len(_SLOTS) or _SLOTS[place] not in body:
            raise Damaged("a part of a context window has no place in its body")
        slot = _SLOTS[place]
        if not item:
            body[slot] = decode(content)
        elif slot in lists:
            lists[slot].append(decode(content))
        else:
            body[slot] = lists[slot] = [decode(content)]
    return body


def _comes_apart(value: list[Json]) -> bool:
    return len(value) <= WINDOW_PARTS_MAX and all(isinstance(item, dict) for item in value)
