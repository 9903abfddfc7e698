"""One exchange as the log keeps it (INTERFACE section 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from proxy.model.finding import Finding
from proxy.model.level import Level, Outcome
from proxy.model.subject import Subject

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""A parsed JSON value. Treated as frozen: nobody changes a value that was handed on."""

UNJUDGED: Final = "<UNJUDGED>"
"""What stands for a text that a rule with `log: redacted` did not judge to its end."""


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """The model by each of its names: as asked for, its version, as sent, and as the reply says."""

    requested: str | None = None
    version: str | None = None
    sent: str | None = None
    served: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds. `guard` is the proxy's own share of `total`; None where it never came to that."""

    total: float | None = None
    backend_first_byte: float | None = None
    first_byte: float | None = None
    guard: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A version of the model that failed before another one was asked."""

    backend: str
    version: str | None
    sent: str | None  # the model by its name there
    error: str
    ms: float | None  # until it failed; None where it was not asked, since it had failed before


@dataclass(frozen=True, slots=True)
class Begun:
    """What is known of an exchange when its request was read; on the log before anything is released."""

    id: str  # sortable by time, unique
    started_at: float  # Unix seconds
    api: str  # openai | anthropic
    path: str
    stream: bool
    app: str | None
    subject: Subject
    model: ModelUsed
    level: Level
    policy: str  # digest
    body: Json  # the request as received; None where it could not be read
    body_bytes: int = 0
    body_read: bool = True  # else `body` is the part that was kept, and `body_bytes` what the request says


@dataclass(frozen=True, slots=True)
class Finished:
    """How an exchange ended; with its `Begun` it makes the whole record."""

    id: str
    finished_at: float  # Unix seconds
    outcome: Outcome
    model: ModelUsed
    level: Level
    backend: str | None = None
    sent: Json = None  # the request as sent, only where it differs
    received: Json = None  # the backend's text: a string, or a list of {index, text, tool_calls}
    delivered: Json = None  # in the same shape, only where it differs
    finish_reason: str | None = None
    logprobs: Json = None
    usage: Json = None
    latency: Latency = field(default_factory=Latency)
    findings: tuple[Finding, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    media: tuple[Json, ...] = ()  # images and files of the request: {field, type, bytes, sha256}
    unscanned: Mapping[str, int] = field(default_factory=dict)  # characters by reason
    attempts: tuple[Attempt, ...] = ()  # what failed before the one that `model` and `backend` name
    response_id: str | None = (
        None  # by which its backend may keep the reply, for a later request to go on from
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """One exchange about a reply that its backend keeps, as far as a later one that names the reply needs it."""

    subject: Subject
    stream: bool
    request: Json  # as it was sent; None for one that only asks for the reply
    reply: Json  # as its client got it
    outcome: str
    finish_reason: Json
