"""Collects what a body holds to be judged, as texts with their places, and what no text rule can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from proxy import jsonio
from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Media, Path, Span, Text
from proxy.wire.shape import field_name, is_data, leaves, mapping, media_of, sequence

Part = tuple[Path, str]
"""A string value and where it stands."""


class Gather:
    """Texts and media of one body, in body order. Lives no longer than the reading of it."""

    __slots__ = ("media", "texts")

    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.media: list[Media] = []

    def string(self, channel: Channel, value: str, path: Path) -> None:
        """One string value as one text. An empty one is no text."""
        if value:
            self.texts.append(Text(channel, value, (Span(path, 0, len(value)),)))

    def joined(self, channel: Channel, parts: Sequence[Part]) -> None:
        """The parts of one message as one text, put together as the model reads them: with nothing between, so
        that a value split over two parts is found.

        Where two words would run into one by this, the parts are listed once more, a line each: a phrase must
        not escape by being glued to its neighbour. What stands within one part is then reported twice.
        """
        parts = [part for part in parts if part[1]]
        if not parts:
            return
        self.texts.append(_text(channel, parts, ""))
        pairs = pairwise(parts)
        if any(left[1][-1].isalnum() and right[1][0].isalnum() for left, right in pairs):
            self.texts.append(_text(channel, parts, "\n"))

    def leaves(self, channel: Channel, value: Json, path: Path) -> None:
        """Every string below a value as one text, a line each; those that hold data count as media."""
        parts: list[Part] = []
        for where, leaf in leaves(value, path):
            if is_data(leaf):
                self.data(leaf, where, "data")
            else:
                parts.append((where, leaf))
        if parts:
            self.texts.append(_text(channel, parts, "\n"))

    def value(self, channel: Channel, value: Json, path: Path) -> None:
        """A JSON value (a tool's input) as one text of JSON, keys and numbers included. See `edits`."""
        if isinstance(value, str):
            self.string(channel, value, path)
        elif value is not None and value != {}:
            self.string(channel, jsonio.dumps(value).decode(), path)

    def data(self, value: str, path: Path, type: str) -> None:
        self.media.append(media_of(value, field_name(path), type))

    def unknown(self, part: Mapping[str, Json], path: Path, channel: Channel) -> None:
        """A part of a type that the wire does not know: counted as media, its strings judged all the same."""
        self.data(jsonio.dumps(part).decode(), path, f"unknown:{str(part.get('type'))[:64]}")
        self.leaves(channel, part, path)

    def rest(self, value: Mapping[str, Json], known: frozenset[str], path: Path, choice: int = 0) -> None:
        """The strings below keys that the wire does not know, a text per key."""
        for key in value:
            if key not in known:
                where = (*path, key)
                self.leaves(Channel(field_name(where), choice, Kind.OTHER), value[key], where)


def tool_text(gather: Gather, tool: Json, path: Path) -> None:
    """What a model reads of a tool: its names, descriptions and parameters, as one text."""
    gather.leaves(Channel(field_name(path), kind=Kind.OTHER), _without_schema_words(tool), path)


def tools_text(gather: Gather, tools: Json, path: Path) -> None:
    for index, tool in enumerate(sequence(tools)):
        tool_text(gather, tool, (*path, index))


def _without_schema_words(tool: Json) -> Json:
    """The tool without lists of property names (`required`): they stand there as keys already."""
    if isinstance(tool, dict):
        return {
            key: _without_schema_words(child)
            for key, child in tool.items()
            if not (key == "required" and isinstance(child, list))
        }
    return tool


def _text(channel: Channel, parts: Sequence[Part], between: str) -> Text:
    spans: list[Span] = []
    at = 0
    for path, value in parts:
        spans.append(Span(path, at, at + len(value)))
        at += len(value) + len(between)
    return Text(channel, between.join([value for _, value in parts]), tuple(spans))


def of_type(part: Json) -> tuple[Mapping[str, Json], str]:
    """A content part with its type; an empty type where it has none."""
    value = mapping(part)
    kind = value.get("type")
    return value, kind if isinstance(kind, str) else ""
