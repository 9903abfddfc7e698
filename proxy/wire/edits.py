"""Edits of texts, as changes of the values in a body's JSON."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from proxy import jsonio
from proxy.model.record import Json
from proxy.model.text import Edit, Path, Replacement, Text
from proxy.wire.shape import at
from proxy.wire.splice import splice


def edit_texts(raw: bytes, body: Json, edits: Sequence[tuple[Text, Edit]]) -> bytes:
    """The body with texts edited, all else byte for byte."""
    return splice(raw, value_changes(body, edits))


def value_changes(body: Json, edits: Iterable[tuple[Text, Edit]]) -> dict[Path, bytes | None]:
    """What becomes of each value, by path. A replacement over several values stands in the first of them; in
    the others only the removal is left. A value that two texts change gets both changes, overlaps merged."""
    by_path: dict[Path, list[Replacement]] = {}
    judged: dict[Path, str] = {}
    for text, edit in edits:
        starts = [span.start for span in text.spans]
        for change in edit.replacements:
            index = max(0, bisect_right(starts, change.start) - 1)
            new = change.text
            while index < len(text.spans) and text.spans[index].start < max(change.end, change.start + 1):
                span = text.spans[index]
                index += 1
                start, end = max(change.start, span.start), min(change.end, span.end)
                if start >= end and not (change.start == change.end and span.start <= start <= span.end):
                    continue
                judged[span.path] = text.value[span.start : span.end]
                by_path.setdefault(span.path, []).append(
                    Replacement(start - span.start, end - span.start, new)
                )
                new = ""
    changes: dict[Path, bytes | None] = {}
    for path, replacements in by_path.items():
        edit = Edit(_merged(replacements))
        changes.update(value_change(at(body, path), path, judged[path], edit))
    return changes


def value_change(value: Json, path: Path, judged: str, edit: Edit) -> dict[Path, bytes | None]:
    """One value edited. A string becomes the edited string. Anything else was judged as the JSON text of it
    (`Gather.value`): the edited text is read again, and only what differs in it changes."""
    if isinstance(value, str):
        return {path: jsonio.dumps(edit.apply(judged))}
    changes: dict[Path, bytes | None] = {}
    try:
        edited = jsonio.loads(edit.apply(judged).encode())
    except jsonio.InvalidJson:  # a block cut it off in the middle: nothing of it is left that can be read
        return {path: b"{}" if isinstance(value, dict) else b"null"}
    _differences(jsonio.loads(judged.encode()), edited, path, changes)
    return changes


def _differences(old: Json, new: Json, path: Path, changes: dict[Path, bytes | None]) -> None:
    if isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new):
        for key, child in old.items():
            _differences(child, new[key], (*path, key), changes)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, child in enumerate(old):
            _differences(child, new[index], (*path, index), changes)
    elif type(old) is not type(new) or old != new:
        changes[path] = jsonio.dumps(new)


def _merged(replacements: list[Replacement]) -> tuple[Replacement, ...]:
    out: list[Replacement] = []
    for change in sorted(replacements, key=lambda change: (change.start, -change.end)):
        if out and change.start < out[-1].end:
            last = out[-1]
            out[-1] = Replacement(last.start, max(last.end, change.end), last.text)
        else:
            out.append(change)
    return tuple(out)
