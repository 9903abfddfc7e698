"""A YAML document against a frozen pydantic model: every misfit becomes a problem at its own line and column.

Values are validated as strict JSON, so `"5"` is no number and `1` is no truth, while lists fill tuples and
words fill enums. A model may declare `LATER`, names that the contract knows and this version does not honour.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar, Union, get_args, get_origin

import pydantic
from pydantic_core import ErrorDetails

from proxy import jsonio
from proxy.errors import Problem
from proxy.model.record import Json
from proxy.model.text import Path
from proxy.yaml_source import Document, nearest

SHOWN_CHARS_MAX: Final = 40
"""How much of a wrong value a message repeats."""


class FileModel(pydantic.BaseModel):
    """A mapping in an operator's file: frozen, and closed to unknown keys."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    LATER: ClassVar[Mapping[str, str]] = {}
    """Keys that are known and not honoured yet, each with what to do instead (or nothing)."""


_MESSAGES: Final[Mapping[str, str]] = {
    "model_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "must not be empty",
    "string_type": "must be text; quote a number or a date to make it text",
}


M = TypeVar("M", bound=FileModel)


def validate(model: type[M], document: Document, problems: list[Problem], at: Path = ()) -> M | None:
    """The document, or the part of it at that path, as a model; or None, with a problem for every misfit."""
    value = _at(document.value, at)
    try:
        return model.model_validate_json(jsonio.dumps({} if value is None else value))
    except pydantic.ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["type"] == "too_short" and detail["input"]:
                continue  # pydantic counts the items that are valid; those that are not have problems of their own
            problems.append(_problem(model, document, at, detail))
        return None


def _problem(model: type[FileModel], document: Document, at: Path, detail: ErrorDetails) -> Problem:
    path, is_key = _path(_at(document.value, at), detail["loc"])
    path = (*at, *path)
    kind = detail["type"]
    name = str(detail["loc"][-1]) if detail["loc"] else ""
    if kind == "extra_forbidden":
        return document.problem(path, _unknown_key(model, detail["loc"], name), key=True)
    if kind == "missing":
        return document.problem(path, f"the key `{name}` is missing")
    message = _MESSAGES.get(kind, "")
    if kind in {"enum", "literal_error"}:
        valid = _words(detail)
        message = f"must be one of {', '.join(valid)}" + nearest(str(detail["input"]), valid)
    elif kind == "string_pattern_mismatch":
        pattern = detail.get("ctx", {}).get("pattern")
        message = f"{_shown(detail['input'])} is not allowed here: it must match {pattern}"
    elif not message:
        message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        message = message.replace("String should have", "must have")
        message = message.replace(
            "must be a valid boolean", "must be true or false"
        )  # as YAML 1.2 writes them
        if message.startswith("must be"):
            message += f", not {_shown(detail['input'])}"
    return document.problem(path, message, key=is_key)


def _unknown_key(model: type[FileModel], loc: Sequence[str | int], name: str) -> str:
    owner = _model_at(model, loc[:-1])
    if owner is None:
        return f"unknown key `{name}`"
    if name in owner.LATER:
        hint = owner.LATER[name]
        return f"`{name}` is not available in this version yet" + (f": {hint}" if hint else "")
    valid = [field.alias or key for key, field in owner.model_fields.items()]
    return f"unknown key `{name}`" + (nearest(name, valid) or f"; known here: {', '.join(valid)}")


def _words(detail: ErrorDetails) -> list[str]:
    expected = str(detail.get("ctx", {}).get("expected", ""))
    return [word.strip().strip("'") for word in expected.replace(" or ", ", ").split(",")]


def _shown(value: object) -> str:
    text = jsonio.dumps(value).decode() if isinstance(value, bool | int | float | str | None) else "this"
    return text if len(text) <= SHOWN_CHARS_MAX else text[: SHOWN_CHARS_MAX - 1] + "…"


def _path(value: Json, loc: Sequence[str | int]) -> tuple[Path, bool]:
    """Where in the document a location of pydantic's lies, and whether it means a key.

    Pydantic's locations also name union members and normalised forms, which the file does not hold: what is
    not in the value is passed over.
    """
    path: list[str | int] = []
    at = value
    for part in loc:
        if part == "[key]":
            return tuple(path), True
        known = isinstance(at, Mapping) and isinstance(part, str) and part in at
        if known or (isinstance(at, list) and isinstance(part, int) and part < len(at)):
            at = _child(at, part)
            path.append(part)
    return tuple(path), False


def _at(value: Json, path: Path) -> Json:
    for part in path:
        value = _child(value, part)
    return value


def _child(value: Json, part: str | int) -> Json:
    if isinstance(value, Mapping):
        return value[str(part)]
    return value[int(part)] if isinstance(value, list) else None


def _model_at(model: type[FileModel], loc: Sequence[str | int]) -> type[FileModel] | None:
    """The model that a location's mapping is validated by, found by walking the annotations."""
    kind: Any = model
    for part in loc:
        kind = _step(kind, part)
        if kind is None:
            return None
    return next(iter(_models(kind)), None)


def _step(kind: Any, part: str | int) -> Any:  # annotations have no type of their own
    for member in _members(kind):
        origin = get_origin(member)
        if isinstance(member, type) and issubclass(member, FileModel):
            field = member.model_fields.get(str(part)) or next(
                (field for field in member.model_fields.values() if field.alias == part), None
            )
            if field is not None:
                return field.annotation
        elif origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
            return get_args(member)[1]
        elif origin is tuple and isinstance(part, int):
            return get_args(member)[0]
    return None


def _members(kind: Any) -> list[Any]:
    """The alternatives of a union, and what stands inside `Annotated`."""
    if get_origin(kind) in {Union, types.UnionType}:
        return [inner for member in get_args(kind) for inner in _members(member)]
    if hasattr(kind, "__metadata__"):
        return _members(get_args(kind)[0])
    return [kind]


def _models(kind: Any) -> list[type[FileModel]]:
    return [member for member in _members(kind) if isinstance(member, type) and issubclass(member, FileModel)]
