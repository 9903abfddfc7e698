"""How records lie in the journal: each the length of its head, the head, and each content behind its length.

A head is the JSON row of what is no content; contents follow in the order in which `contents` gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from proxy.log.context import Split
from proxy.log.encode import Damaged, decode, encode_plain
from proxy.log.prepare import Prepared, PreparedBegin, PreparedFinish, found_words
from proxy.model.record import Json

_LENGTH_BYTES: Final = 4
_BEGIN, _FINISH = 0, 1
_NO_BODY: Final = -1

T = TypeVar("T")


def pack(records: Sequence[Prepared]) -> bytes:
    """All of them, in their order. Raises TypeError for what is no JSON value."""
    pieces: list[bytes] = []
    for ready in records:
        contents: list[bytes]
        if isinstance(ready, PreparedBegin):
            row = (
                _BEGIN,
                ready.id,
                ready.started_ms,
                int(ready.stream),
                ready.level,
                ready.body_bytes,
                ready.api,
                ready.path,
                ready.policy,
                *ready.subject,
                *ready.model,
                *_slots(ready.body),
            )
            contents = list(ready.contents())
        else:
            row = (
                _FINISH,
                ready.id,
                ready.finished_ms,
                ready.level,
                ready.outcome,
                ready.backend,
                *ready.model,
                ready.response_id,
                int(ready.received is not None),
                int(ready.delivered is not None),
                *_slots(ready.sent),
            )
            contents = [*ready.contents(), ready.detail]
        for piece in (encode_plain(row), *contents):
            pieces.append(len(piece).to_bytes(_LENGTH_BYTES, "big"))
            pieces.append(piece)
    return b"".join(pieces)


def unpack(payload: bytes) -> list[Prepared]:
    """What `pack` was given. Raises Damaged."""
    pieces = _pieces(payload)
    records: list[Prepared] = []
    for head in pieces:
        row = decode(head)
        if not isinstance(row, list) or not row or row[0] not in (_BEGIN, _FINISH):
            raise Damaged("a record of the journal has an unknown shape")
        fields = iter(row[1:])
        records.append(_begin(fields, pieces) if row[0] == _BEGIN else _finish(fields, pieces))
    return records


def _begin(fields: Iterator[Json], pieces: Iterator[bytes]) -> PreparedBegin:
    return PreparedBegin(
        id=_next(fields, str),
        started_ms=_next(fields, int),
        stream=bool(_next(fields, int)),
        level=_next(fields, int),
        body_bytes=_next(fields, int),
        api=_next(fields, str),
        path=_next(fields, str),
        policy=_next(fields, str),
        subject=tuple(_word(fields) for _ in range(5)),
        model=tuple(_word(fields) for _ in range(3)),
        body=_body(fields, pieces),
    )


def _finish(fields: Iterator[Json], pieces: Iterator[bytes]) -> PreparedFinish:
    id, finished_ms, level = _next(fields, str), _next(fields, int), _next(fields, int)
    outcome, backend = _next(fields, str), _word(fields)
    model, response_id = tuple(_word(fields) for _ in range(5)), _word(fields)
    has_received, has_delivered = _next(fields, int), _next(fields, int)
    sent = _body(fields, pieces)
    received = _piece(pieces) if has_received else None
    delivered = _piece(pieces) if has_delivered else None
    detail = _piece(pieces)
    rules, scores = found_words(detail)
    return PreparedFinish(
        id=id,
        finished_ms=finished_ms,
        level=level,
        outcome=outcome,
        backend=backend,
        model=model,
        response_id=response_id,
        sent=sent,
        received=received,
        delivered=delivered,
        detail=detail,
        rules=rules,
        scores=scores,
    )


def _slots(body: Split | None) -> tuple[int, ...]:
    """How many parts the window has, and the slot of each."""
    return (_NO_BODY,) if body is None else (len(body.window), *[slot for slot, _ in body.window])


def _body(fields: Iterator[Json], pieces: Iterator[bytes]) -> Split | None:
    parts = _next(fields, int)
    if parts == _NO_BODY:
        return None
    slots = [_next(fields, int) for _ in range(parts)]
    skeleton = _piece(pieces)
    return Split(skeleton, tuple((slot, _piece(pieces)) for slot in slots))


def _pieces(payload: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(payload):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(payload[at:start], "big")
        if at > len(payload):
            raise Damaged("a record of the journal is cut short")
        yield payload[start:at]


def _piece(pieces: Iterator[bytes]) -> bytes:
    piece = next(pieces, None)
    if piece is None:
        raise Damaged("a record of the journal is cut short")
    return piece


def _next(fields: Iterator[Json], kind: type[T]) -> T:
    value = next(fields, None)
    if not isinstance(value, kind):
        raise Damaged("a record of the journal has an unknown shape")
    return value


def _word(fields: Iterator[Json]) -> str | None:
    value = next(fields, None)
    if value is not None and not isinstance(value, str):
        raise Damaged("a record of the journal has an unknown shape")
    return value
