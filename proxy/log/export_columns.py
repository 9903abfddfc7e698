"""The columns of an exchange in Parquet: what people ask by, typed, and the whole record as JSON text.

Names and types are a contract, listed in docs/log.md: columns may be added, never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import pyarrow as pa

from proxy import jsonio
from proxy.log.query import Whole
from proxy.log.record_text import answered, asked
from proxy.model.record import Json

_INT64: Final = range(-(1 << 63), 1 << 63)
_TEXT: Final = pa.string()
_FLOAT: Final = pa.float64()
_INT: Final = pa.int64()
_TIME: Final = pa.timestamp("us", tz="UTC")


def _at(record: Json, *keys: str) -> Json:
    for key in keys:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


def _text(value: Json) -> str | None:
    """Arrow's strings are UTF-8: what is none (a lone surrogate) stays whole in `record` only."""
    if value is None:
        return None
    text = value if isinstance(value, str) else jsonio.dumps(value).decode()
    return text.encode("utf-8", "replace").decode()


def _int(value: Json) -> int | None:
    return value if type(value) is int and value in _INT64 else None


def _float(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _time(value: Json) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def _by_name(read: Callable[[Json], float | None]) -> Callable[[Json], list[tuple[str | None, float | None]]]:
    def pairs(value: Json) -> list[tuple[str | None, float | None]]:
        return [(_text(key), read(one)) for key, one in value.items()] if isinstance(value, Mapping) else []

    return pairs


_FINDING: Final = (
    *((key, _TEXT, _text) for key in ("rule", "detector", "label")),
    ("score", _FLOAT, _float),
    *((key, _TEXT, _text) for key in ("action", "mode", "direction", "field")),
    ("start", _INT, _int),
    ("end", _INT, _int),
)


def _findings(value: Json) -> list[dict[str, object]]:
    found = value if isinstance(value, list) else []
    return [{key: read(_at(one, key)) for key, _, read in _FINDING} for one in found]


def _tokens(*names: str) -> Callable[[Whole], int | None]:
    """A count of tokens, by whichever of the names the backend has for it."""

    def read(whole: Whole) -> int | None:
        counts = (_int(_at(whole.record, "response", "usage", name)) for name in names)
        return next((count for count in counts if count is not None), None)

    return read


def _received(whole: Whole) -> str | None:
    return _text(answered(_at(whole.record, "response", "received")))


def _delivered(whole: Whole) -> str | None:
    response = whole.record.get("response")
    differs = isinstance(response, Mapping) and "delivered" in response
    return _text(answered(_at(response, "delivered"))) if differs else _received(whole)


_Column = tuple[str, pa.DataType, Callable[[Whole], object]]


def _read(name: str, kind: pa.DataType, read: Callable[[Json], object], *keys: str) -> _Column:
    """The column of the value at that place of a record, by default the one of the column's own name."""
    keys = keys or (name,)
    return name, kind, lambda whole: read(_at(whole.record, *keys))


_COLUMNS: Final[tuple[_Column, ...]] = (
    _read("id", _TEXT, _text),
    _read("started_at", _TIME, _time),
    _read("finished_at", _TIME, _time),
    _read("api", _TEXT, _text),
    _read("path", _TEXT, _text),
    _read("stream", pa.bool_(), bool),
    _read("app", _TEXT, _text),
    *(_read(f"subject_{key}", _TEXT, _text, "subject", key) for key in ("key", "user", "ip", "region")),
    *(
        _read(f"model_{key}", _TEXT, _text, "model", key)
        for key in ("requested", "version", "sent", "served", "fingerprint")
    ),
    _read("backend", _TEXT, _text),
    _read("level", _TEXT, _text),
    _read("policy", _TEXT, _text),
    _read("outcome", _TEXT, _text),
    _read("error", _TEXT, _text),
    _read("finish_reason", _TEXT, _text, "response", "finish_reason"),
    ("input_tokens", _INT, _tokens("prompt_tokens", "input_tokens")),
    ("output_tokens", _INT, _tokens("completion_tokens", "output_tokens")),
    *(
        _read(f"latency_{key}_ms", _FLOAT, _float, "latency_ms", key)
        for key in ("total", "backend_first_byte", "first_byte", "guard")
    ),
    _read("scores", pa.map_(_TEXT, _FLOAT), _by_name(_float)),
    _read("unscanned", pa.map_(_TEXT, _INT), _by_name(_int)),
    _read("findings", pa.list_(pa.struct([(key, kind) for key, kind, _ in _FINDING])), _findings),
    _read("body_bytes", _INT, _int),
    ("prompt", _TEXT, lambda whole: _text(asked(_at(whole.record, "request", "body")))),
    ("received", _TEXT, _received),
    ("delivered", _TEXT, _delivered),
    _read("hash", _TEXT, _text),
    _read("previous_hash", _TEXT, _text),
    ("record", _TEXT, lambda whole: whole.text.decode()),
)
SCHEMA: Final = pa.schema([(name, kind) for name, kind, _ in _COLUMNS], metadata={b"guardrail_columns": b"1"})
REPEATING: Final = [
    name
    for name, kind, _ in _COLUMNS
    if not pa.types.is_nested(kind)
    and name not in ("id", "error", "prompt", "received", "delivered", "hash", "previous_hash", "record")
]
"""Columns whose values recur, or are asked by range: those get a dictionary, and their least and greatest value."""


def row(whole: Whole) -> list[object]:
    """The values of an exchange, in the order of `SCHEMA`."""
    return [read(whole) for _, _, read in _COLUMNS]
