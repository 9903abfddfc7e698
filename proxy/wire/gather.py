"""Collects what a body holds to be judged, as texts with their places, and what no text rule can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from proxy.model.record import Json
from proxy.model.text import Channel, Kind, Media, Path, Span, Text
from proxy.wire.shape import (
    TEXTS_MAX,
    TooManyTexts,
    compact,
    data_at,
    field_name,
    leaves,
    mapping,
    media_of,
    sequence,
)

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
        parts = [part for part in parts if part[1]]
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
            if data_at(where, leaf):
                self.data(leaf, where, "data")
            else:
                parts.append((where, leaf))
        if parts:
            self._take(len(parts))
            self.texts.append(_text(channel, parts, "\n"))

    def value(self, channel: Channel, value: Json, path: Path) -> None:
        """A JSON value (a tool's input) as one text of JSON, keys and numbers included (see `edits`).
        One that is nested too deeply is read as its strings."""
        if isinstance(value, str):
            self.string(channel, value, path)
        elif value is not None and value != {}:
            text = compact(value)
            if text is None:
                self.leaves(replace(channel, json=False), value, path)
            else:
                self.string(channel, text, path)

    def data(self, value: str, path: Path, type: str) -> None:
        self.media.append(media_of(value, field_name(path), type))

    def unknown(self, part: Mapping[str, Json], path: Path, channel: Channel) -> None:
        """A part of a type that the wire does not know: counted as media, its strings judged all the same."""
        self.data(compact(part) or "", path, f"unknown:{str(part.get('type'))[:64]}")
        self.leaves(channel, part, path)

    def rest(self, value: Mapping[str, Json], known: frozenset[str], path: Path, choice: int = 0) -> None:
        """The strings below keys that the wire does not know, a text per key."""
        for key in value:
            if key not in known:
                where = (*path, key)
                self.leaves(Channel(field_name(where), choice, Kind.OTHER), value[key], where)

    def _take(self, count: int) -> None:
        self._count += count
        if self._count > TEXTS_MAX:
            raise TooManyTexts(f"more than {TEXTS_MAX} texts stand in one body")


def tools_text(gather: Gather, tools: Json, path: Path) -> None:
    """What a model reads of each tool: its names, descriptions and parameters, as one text."""
    for index, tool in enumerate(sequence(tools)):
        where = (*path, index)
        gather.leaves(Channel(field_name(where), kind=Kind.OTHER), tool, where)


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


def kind_of(role: Json) -> Kind:
    """What a message of that role is for its reader."""
    return Kind.PROMPT if isinstance(role, str) and role in PROMPT_ROLES else Kind.TEXT
