"""Edits of texts, as changes of the values in a body's JSON."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence

from proxy import jsonio
from proxy.model.record import Json
from proxy.model.text import Edit, Path, Replacement, Text
from proxy.wire.base import BESIDE, Event, Piece
from proxy.wire.data import data_of_text, read_data
from proxy.wire.shape import at, mapping, string
from proxy.wire.splice import splice
from proxy.wire.sse import bare, with_data


def edit_texts(raw: bytes, body: Json, edits: Sequence[tuple[Text, Edit]]) -> bytes:
    """The body with texts edited, all else byte for byte."""
    return splice(raw, value_changes(body, edits))


def piece_edits(event: Event, edits: Mapping[int, Edit]) -> Iterator[tuple[Piece, Edit]]:
    """The edited pieces of an event's data."""
    for index, edit in edits.items():
        piece = event.pieces[index]
        if edit.replacements and piece.path[:1] != BESIDE:
            yield piece, edit


def rendered(event: Event, changes: Mapping[Path, bytes | None], edits: Mapping[int, Edit]) -> bytes:
    """The event's frame with values of its data changed. Where what stands beside the data is edited, all of that
    goes: no client needs it."""
    frame = event.frame
    if any(event.pieces[index].path[:1] == BESIDE and edit.replacements for index, edit in edits.items()):
        name = string(mapping(event.body).get("type"))
        frame = bare(frame, name if name is not None and name == frame.event else None)
    return with_data(frame, splice(frame.data or b"", changes)) if changes else frame.raw


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
        edit = Edit(merged(replacements))
        changes.update(value_change(at(body, path), path, judged[path], edit))
    return changes


def value_change(value: Json, path: Path, judged: str, edit: Edit) -> dict[Path, bytes | None]:
    """One value edited. A string becomes the edited string. Anything else was judged as the JSON text of it
    (`Gather.value`): the edited text is read again, and only what differs in it changes."""
    if isinstance(value, str):
        edited_text = edit.apply(judged)
        if value != judged and read_data(value).text() == judged:
            edited_text = data_of_text(edited_text, value)
        return {path: jsonio.dumps(edited_text)}
    if path[-1] == "bytes" and isinstance(value, list):  # of a token, judged as what they spell
        return {path: jsonio.dumps(list(edit.apply(judged).encode("utf-8", "replace")))}
    if len(path) > 1 and path[-2] == "top_logprobs" and isinstance(value, dict):  # judged by its keys
        return {path: b"{}"}
    changes: dict[Path, bytes | None] = {}
    try:
        before = jsonio.loads(judged.encode())
        edited = jsonio.loads(edit.apply(judged).encode())
    except (jsonio.InvalidJson, UnicodeEncodeError):
        if isinstance(value, int | float):  # judged as its digits (see `members`)
            return {path: jsonio.dumps(edit.apply(judged))}
        # A block cut it off in the middle, or it was no JSON text: nothing of it is left that can be read.
        return {path: b"{}" if isinstance(value, dict) else b"null"}
    _differences(value, before, edited, path, changes)
    return changes


def _differences(value: Json, old: Json, new: Json, path: Path, changes: dict[Path, bytes | None]) -> None:
    """What differs between a value as it was judged and as it is to be. Where keys differ their object is written
    anew, with what did not change as it really stands (`value`): data and credentials were not judged."""
    stack: list[tuple[Json, Json, Json, Path]] = [(value, old, new, path)]
    while stack:
        real, before, after, where = stack.pop()
        if isinstance(before, dict) and isinstance(after, dict) and list(before) == list(after):
            held = mapping(real)
            stack.extend((held.get(key), child, after[key], (*where, key)) for key, child in before.items())
        elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
            stack.extend((at(real, (n,)), child, after[n], (*where, n)) for n, child in enumerate(before))
        elif type(before) is not type(after) or before != after:
            changes[where] = jsonio.dumps(_rewritten(real, before, after))


def _rewritten(real: Json, before: Json, after: Json) -> Json:
    if not isinstance(before, dict) or not isinstance(after, dict) or len(before) != len(after):
        return after
    pairs = zip(before.items(), after.items(), strict=True)
    return {
        key: mapping(real).get(old_key) if was == child else child for (old_key, was), (key, child) in pairs
    }


def merged(replacements: Iterable[Replacement]) -> tuple[Replacement, ...]:
    """In order, and where some overlap as one, with the text of the first."""
    out: list[Replacement] = []
    for change in sorted(replacements, key=lambda change: (change.start, -change.end)):
        if out and change.start < out[-1].end:
            last = out[-1]
            out[-1] = Replacement(last.start, max(last.end, change.end), last.text)
        else:
            out.append(change)
    return tuple(out)


def call_of(path: Path) -> Path:
    """Where the tool call of a chat's choice stands that a piece is of: an entry of its list, or a member of the
    choice's delta."""
    return path[:5] if path[3:4] == ("tool_calls",) else path[:4]
