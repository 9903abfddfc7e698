"""Change values inside raw JSON bytes and leave every other byte as it is.

Unknown fields, key order, blanks, integers over 64 bits and odd floats survive, since nothing but the named
values is written anew. The bytes are read once, with regular expressions that skip what no change names:
linear in their length. Source of the grammar: RFC 8259.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.model.text import KEY, Path

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NESTED = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)
_SCALAR = re.compile(rb"[^ \t\r\n,\]}]+")
_BLANKS = re.compile(rb"[ \t\r\n]*+")


@dataclass(slots=True)
class _Node:
    """The changes below one value, by key or position."""

    below: dict[str | int, _Node] = field(default_factory=dict)
    change: bytes | None = None  # the new value
    removed: bool = False

    @property
    def is_change(self) -> bool:
        return self.removed or self.change is not None


def splice(raw: bytes, changes: Mapping[Path, bytes | None]) -> bytes:
    """The document with the value at each path become these JSON bytes, or (None) removed.

    A path that ends with KEY leads to a member's name. A key that its object lacks is added at the object's end.
    Where a key stands twice, both values change. `raw` is one valid JSON document. Of two paths one must not lie
    within the other. Raises LookupError for a path that leads nowhere.
    """
    if not changes:
        return raw
    root = _Node()
    for path, change in changes.items():
        node = root
        for step in path:
            node = node.below.setdefault(step, _Node())
        node.change, node.removed = change, change is None
    cuts: list[tuple[int, int, bytes]] = []
    _walk(raw, _blanks(raw, 0), root, cuts)
    out: list[bytes] = []
    at = 0
    for start, end, new in cuts:
        out.append(raw[at:start])
        out.append(new)
        at = end
    out.append(raw[at:])
    return b"".join(out)


def members(raw: bytes, key: str) -> list[bytes]:
    """The entries of the list at a key of the document's object, each as its own bytes. `raw` is one valid JSON
    document, in which the key stands once. Raises LookupError where there is no such list."""
    at = _blanks(raw, _blanks(raw, 0) + 1)
    while raw[at : at + 1] not in (b"}", b""):
        end = _string_end(raw, at)
        found = raw[at:end]
        at = _blanks(raw, _blanks(raw, end) + 1)
        if (str(json.loads(found)) if b"\\" in found else found[1:-1].decode()) == key:
            return _entries(raw, at)
        at = _next(raw, _value_end(raw, at))
    raise LookupError(f"there is no {key!r}")


def _entries(raw: bytes, at: int) -> list[bytes]:
    if raw[at : at + 1] != b"[":
        raise LookupError(f"the JSON value at byte {at} is no list")
    out: list[bytes] = []
    at = _blanks(raw, at + 1)
    while raw[at : at + 1] != b"]":
        end = _value_end(raw, at)
        out.append(raw[at:end])
        at = _next(raw, end)
    return out


def _next(raw: bytes, at: int) -> int:
    """Where the next member begins, or its holder ends, behind one that ends at `at`."""
    at = _blanks(raw, at)
    return _blanks(raw, at + 1) if raw[at : at + 1] == b"," else at


def _blanks(raw: bytes, at: int) -> int:
    found = _BLANKS.match(raw, at)
    return found.end() if found else at


def _string_end(raw: bytes, at: int) -> int:
    found = _STRING.match(raw, at)
    if found is None:
        raise LookupError(f"no JSON string at byte {at}")
    return found.end()


def _value_end(raw: bytes, at: int) -> int:
    first = raw[at : at + 1]
    if first == b'"':
        return _string_end(raw, at)
    if first not in (b"{", b"["):
        found = _SCALAR.match(raw, at)
        return found.end() if found else at
    depth = 0
    for token in _NESTED.finditer(raw, at):
        mark = raw[token.start()]
        if mark in b"{[":
            depth += 1
        elif mark in b"}]":
            depth -= 1
            if depth == 0:
                return token.end()
    raise LookupError(f"the JSON value at byte {at} has no end")


def _walk(raw: bytes, at: int, node: _Node, cuts: list[tuple[int, int, bytes]]) -> int:
    """Collect the cuts below the value at `at`; returns where the value ends."""
    if node.change is not None:
        end = _value_end(raw, at)
        cuts.append((at, end, node.change))
        return end
    opening = raw[at : at + 1]
    if opening not in (b"{", b"["):
        raise LookupError(f"the JSON value at byte {at} holds no members")
    is_object = opening == b"{"
    members: list[tuple[int, int, bool]] = []  # start, end, removed
    seen: set[str | int] = {KEY}
    # As they go out, where any changes: a new one must not be another's, of two readers keep only one.
    names = set[bytes]() if any(KEY in child.below for child in node.below.values()) else None
    own: list[tuple[int, int, bytes]] = []
    at = _blanks(raw, at + 1)
    while raw[at : at + 1] not in (b"}", b"]"):
        start = at
        step: str | int = len(members)
        if is_object:
            at = _string_end(raw, at)
            key = raw[start:at]
            step = str(json.loads(key)) if b"\\" in key else key[1:-1].decode()
            if names is not None:
                renamed = _name_of(node.below.get(step))
                if renamed is not None:
                    key = renamed if renamed not in names else renamed[:-1] + b'_%d"' % len(members)
                    own.append((start, at, key))
                names.add(key)
            at = _blanks(raw, _blanks(raw, at) + 1)
        child = node.below.get(step)
        skipped = child is None or child.removed or (child.change is None and child.below.keys() == {KEY})
        end = _value_end(raw, at) if child is None or skipped else _walk(raw, at, child, own)
        if child is not None:
            seen.add(step)
        members.append((start, end, child is not None and child.removed))
        at = _blanks(raw, end)
        if raw[at : at + 1] == b",":
            at = _blanks(raw, at + 1)
    _remove(members, own)
    missing = [(step, child) for step, child in node.below.items() if step not in seen and not child.removed]
    if missing:
        added = _added(missing, is_object)
        kept = any(not removed for _, _, removed in members)
        own.append((at, at, (b"," if kept else b"") + added))
    cuts.extend(sorted(own, key=lambda cut: cut[:2]))
    return at + 1


def _name_of(member: _Node | None) -> bytes | None:
    """The new name of a member that stays; None where it keeps its own."""
    if member is None or member.removed or KEY not in member.below:
        return None
    return member.below[KEY].change


def _remove(members: list[tuple[int, int, bool]], cuts: list[tuple[int, int, bytes]]) -> None:
    """A removed member takes the comma before it with it, or the one behind where none is kept before."""
    kept = False
    for index, (start, end, removed) in enumerate(members):
        if not removed:
            kept = True
        elif kept:
            cuts.append((members[index - 1][1], end, b""))
        elif index + 1 < len(members):
            cuts.append((start, members[index + 1][0], b""))
        else:
            cuts.append((start, end, b""))


def _added(missing: list[tuple[str | int, _Node]], is_object: bool) -> bytes:
    if not is_object or any(child.change is None or isinstance(step, int) for step, child in missing):
        raise LookupError(f"there is no {missing[0][0]!r} to change")
    return b",".join(json.dumps(step).encode() + b":" + (child.change or b"") for step, child in missing)
