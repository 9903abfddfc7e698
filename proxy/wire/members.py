"""Keys and numbers of a body that say more than keys and numbers should.

A wire reads a body's strings, each in its place. A key that is no word, and a number with the digits of a card or a
telephone number, can say as much as a string, wherever it stands: each is judged as a text of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any

from proxy.model.record import Json
from proxy.model.text import KEY, Channel, Kind, Path
from proxy.wire.base import Piece
from proxy.wire.plain import NUMBER_MAX, digits_of, is_figure, is_key
from proxy.wire.shape import LEAF_DEPTH_MAX, TEXTS_MAX, TooManyTexts, field_name, mapping, sequence

KEYS_KEPT_MAX = 1024
"""How many of the keys that it has seen a reader remembers as words."""


_USUAL = frozenset(
    (
        "id", "object", "created", "model", "choices", "index", "message", "delta", "role", "content", "refusal",
        "annotations", "logprobs", "finish_reason", "usage", "prompt_tokens", "completion_tokens", "total_tokens",
        "prompt_tokens_details", "completion_tokens_details", "cached_tokens", "audio_tokens", "reasoning_tokens",
        "accepted_prediction_tokens", "rejected_prediction_tokens", "service_tier", "system_fingerprint", "type",
        "text", "stop_reason", "stop_sequence", "input_tokens", "output_tokens", "cache_creation_input_tokens",
        "cache_read_input_tokens", "tool_calls", "function", "name", "arguments", "token", "bytes", "logprob",
        "top_logprobs", "messages", "stream", "tools", "parameters", "properties", "description", "required",
        "max_tokens", "temperature", "data", "embedding", "output", "status", "item_id", "output_index",
        "content_index", "sequence_number", "item", "part", "response",
    )
)  # fmt: skip
"""Keys that most bodies have, so that they need no look."""


class Members:
    """Finds them in the bodies of one reply or request."""

    __slots__ = ("_is_read", "_words")

    def __init__(self, is_read: Callable[[Path, str], bool] | None = None) -> None:
        """`is_read`: whether the wire reads what is found at a path by itself."""
        self._is_read = is_read
        self._words: Set[str] = _USUAL  # and keys that were looked at; most bodies have none but the usual

    def odd(self, body: Json, covered: Iterable[Path] = ()) -> list[tuple[Channel, Path, str]]:
        """The keys and numbers of a body that are to be judged, but for those below `covered`: of values that were
        judged as JSON. Raises TooManyTexts."""
        found = self.found(body)
        if not found:
            return []
        heads = {tuple(path) for path in covered}
        return [
            (_channel(body, path), path, text)
            for path, text in found
            if (self._is_read is None or not self._is_read(path, text))
            and not any(path[:length] in heads for length in range(1, _covers(path)))
        ]

    def add_to(self, pieces: list[Piece], body: Json) -> None:
        """Those of a stream's frame. Each is a text by itself: it does not go on with the next frame."""
        if not self.none_in(body):
            covered = (piece.path for piece in pieces if piece.channel.json)
            pieces.extend([Piece(*found, copy=True) for found in self.odd(body, covered)])

    def found(self, body: Json) -> list[tuple[Path, str]]:
        """All of them, with their paths. Raises TooManyTexts."""
        out: list[tuple[Path, str]] = []
        if self.none_in(body):
            return out
        stack: list[tuple[Json, Path]] = [(body, ())]
        while stack:
            node, path = stack.pop()
            deep = len(path) > LEAF_DEPTH_MAX  # its members are told apart no more
            members: Iterable[tuple[str | int, Json]]
            if isinstance(node, dict):
                if not node.keys() <= self._words:
                    out.extend((path if deep else (*path, key, KEY), key) for key in self._strange(node))
                members = node.items()
            elif isinstance(node, list) and not _are_small(node):
                members = enumerate(node)
            else:
                continue
            for step, child in members:
                if isinstance(child, dict | list):
                    if child:
                        stack.append((child, path if deep else (*path, step)))
                elif not isinstance(child, str) and not is_figure(child):
                    out.append((path if deep else (*path, step), digits_of(child)))
            if len(out) > TEXTS_MAX:
                raise TooManyTexts(f"more than {TEXTS_MAX} keys and numbers are to be judged")
        return out

    def none_in(self, value: Json | Iterable[Json], depth: int = LEAF_DEPTH_MAX) -> bool:
        """Whether a value, or any of several, holds neither: so it is with nearly every frame of a stream. False
        where that takes a closer look."""
        node: Any = value  # told by its exact type, which costs no call
        kind = type(node)
        if kind is dict:
            if not node.keys() <= self._words and any(True for _ in self._strange(node)):
                return False
            children = node.values()
        elif kind is list and _are_small(node):
            return True
        else:
            children = node
        for child in children:
            kind = type(child)
            if kind is str or child is None:
                continue
            if kind is dict or kind is list:
                if child and (depth == 0 or not self.none_in(child, depth - 1)):
                    return False
            elif not (-NUMBER_MAX < child < NUMBER_MAX or is_figure(child)):
                return False
        return True

    def _strange(self, node: Mapping[str, Json]) -> Iterator[str]:
        for key in node.keys() - self._words:
            if not is_key(key):
                yield key
            elif len(self._words) < KEYS_KEPT_MAX:
                if not isinstance(self._words, set):
                    self._words = set(_USUAL)
                self._words.add(key)


def _covers(path: Path) -> int:
    """The length from which on no part of a path is of a value that holds what the path leads to."""
    return len(path) - 1 if path[-1] == KEY else len(path) + 1


def _channel(body: Json, path: Path) -> Channel:
    """Of the choice that it stands in."""
    choice = 0
    if path[0] == "choices" and len(path) > 1 and isinstance(path[1], int):
        entries = sequence(mapping(body).get("choices"))
        index = mapping(entries[path[1]]).get("index", path[1]) if path[1] < len(entries) else 0
        choice = index if isinstance(index, int) else 0
    field = f"{field_name(path[:-2])} (key)".lstrip() if path[-1] == KEY else field_name(path)
    return Channel(field, choice, Kind.OTHER)


def _are_small(entries: list[Any]) -> bool:
    """Whether a list is of nothing but small numbers: a vector, a text's bytes. Told without a look at each."""
    kind = type(entries[0]) if entries else None
    if kind is not int and kind is not float:
        return False
    try:
        return bool(min(entries) > -NUMBER_MAX and max(entries) < NUMBER_MAX)
    except TypeError:
        return False
