"""JSON in and out: fast where it can be, strict about duplicate keys, forgiving about lone surrogates.

`orjson` reads nearly everything. It keeps the last of two equal keys, reads integers over 64 bits as floats, and
refuses lone surrogates. Where that matters the standard library takes over: it reads such integers exactly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NoReturn

import orjson

from proxy.errors import GuardrailError
from proxy.model.record import Json

# A closing quote, blanks and a colon: at least one for every key of the text, more where a string holds such.
_KEY_END = re.compile(rb'"[ \t\r\n]*:')

# Of at least this size are the floats that orjson makes of integers over 64 bits (-2**63 itself still fits).
_OVER_64_BITS = float(1 << 63)


class InvalidJson(GuardrailError):
    """The bytes are no JSON document."""


class DuplicateKey(InvalidJson):
    """A key stands twice in one object: two parsers may read two different documents."""


def loads(raw: bytes | bytearray | memoryview) -> Json:
    """The value of a JSON document. Duplicate keys are not looked for; integers over 64 bits may come as floats.

    Raises InvalidJson.
    """
    try:
        value: Json = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _loads_stdlib(bytes(raw))
    return value


def loads_strict(raw: bytes) -> Json:
    """As `loads`, with every integer exact, and refuses a key that stands twice in one object, at any depth.

    Raises InvalidJson, DuplicateKey.
    """
    value = loads(raw)
    keys, large = _survey(value)
    # Every key shows as a `":` in the bytes; only where more of those stand than keys were read can one be lost.
    if large or len(_KEY_END.findall(raw)) > keys:
        return _loads_stdlib(raw, strict=True)
    return value


def loads_unique(raw: bytes) -> Json:
    """As `loads`, and refuses a key that stands twice in one object. For the many small documents of a stream: with
    the value written again, a key that was lost shows as a colon that is missing, unless one stands there escaped.

    Raises InvalidJson, DuplicateKey.
    """
    try:
        value: Json = orjson.loads(raw)
        again = orjson.dumps(value)
        if again == raw or (again.count(b":") == raw.count(b":") and b"\\u003" not in raw):
            return value
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass  # it holds a lone surrogate, is deep, or is none
    return loads_strict(raw)


def dumps(value: Json) -> bytes:
    """Compact JSON bytes of a value that `loads` gave."""
    try:
        return orjson.dumps(value)
    except (orjson.JSONEncodeError, TypeError):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode()


def _survey(value: Json) -> tuple[int, bool]:
    """How many keys a value has, and whether a float in it may have been an integer over 64 bits."""
    count, large = 0, False
    stack: list[Json] = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            count += len(node)
            children: Iterable[Json] = node.values()
        elif isinstance(node, list):
            children = node
        else:
            children = (node,)
        for child in children:
            if isinstance(child, dict | list):
                stack.append(child)
            elif isinstance(child, float) and not -_OVER_64_BITS < child < _OVER_64_BITS:
                large = True
    return count, large


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    out = dict(pairs)
    if len(out) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateKey(f"the key {json.dumps(key[:80])} stands twice in one object")
            seen.add(key)
    return out


def _no_constant(word: str) -> NoReturn:
    raise InvalidJson(f"{word} is not JSON")


def _loads_stdlib(raw: bytes, *, strict: bool = False) -> Json:
    try:
        value: Json = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique if strict else None,
            parse_constant=_no_constant,
        )
    except json.JSONDecodeError as error:
        raise InvalidJson(f"line {error.lineno} column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise InvalidJson(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise InvalidJson("nested too deeply") from None
    except ValueError as error:  # an integer of more digits than the interpreter converts
        raise InvalidJson(str(error)) from None
    return value
