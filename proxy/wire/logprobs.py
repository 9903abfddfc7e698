"""The copies of a text that stand in its log-probabilities (chat and responses: a list of token entries).

Each entry holds `token`, its `bytes`, and `top_logprobs`: the likeliest tokens in its place, in order. The tokens,
and what their bytes spell, repeat the text that they came with, and so does each rank of the alternatives where
they were the ones chosen. A series that spells something else is judged as a text of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from proxy import jsonio
from proxy.model.record import Json
from proxy.model.text import Edit, Path, Replacement
from proxy.wire.plain import is_figure
from proxy.wire.shape import at as at_path
from proxy.wire.shape import compact, leaves, mapping, sequence, string

_RANK_KEYS = frozenset(("token", "bytes", "logprob"))
_ENTRY_KEYS = _RANK_KEYS | {"top_logprobs"}


def tokens_of(entries: Json) -> list[str]:
    """The tokens' strings, empty for an entry without one."""
    return [string(mapping(entry).get("token")) or "" for entry in sequence(entries)]


Part: TypeAlias = tuple[Path, str]


@dataclass(frozen=True, slots=True)
class Series:
    """What one row of token entries spells, entry by entry."""

    name: str  # `` (the tokens), `bytes`, `top[0]`, `top[0].bytes`; `rest` for what has no such form
    parts: Sequence[Part]

    @property
    def text(self) -> str:
        return "".join([text for _, text in self.parts])


def series_of(entries: Json, path: Path) -> list[Series]:
    """Every series of the token entries at `path`. Bytes only where they are not those of their tokens."""
    rest: list[Part] = []
    tokens, odd_bytes = _row(
        [((*path, n), entry) for n, entry in enumerate(sequence(entries))], rest, top=True
    )
    out = [Series("", tokens)]
    if odd_bytes:
        out.append(Series("bytes", odd_bytes))
    alternatives: list[tuple[Path, Sequence[Json]]] = []
    for n, entry in enumerate(sequence(entries)):
        where, ranks = (*path, n, "top_logprobs"), mapping(entry).get("top_logprobs")
        alternatives.append((where, sequence(ranks)))
        if not isinstance(ranks, list):
            rest.extend(leaves(ranks, where))
    for rank in range(max((len(ranks) for _, ranks in alternatives), default=0)):
        row = [((*where, rank), ranks[rank]) for where, ranks in alternatives if rank < len(ranks)]
        tokens, odd_bytes = _row(row, rest)
        out.append(Series(f"top[{rank}]", tokens))
        if odd_bytes:
            out.append(Series(f"top[{rank}].bytes", odd_bytes))
    if not isinstance(entries, list):
        rest.extend(leaves(entries, path))
    if rest:
        out.append(Series("rest", rest))
    return out


def _row(
    entries: Sequence[tuple[Path, Json]], rest: list[Part], *, top: bool = False
) -> tuple[list[Part], list[Part]]:
    tokens: list[Part] = []
    spelled: list[Part] = []
    odd = False
    for path, entry in entries:
        values = mapping(entry)
        token, data = values.get("token"), values.get("bytes")
        known = values.keys() <= (_ENTRY_KEYS if top else _RANK_KEYS)
        if not known or not isinstance(token, str) or not is_figure(values.get("logprob")):
            read = ((*path, "token"), (*path, "top_logprobs"))
            rest.extend(leaf for leaf in leaves(entry, path) if leaf[0][: len(path) + 1] not in read)
            token = token if isinstance(token, str) else ""
        if token:
            tokens.append(((*path, "token"), token))
        if data is not None:
            text = _spelled(data)
            odd = odd or text != token
            if text:
                spelled.append(((*path, "bytes"), text))
    return tokens, spelled if odd else []


def repeats(entries: Sequence[Json], text: Json) -> bool:
    """Whether one token entry says nothing but the text beside it: the form of nearly every delta."""
    return len(entries) == 1 and isinstance(text, str) and _says(entries[0], text, _ENTRY_KEYS)


def _says(entry: Json, text: str, known: frozenset[str]) -> bool:
    values = mapping(entry)
    data, ranks = values.get("bytes"), values.get("top_logprobs")
    return (
        values.get("token") == text
        and values.keys() <= known
        and is_figure(values.get("logprob"))
        and (data is None or _spelled(data) == text)
        and (not ranks or (isinstance(ranks, list) and len(ranks) == 1 and _says(ranks[0], text, _RANK_KEYS)))
    )


def _spelled(data: Json) -> str:
    """The text of a list of bytes; of anything else, its JSON text."""
    if isinstance(data, list):
        try:
            return bytes(data).decode("utf-8", "replace")
        except (TypeError, ValueError):
            pass
    return compact(data) or ""


def edit_tokens(
    entries: Sequence[Json], path: Path, text: str, edit: Edit, *, nothing: bytes = b"null"
) -> dict[Path, bytes | None]:
    """Changes of the token entries at `path` that repeat `text`: joined, they repeat the edited text. A token
    that a replaced range overlaps takes its share of the edit, and its alternatives are emptied. Where the
    tokens do not add up to the text, the list becomes `nothing`."""
    tokens = tokens_of(entries)
    if "".join(tokens) != text:
        return {path: nothing}
    changes: dict[Path, bytes | None] = {}
    at = 0
    for index, token in enumerate(tokens):
        start, end = at, at + len(token)
        at = end
        share = share_of(edit, start, end)
        if share.replacements:
            changes.update(token_changes(mapping(entries[index]), (*path, index), share.apply(token)))
    return changes


def share_of(edit: Edit, start: int, end: int) -> Edit:
    """What an edit does to characters [start, end), relative to `start`. A replacement stands where it begins."""
    return Edit(
        tuple(
            Replacement(
                max(change.start, start) - start,
                min(change.end, end) - start,
                change.text if change.start >= start else "",
            )
            for change in edit.replacements
            if change.start < end and change.end > start
        )
    )


def token_changes(entry: Mapping[str, Json], path: Path, new: str) -> dict[Path, bytes | None]:
    """Changes of one entry (at `path`) whose token becomes `new`: its bytes too, its alternatives emptied."""
    changes: dict[Path, bytes | None] = {(*path, "token"): jsonio.dumps(new)}
    if entry.get("bytes") is not None:
        changes[(*path, "bytes")] = jsonio.dumps(list(new.encode("utf-8", "replace")))
    if entry.get("top_logprobs"):
        changes[(*path, "top_logprobs")] = b"[]"
    return changes


def with_token_copies(body: Json, changes: dict[Path, bytes | None]) -> dict[Path, bytes | None]:
    """The changes, and for each token that was judged by itself those of the rest of its entry."""
    out = dict(changes)
    for path, change in changes.items():
        if change is not None and path[-1] == "token" and "logprobs" in path:
            new = string(jsonio.loads(change)) or ""
            out.update(token_changes(mapping(at_path(body, path[:-1])), path[:-1], new))
    return out
