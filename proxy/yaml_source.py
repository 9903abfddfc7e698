"""Operators' YAML files: strictly read, with the line and column of every key and value.

Scalars follow the core schema of YAML 1.2.2 (section 10.3), so `on`, `off`, `yes` and `no` are words and
dates stay text. Anchors, aliases and tags are refused: an alias bomb cannot be written without them, and a
rule file that a responder reads at night should say what it means in place. Every problem is reported, not
only the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from io import StringIO
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)
from ruamel.yaml.reader import ReaderError

from proxy.errors import ConfigError, Problem
from proxy.model.record import Json
from proxy.model.text import Path

YAML_BYTES_MAX: Final = 4 * 1024 * 1024
"""A larger file is refused; long word lists belong into a phrase file, which reads a hundred times faster."""

DEPTH_MAX: Final = 32
"""No setting or rule nests half as deep."""

PROBLEMS_MAX: Final = 100
"""A file with more faults than this is not the file that was meant; reading stops here."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?[0-9]{1,300}")
_OCTAL = re.compile(r"0o[0-7]{1,300}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_SURROGATE = re.compile("[\ud800-\udfff]")

Mark = tuple[int, int]
"""A line and a column, both from 1."""


@dataclass(frozen=True, slots=True)
class Document:
    """One file read: its plain value, and where each key and each value stands."""

    file: str
    value: Json
    keys: Mapping[Path, Mark]
    values: Mapping[Path, Mark]

    def problem(self, path: Path, message: str, *, key: bool = False) -> Problem:
        """A problem at the value (or with `key` at the key) of that path.

        Where the file lacks it: at the nearest part above, so a missing key is a problem of its mapping.
        """
        line, column = self.mark(path, key=key)
        return Problem(self.file, line, column, message)

    def mark(self, path: Path, *, key: bool = False) -> Mark:
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, (1, 1))


def parse(file: str, raw: bytes) -> Document:
    """Read one YAML document. `file` is the name that problems carry.

    An empty document has the value None. Raises ConfigError with every problem found.
    """
    if len(raw) > YAML_BYTES_MAX:
        message = f"the file has {len(raw)} bytes; at most {YAML_BYTES_MAX} are read (use a phrase file)"
        raise ConfigError((Problem(file, 1, 1, message),))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise ConfigError((Problem(file, line, column, "not UTF-8 text"),)) from None
    builder = _Builder(file)
    try:
        for event in _events(text):
            builder.take(event)
            if len(builder.problems) >= PROBLEMS_MAX:
                break
    except YAMLError as error:
        builder.problems.append(_syntax_problem(file, text, error))
    if builder.problems:
        raise ConfigError(in_order(builder.problems))
    return Document(file, builder.root, builder.keys, builder.values)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems as a reader meets them: by file, line and column, each once."""
    return tuple(sorted(set(problems), key=lambda item: (item.file, item.line, item.column, item.message)))


def nearest(word: str, valid: Sequence[str]) -> str:
    """The tail of a message about an unknown word: `; did you mean `x`?`, or nothing where none is near."""
    close = get_close_matches(word.lower(), {name.lower(): name for name in valid}, n=1, cutoff=0.6)
    names = {name.lower(): name for name in valid}
    return f"; did you mean `{names[close[0]]}`?" if close else ""


def _events(text: str) -> Iterator[Event]:
    # The pure parser: the C one reads YAML 1.1 and gives no columns for its errors.
    reader = YAML(typ="safe", pure=True)
    yield from reader.parse(StringIO(text))


def _syntax_problem(file: str, text: str, error: YAMLError) -> Problem:
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        return Problem(file, line, column, "a control character that YAML does not allow")
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        message = " ".join(str(error.problem or error.context).split())
        if "'\\t'" in message:
            message = "a tab cannot indent; use spaces"
        elif error.context and error.problem:
            message = f"{message} ({' '.join(str(error.context).split())})"
        if mark is not None:
            return Problem(file, mark.line + 1, mark.column + 1, message)
        return Problem(file, 1, 1, message)
    return Problem(file, 1, 1, " ".join(str(error).split()))


def _scalar(text: str, plain: bool) -> Json:
    """The value of a scalar by YAML 1.2's core schema; `.inf` and `.nan` stay text, as in JSON."""
    if not plain:
        return text
    if text in _NULL:
        return None
    first = text[0]
    if first.isdigit() or first in "+-.":
        if _INT.fullmatch(text):
            return int(text)
        if _OCTAL.fullmatch(text):
            return int(text[2:], 8)
        if _HEX.fullmatch(text):
            return int(text[2:], 16)
        if _FLOAT.fullmatch(text):
            return float(text)
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    return text


@dataclass(slots=True)
class _Frame:
    """One open collection, and in a mapping the key whose value comes next."""

    path: Path
    out: list[Json] | dict[str, Json]
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Turns the parser's events into plain values and marks, with a stack instead of recursion."""

    file: str
    root: Json = None
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Frame] = field(default_factory=list)
    documents: int = 0
    too_deep: int = 0  # collections open below the depth limit; nothing in them is kept

    def take(self, event: Event) -> None:
        if isinstance(event, DocumentStartEvent):
            self.documents += 1
            if self.documents == 2:
                self._fault(event, "a second document; one file holds one")
        elif self.documents > 1:
            return
        elif isinstance(event, CollectionEndEvent):
            if self.too_deep:
                self.too_deep -= 1
            else:
                self.stack.pop()
        elif isinstance(event, NodeEvent):
            self._node(event)

    def _node(self, event: NodeEvent) -> None:
        if isinstance(event, AliasEvent):
            self._fault(event, "an alias (`*name`); write the value out")
            self._put(event, None)
            return
        if event.anchor is not None:
            self._fault(event, "an anchor (`&name`); write the value out where it is used")
        if isinstance(event, ScalarEvent):
            if event.tag is not None:
                self._fault(event, "a tag (`!name`); quote a value to make it text")
            if self.too_deep:
                return
            if isinstance(event.value, str) and _SURROGATE.search(event.value):
                self._fault(event, "half of a surrogate pair is no character")
            if self._wants_key():
                self._take_key(event, event.value)
            else:
                plain = event.style is None or event.style == ""
                self._put(event, _scalar(event.value, plain and event.implicit[0]))
        elif isinstance(event, CollectionStartEvent):
            if event.tag is not None:
                self._fault(event, "a tag (`!name`); it has no meaning here")
            self._open(event)

    def _open(self, event: CollectionStartEvent) -> None:
        if self.too_deep:
            self.too_deep += 1
            return
        if self._wants_key():
            self._fault(event, "a key must be a word, not a list or mapping")
            # A key that nobody can write, so that the value after it finds a place.
            self._take_key(event, f"\0{len(self.keys)}")
            self.too_deep += 1
            return
        if len(self.stack) >= DEPTH_MAX:
            self._fault(event, f"nested deeper than {DEPTH_MAX} levels")
            self._put(event, None)
            self.too_deep += 1
            return
        out: list[Json] | dict[str, Json] = {} if isinstance(event, MappingStartEvent) else []
        path = self._put(event, out)
        self.stack.append(_Frame(path, out))

    def _wants_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].out, dict) and self.stack[-1].key is None

    def _take_key(self, event: Event, key: str) -> None:
        frame = self.stack[-1]
        path = (*frame.path, key)
        if path in self.keys:
            line, _ = self.keys[path]
            self._fault(event, f"the key `{key}` stands twice; first in line {line}")
        else:
            self.keys[path] = _mark(event)
        frame.key = key

    def _put(self, event: Event, value: Json) -> Path:
        """Place a value where the parser stands; gives its path."""
        if self.too_deep:
            return ()
        if not self.stack:
            self.root = value
            self.values[()] = _mark(event)
            return ()
        frame = self.stack[-1]
        if isinstance(frame.out, dict):
            if frame.key is None:  # an alias in a key's place; the problem is noted
                frame.key = f"\0{len(self.keys)}"
                return (*frame.path, frame.key)
            path: Path = (*frame.path, frame.key)
            frame.out[frame.key] = value
            frame.key = None
        else:
            path = (*frame.path, len(frame.out))
            frame.out.append(value)
        self.values[path] = _mark(event)
        return path

    def _fault(self, event: Event, message: str) -> None:
        line, column = _mark(event)
        self.problems.append(Problem(self.file, line, column, message))


def _mark(event: Event) -> Mark:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1)
