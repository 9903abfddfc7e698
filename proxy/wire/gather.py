"""Collects what a body holds to be judged, as texts with their places, and what no text rule can read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from proxy.errors import BadRequest
from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Media, Path, Span, Text
from proxy.wire.data import data_at, is_address, may_hold_data, read_data, said, text_in
from proxy.wire.logprobs import series_of
from proxy.wire.members import Members
from proxy.wire.shape import (
    TEXTS_MAX,
    TooManyTexts,
    compact,
    field_name,
    is_plain,
    leaves,
    sequence,
    with_leaves,
)
from proxy.wire.unread import is_unread

PROMPT_ROLES = frozenset(("system", "developer"))
"""The roles in which an application speaks to its model."""

Part = tuple[Path, str]
"""A string value and where it stands."""


class Gather:
    """Texts and media of one body, in body order. Lives no longer than the reading of it.

    Every method that lists texts raises TooManyTexts beyond TEXTS_MAX."""

    __slots__ = ("_count", "media", "texts")

    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.media: list[Media] = []
        self._count = 0  # string values taken

    def string(self, channel: Channel, value: str, path: Path) -> None:
        """One string value as one text. An empty one is no text."""
        if value:
            self._take(1)
            self.texts.append(Text(channel, value, (Span(path, 0, len(value)),)))

    def joined(self, channel: Channel, parts: Sequence[Part]) -> None:
        """The parts of one message as one text, put together as the model reads them: with nothing between, so
        that a value split over two parts is found.

        Where two words would run into one by this, the parts are listed once more, a line each: a phrase must
        not escape by being glued to its neighbour. What stands within one part is then reported twice.
        """
        parts = [(path, said(path, value) or value) for path, value in parts if value]
        if not parts:
            return
        self._take(len(parts))
        self.texts.append(_text(channel, parts, ""))
        pairs = pairwise(parts)
        if any(left[1][-1].isalnum() and right[1][0].isalnum() for left, right in pairs):
            self.texts.append(replace(_text(channel, parts, "\n"), again=True))

    def leaves(self, channel: Channel, value: Json, path: Path) -> None:
        """Every string below a value as one text, a line each; those that hold data count as media."""
        parts: list[Part] = []
        for where, leaf in leaves(value, path):
            text = said(where, leaf)
            if text is None:
                self.data(leaf, where, "data")
            else:
                parts.append((where, text))
        if parts:
            self._take(len(parts))
            self.texts.append(_text(channel, parts, "\n"))

    def value(self, channel: Channel, value: Json, path: Path) -> None:
        """A JSON value (a tool's input) as one text of JSON, keys and numbers included (see `edits`).
        One that is nested too deeply is read as its strings."""
        if isinstance(value, str):
            self.string(channel, value, path)
        elif value is not None and value != {} and value != []:
            text = compact(value)
            if text is None:
                self.leaves(replace(channel, json=False), value, path)
            else:
                self._text(channel, text, path)

    def data(self, value: str, path: Path, type: str) -> None:
        """Data that is counted and not read."""
        self.media.append(replace(read_data(value).media(field_name(path), type), path=path))

    def members(self, body: Json, is_read: Callable[[Path, str], bool] | None = None) -> None:
        """Keys and numbers of the whole body that say more than that (see `members`). Called last."""
        covered = [text.spans[0].path for text in self.texts if text.channel.json]
        for channel, path, text in Members(is_read).odd(body, covered):
            self.string(channel, text, path)

    # Of requests.

    def text(self, channel: Channel, value: str, path: Path) -> None:
        """What is said in one string; where all of it is data that is a text, that text."""
        self.string(channel, said(path, value) or value, path)

    def other(self, value: Json, path: Path, kind: Kind = Kind.OTHER) -> None:
        """A value in a place or a shape that the wire does not know: a string as it is, all else as its JSON text.
        Data within it is read by itself."""
        if value is None or value == "":
            return
        if isinstance(value, str):
            if data_at(path, value):
                self.source(value, path, "data")
            else:
                self.string(Channel(field_name(path), kind=kind), value, path)
            return
        channel = Channel(field_name(path), kind=kind, json=True)
        text = compact(value) if value or isinstance(value, int | float) else None
        if text is not None and may_hold_data(text):
            text = compact(self._without_data(value, path))
        if text is not None:
            self._text(channel, text, path)
        else:
            self.value(channel, value, path)

    def _without_data(self, value: Json, path: Path) -> Json:
        found: dict[Path, str] = {}
        for where, leaf in leaves(value, path):
            if data_at(where, leaf):
                self.source(leaf, where, "data")
                found[where[len(path) :]] = ""
        return with_leaves(value, found) if found else value

    def others(
        self, value: Mapping[str, Json], read: tuple[str, ...], path: Path, *, top: bool = False
    ) -> None:
        """What stands at every key but those that were read, and those that no model reads (see `unread`)."""
        for key, child in value.items():
            if key not in read and not is_unread(key, child, top=top):
                self.other(child, (*path, key))

    def source(self, value: str, path: Path, type: str) -> None:
        """A picture, a sound or a file, or where one is: media. What is text after all is judged as that."""
        text = text_in(value)
        if text is None or (text == value and is_address(value)):
            self.data(value, path, type)
        else:
            self.string(Channel(field_name(path), kind=Kind.OTHER), text, path)

    def unknown(self, part: Mapping[str, Json], path: Path) -> None:
        """A part of a type that the wire does not know: counted as media, and judged all the same."""
        self.data(compact(part) or "", path, f"unknown:{str(part.get('type'))[:64]}")
        self.other(part, path)

    # Of replies.

    def rest(self, value: Mapping[str, Json], known: frozenset[str], path: Path, choice: int = 0) -> None:
        """The strings below keys that the wire does not know, a text per key."""
        for key in value:
            if key not in known:
                where = (*path, key)
                self.leaves(Channel(field_name(where), choice, Kind.OTHER), value[key], where)

    def names(
        self,
        value: Mapping[str, Json],
        keys: Iterable[str],
        path: Path,
        name: Path | None = None,
        choice: int = 0,
    ) -> None:
        """What stands at keys that hold names and numbers, where it is anything else. `name`: see `Once`."""
        for key in keys:
            if key in value and not is_plain(value[key]):
                channel = Channel(field_name((*(path if name is None else name), key)), choice, Kind.OTHER)
                self.leaves(channel, value[key], (*path, key))

    def spelled(self, channel: Channel, parts: Sequence[Part]) -> None:
        """Strings that spell one text, with nothing between them."""
        if parts:
            self._take(len(parts))
            self.texts.append(_text(channel, parts, ""))

    def logprobs(self, value: Json, path: Path, field: str, text: str, choice: int = 0) -> None:
        """Token entries that should repeat the text beside them: each series that spells something else."""
        for series in series_of(value, path):
            if series.text != text:
                name = f"{field}.{series.name}" if series.name else field
                self.spelled(Channel(name, choice, Kind.OTHER), series.parts)

    def _text(self, channel: Channel, text: str, path: Path) -> None:
        """A JSON text; each value in it counts as half a string, since it takes as much memory to judge."""
        self._take(max(text.count('"') // 2, text.count(",")) // 2)
        self.string(channel, text, path)

    def _take(self, count: int) -> None:
        self._count += count
        if self._count > TEXTS_MAX:
            raise TooManyTexts(f"more than {TEXTS_MAX} texts stand in one body")


def tools_text(gather: Gather, tools: Json, path: Path) -> None:
    """What a model reads of each tool: names, descriptions and schemas, as one text of JSON."""
    if not isinstance(tools, list):
        gather.other(tools, path)
    for index, tool in enumerate(sequence(tools)):
        gather.other(tool, (*path, index))


def _text(channel: Channel, parts: Sequence[Part], between: str) -> Text:
    spans: list[Span] = []
    at = 0
    for path, value in parts:
        spans.append(Span(path, at, at + len(value)))
        at += len(value) + len(between)
    return Text(channel, between.join([value for _, value in parts]), tuple(spans))


def entry_of(entry: Json, path: Path) -> Mapping[str, Json]:
    """An entry of a list of messages, items or parts. Raises BadRequest where it is none: no API takes a number, a
    list or nothing there, and what one backend drops another may read."""
    if not isinstance(entry, dict):
        raise BadRequest(f"{field_name(path)} must be an object")
    return entry


def type_of(part: Mapping[str, Json]) -> str:
    """A part's type; empty where it has none."""
    kind = part.get("type")
    return kind if isinstance(kind, str) else ""


def kind_of(role: Json) -> Kind:
    """What a message of that role is for its reader."""
    return Kind.PROMPT if isinstance(role, str) and role in PROMPT_ROLES else Kind.TEXT
