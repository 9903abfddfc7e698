"""Rows as they stand in the store, and what of them a record's hash covers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.log import digest

RECORD_VERSION: Final = 1
KIND_EXCHANGE: Final = 0
KIND_REMOVAL: Final = 1
NAME_CHARS_MAX: Final = 1024
"""Longer names (a user, a path) are cut in the row; the request's body keeps them whole."""


class BeginRow(NamedTuple):
    """A row of `exchange`. Words are numbers of `name`; `level` is the dial's number."""

    seq: int
    id: str
    version: int
    started_ms: int
    api: int
    path: int
    stream: int
    app: int | None
    key: int | None
    user: int | None
    ip: int | None
    region: int | None
    requested: int | None
    model_version: int | None
    sent: int | None
    level: int
    policy: int
    body_bytes: int
    skeleton: int | None
    node: int
    salt: bytes


class FinishRow(NamedTuple):
    """A row of `finish`."""

    seq: int
    link: int
    finished_ms: int
    outcome: int
    level: int
    backend: int | None
    requested: int | None
    model_version: int | None
    sent: int | None
    served: int | None
    fingerprint: int | None
    sent_skeleton: int | None
    sent_node: int
    received: int | None
    delivered: int | None
    detail: bytes


Names = Callable[[int | None], str | None]


def begin_digest(row: BeginRow, names: Names, *, skeleton: bytes | None, window: bytes) -> bytes:
    """The begin half of a record's hash. `skeleton` is a commitment, `window` the node's digest."""
    subject = (names(row.app), names(row.key), names(row.user), names(row.ip), names(row.region))
    plain = (
        "begin",
        row.version,
        row.seq,
        row.id,
        row.started_ms,
        names(row.api),
        names(row.path),
        row.stream,
        names(row.requested),
        names(row.model_version),
        names(row.sent),
        row.level,
        names(row.policy),
        row.body_bytes,
    )
    return digest.half(plain, (digest.subject_commitment(row.salt, subject), skeleton, window))


def finish_digest(
    row: FinishRow,
    names: Names,
    *,
    sent_skeleton: bytes | None,
    sent_window: bytes,
    received: bytes | None,
    delivered: bytes | None,
    detail: bytes,
) -> bytes:
    """The end half of a record's hash; the keyword arguments are commitments and a window digest."""
    plain = (
        "finish",
        row.seq,
        row.finished_ms,
        names(row.outcome),
        row.level,
        names(row.backend),
        names(row.requested),
        names(row.model_version),
        names(row.sent),
        names(row.served),
        names(row.fingerprint),
    )
    return digest.half(plain, (sent_skeleton, sent_window, received, delivered, detail))
