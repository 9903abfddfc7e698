"""Reading parsed JSON of which nothing is certain: every helper answers for any value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from proxy import jsonio
from proxy.errors import BadRequest, UnreadableReply
from proxy.model.record import Json
from proxy.model.text import KEY, Path
from proxy.wire.plain import is_base64, is_figure, is_key, is_name

LEAF_DEPTH_MAX = 64
"""How many levels down strings are told apart. Paths cost memory: depth times width must have a bound."""

TEXTS_MAX = 100_000
"""The most string values that are taken of one body. One with more is refused, or unreadable as a reply."""


class TooManyTexts(BadRequest, UnreadableReply):
    """A body of so many small strings that listing them would cost far more memory than the body did: a request
    is refused for it, a reply cannot be read."""


_Tree: TypeAlias = "str | dict[str | int, _Tree]"
_EMPTY: Mapping[str, Json] = MappingProxyType({})
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
    if path[-1:] == (KEY,):
        return path[-2]
    for step in path:
        body = mapping(body)[step] if isinstance(step, str) else sequence(body)[step]
    return body


def field_name(path: Path) -> str:
    """A path as findings write it: `messages[2].content`."""
    out = ""
    for step in path:
        out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else step
    return out


def is_plain(value: Json) -> bool:
    """Whether a value holds nothing but numbers and names of the wire's own, under keys that are words: what an id,
    a type, a model's name or a usage may hold."""
    if isinstance(value, str):
        return is_name(value)
    if not isinstance(value, dict | list):
        return is_figure(value)
    stack: list[Json] = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if not all(map(is_key, node)):
                return False
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
        elif not (is_name(node) if isinstance(node, str) else is_figure(node)):
            return False
    return True


def leaves(value: Json, path: Path) -> Iterator[tuple[Path, str]]:
    """Every non-empty string below a value, with its path, in the body's order; names of the wire's own (types,
    ids) left out. What lies LEAF_DEPTH_MAX levels down is one leaf: its strings, a line each. Raises
    TooManyTexts."""
    steps = list(path)
    stack: list[Iterator[tuple[str | int, Json]]] = [
        iter([(steps.pop(), value)] if steps else _members(value))
    ]
    count = 0
    while stack:
        step, node = next(stack[-1], (None, None))
        if step is None:
            stack.pop()
            if stack and steps:
                steps.pop()
            continue
        leaf = ""
        if isinstance(node, str):
            leaf = "" if step in _NAME_KEYS and is_name(node) else node
        elif isinstance(node, dict | list):
            if len(stack) > LEAF_DEPTH_MAX:
                leaf = "\n".join(_strings(node))
            else:
                steps.append(step)
                stack.append(_members(node))
        if leaf:
            count += 1
            if count > TEXTS_MAX:
                raise TooManyTexts(f"more than {TEXTS_MAX} texts stand in one value")
            yield (*steps, step), leaf


def _members(value: Json) -> Iterator[tuple[str | int, Json]]:
    if isinstance(value, dict):
        return iter(value.items())
    return iter(enumerate(sequence(value)))


def _strings(value: Json) -> Iterator[str]:
    stack = [_members(value)]
    while stack:
        step, node = next(stack[-1], (None, None))
        if step is None:
            stack.pop()
        elif isinstance(node, str):
            yield node
        elif isinstance(node, dict | list):
            stack.append(_members(node))


def without_vectors(value: Json) -> Json:
    """The value without its embeddings: long lists of numbers, and base64, hold no text and would take long to
    walk. An entry that is no vector stays."""
    if not isinstance(value, list):
        return value
    return [
        {key: child for key, child in entry.items() if key != "embedding" or not _is_vector(child)}
        if isinstance(entry, dict)
        else entry
        for entry in value
    ]


def _is_vector(value: Json) -> bool:
    if isinstance(value, list):
        kinds = set(map(type, value))
        return kinds <= {int, float} or (kinds == {list} and all(map(_is_vector, value)))
    return isinstance(value, str) and is_base64(value)


def compact(value: Json) -> str | None:
    """The JSON text of a value; None where it is nested so deeply that it cannot be written again (some
    hundreds of levels: reading goes deeper than writing)."""
    try:
        return jsonio.dumps(value).decode()
    except RecursionError:
        return None


def with_leaves(value: Json, leaves_: Mapping[Path, str]) -> Json:
    """A copy with other strings at these paths; what does not change is shared. Recursive: for paths of bounded
    length."""
    tree: dict[str | int, _Tree] = {}
    for path, leaf in leaves_.items():
        node = tree
        for step in path[:-1]:
            below = node.setdefault(step, {})
            assert isinstance(below, dict), "one leaf does not stand within another"
            node = below
        node[path[-1]] = leaf
    return _grafted(value, tree)


def _grafted(value: Json, tree: Mapping[str | int, _Tree]) -> Json:
    if isinstance(value, dict):
        changed = dict(value)
        for step, below in tree.items():
            changed[str(step)] = below if isinstance(below, str) else _grafted(value[str(step)], below)
        return changed
    entries = list(sequence(value))
    for step, below in tree.items():
        entries[int(step)] = below if isinstance(below, str) else _grafted(entries[int(step)], below)
    return entries
