"""What a scripted backend can do, and what it notes of each request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it stood on the wire; header names are lower-case, in order, repeats kept."""

    method: str
    path: str  # with its query
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int  # which connection it came on, from 0: tells reuse from a new dial

    def header(self, name: str) -> str | None:
        """The first value of that header, or None."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def json(self) -> object:
        """The body parsed. Raises ValueError for a body that is no JSON."""
        value: object = json.loads(self.body)
        return value


@dataclass(frozen=True, slots=True)
class Send:
    """Exactly these bytes, whatever HTTP thinks of them."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """These bytes one at a time, each handed to the kernel before the next."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Json:
    """A whole reply with a JSON body: a value, or the very bytes."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sse:
    """A chunked event stream, one chunk for each frame. Without `end` it stays open for what follows."""

    frames: Sequence[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    end: bool = True
    status: int = 200


@dataclass(frozen=True, slots=True)
class Chunk:
    """One more chunk of an open chunked reply."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The normal end of an open chunked reply."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing, until the event is set; for good with an event that nobody sets."""

    event: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Reset:
    """Cut the connection with a TCP reset, after what was sent has left."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection in the ordinary way (FIN), after what was sent has left."""


Action: TypeAlias = Send | Drip | Json | Sse | Chunk | End | Pause | Reset | Close
Script: TypeAlias = Sequence[Action] | Callable[[ReceivedRequest], Sequence[Action]]


def sse(data: object, event: str | None = None) -> bytes:
    """One frame as the official APIs write it: a value becomes JSON, a string stands as it is."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    return (f"event: {event}\n" if event else "").encode() + f"data: {text}\n\n".encode()


def head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
