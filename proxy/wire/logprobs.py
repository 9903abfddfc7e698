"""The copies of a text that stand in its log-probabilities (chat and responses: a list of token entries).

Each entry holds `token`, `bytes` and `top_logprobs`. Tokens repeat the text that they came with; where they
do not add up to it, they are judged as a text of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy import jsonio
from proxy.model.record import Json
from proxy.model.text import Edit, Path, Replacement
from proxy.wire.shape import at as at_path
from proxy.wire.shape import mapping, sequence, string


def tokens_of(entries: Json) -> list[str]:
    """The tokens' strings, empty for an entry without one."""
    return [string(mapping(entry).get("token")) or "" for entry in sequence(entries)]


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
