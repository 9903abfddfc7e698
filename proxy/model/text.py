"""Texts, and where they stand in a body. Every wire speaks of a reply in these words, streamed or not."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as attribute
from enum import StrEnum
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands in a JSON body: keys and list positions from the root."""

KEY = -2
"""A path's last step that leads from a member of an object to its name."""


class Kind(StrEnum):
    """What a text is for its reader; the log and the metrics keep these apart."""

    TEXT = "text"
    PROMPT = "prompt"  # of a request: what the system or the developer says
    REASONING = "reasoning"
    REFUSAL = "refusal"
    TOOL = "tool"  # a tool call's arguments
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Channel:
    """One growing text of a reply, or one text of a request: message content, a tool call's arguments.

    `field` names it the same way for a stream and for a whole reply, so that findings are equal.
    """

    field: str  # choices[0].message.content, content[1].text, output[0].content[0].text
    choice: int = 0  # a block ends its own choice; other choices run on
    kind: Kind = Kind.TEXT
    json: bool = False  # the text is itself JSON (tool arguments): judged after unescaping
    sealed: bool = False  # signed text: it can be blocked, never edited
    chain: str = (
        ""  # texts of a choice with the same one, that follow one another, are put together by their reader
    )


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of a text stand as the whole string value at `path`."""

    path: Path
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Text:
    """One text to be judged as one, though it may stand in several string values (parts of a message)."""

    channel: Channel
    value: str
    spans: tuple[Span, ...]
    again: bool = False  # the spans of the text before it once more, put together in another way


@dataclass(frozen=True, slots=True)
class Replacement:
    """Characters [start, end) of a text become `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """What becomes of one text (or one piece of it): ascending, non-overlapping replacements.

    Offsets count in the text (piece) that the edit belongs to, as it stands decoded from the body's JSON.
    """

    replacements: tuple[Replacement, ...]

    def apply(self, text: str) -> str:
        out: list[str] = []
        at = 0
        for change in self.replacements:
            out.append(text[at : change.start])
            out.append(change.text)
            at = change.end
        out.append(text[at:])
        return "".join(out)


@dataclass(frozen=True, slots=True)
class Media:
    """Something in a body that no text rule can read: an image, a sound, a file."""

    field: str
    type: str  # a media type or the wire's own word for it
    bytes: int
    sha256: str
    path: Path = attribute(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Who a tool-arguments channel belongs to."""

    id: str | None
    name: str | None
