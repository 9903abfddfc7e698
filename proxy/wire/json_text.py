"""A text that is itself JSON (a tool call's arguments), read as its reader will: with escapes undone.

`{"to":"a\\u0040b.c"}` is judged as `{"to":"a@b.c"}`. The structure stays, so that offsets and context stay
near; a map leads from decoded offsets back to raw ones, and redactions are rendered so that valid JSON stays
valid. Text that is no JSON is read leniently and never refused. Source of the grammar: RFC 8259, section 7.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass

from proxy.model.text import Replacement

SCALAR_CHARS_MAX = 1024
"""The longest bare value (a number, a word) that is read as one. A longer one goes on piece by piece, and its
digits are redacted one by one, since it cannot become a string any more."""

_PLAIN = re.compile(r'[^"\\]+')
_STRUCTURE = re.compile(r"[\[\]{}:,\s]+")
_SCALAR = re.compile(r'[^"\[\]{}:,\s]+')
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")
_LOW_SURROGATE = re.compile(r"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_LOW_SURROGATE_BEGUN = re.compile(r"(?:\\(?:u(?:[dD](?:[c-fC-F](?:[0-9a-fA-F])?)?)?)?)?")
_NUMBER_PART = re.compile(r"[0-9.eE+-]*")
_SIMPLE = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(slots=True)
class _Value:
    """A string's inside, or a bare value: decoded characters [start, end). `end` -1: still growing."""

    start: int
    end: int
    bare: bool
    long: list[str] | None = None  # the characters of a bare value over SCALAR_CHARS_MAX


class JsonText:
    """Decodes one growing JSON text. The same however it is cut. Memory is linear in the text."""

    __slots__ = ("_delta_at", "_deltas", "_held", "_inside", "_long", "_starts", "_values", "length")

    def __init__(self) -> None:
        self.length = 0  # decoded characters so far
        self._held = ""  # an incomplete escape, or a bare value whose end is not yet seen
        self._inside = False  # within a string
        self._long = False  # within a bare value over the bound
        self._values: list[_Value] = []
        self._starts: list[int] = []
        self._delta_at: list[int] = []  # from this decoded offset on ...
        self._deltas: list[int] = []  # ... raw offsets are larger by this much

    def feed(self, fragment: str) -> str:
        """The characters that this fragment adds to the decoded text. What may still change is held back: an
        incomplete escape, a bare value at the end."""
        return self._read(self._held + fragment, final=False)

    def end(self) -> str:
        """The text ended: what was held back."""
        rest = self._read(self._held, final=True)
        if self._values and self._values[-1].end < 0:
            self._values[-1].end = self.length
        return rest

    def raw_offset(self, decoded_offset: int) -> int:
        """Where the decoded character begins in the raw text; an escape's inside is never answered."""
        at = bisect_right(self._delta_at, decoded_offset)
        return decoded_offset + (self._deltas[at - 1] if at else 0)

    def raw_settled(self, decoded_offset: int) -> int:
        """As `raw_offset`, but not inside a bare value: a redaction takes such a value as a whole, so nothing
        of it may be released before all of it is settled."""
        value = self._value_at(decoded_offset)
        if (
            value is not None
            and value.bare
            and value.long is None
            and value.start < decoded_offset < value.end
        ):
            decoded_offset = value.start
        return self.raw_offset(decoded_offset)

    def replacements(self, start: int, end: int, placeholder: str) -> tuple[Replacement, ...]:
        """Changes of the raw text that put the placeholder in place of decoded characters [start, end).

        Inside a string the placeholder stands escaped; a bare value becomes a string as a whole; a range over
        several values changes each of them; structure (brackets, commas, keys' quotes) is never touched.
        """
        inner = json.dumps(placeholder)[1:-1]
        out: list[Replacement] = []
        index = max(0, bisect_right(self._starts, start) - 1)
        while index < len(self._values) and self._values[index].start < end:
            value = self._values[index]
            index += 1
            value_end = self.length if value.end < 0 else value.end
            first, last = max(start, value.start), min(end, value_end)
            if first >= last:
                continue
            text = inner
            if value.bare and value.long is None:
                first, last, text = value.start, value_end, f'"{inner}"'
            elif value.long is not None:
                text = _masked("".join(value.long)[first - value.start : last - value.start], inner)
            out.append(Replacement(self.raw_offset(first), self.raw_offset(last), text))
        return tuple(out)

    def _value_at(self, offset: int) -> _Value | None:
        index = bisect_right(self._starts, offset) - 1
        return self._values[index] if index >= 0 else None

    def _read(self, text: str, *, final: bool) -> str:
        out: list[str] = []
        at, size = 0, len(text)
        self._held = ""
        while at < size:
            if self._inside:
                found = _PLAIN.match(text, at)
                if found is not None:
                    at = self._take(found.group(), out, at)
                elif text[at] == '"':
                    self._inside = False
                    self._values[-1].end = self.length
                    at = self._take('"', out, at)
                else:
                    width = self._escape(text, at, out, final=final)
                    if width == 0:
                        self._held = text[at:]
                        break
                    at += width
                continue
            found = _SCALAR.match(text, at)
            if found is not None:
                if found.end() == size and not final and not self._begins_long(found.group()):
                    self._held = text[at:]
                    break
                at = self._bare(found.group(), out, at, ended=found.end() < size or final)
                continue
            self._long = False
            if text[at] == '"':
                at = self._take('"', out, at)
                self._inside = True
                self._open(bare=False)
            else:
                found = _STRUCTURE.match(text, at)
                at = self._take(found.group() if found else text[at], out, at)
        return "".join(out)

    def _take(self, text: str, out: list[str], at: int) -> int:
        out.append(text)
        self.length += len(text)
        return at + len(text)

    def _open(self, *, bare: bool) -> _Value:
        value = _Value(self.length, -1, bare)
        self._values.append(value)
        self._starts.append(value.start)
        return value

    def _begins_long(self, text: str) -> bool:
        return self._long or len(text) > SCALAR_CHARS_MAX

    def _bare(self, text: str, out: list[str], at: int, *, ended: bool) -> int:
        value = self._values[-1] if self._long else self._open(bare=True)
        if self._begins_long(text):
            self._long = True
            if value.long is None:
                value.long = []
            value.long.append(text)
        at = self._take(text, out, at)
        value.end = self.length
        if ended:
            self._long = False
        return at

    def _escape(self, text: str, at: int, out: list[str], *, final: bool) -> int:
        """Decode the escape at `at`; returns its raw length, 0 where more characters are needed."""
        mark = text[at + 1 : at + 2]
        if not mark:
            return self._emit("\\", 1, out) if final else 0
        if mark != "u":
            return self._emit(_SIMPLE.get(mark, mark), 2, out)
        digits = text[at + 2 : at + 6]
        if _HEX4.fullmatch(digits) is None:
            needs_more = len(digits) < 4 and _HEX4.match(digits + "0000") is not None
            return 0 if needs_more and not final else self._emit("u", 2, out)
        code = int(digits, 16)
        if 0xD800 <= code < 0xDC00:
            rest = text[at + 6 : at + 12]
            if _LOW_SURROGATE.match(rest):
                low = int(rest[2:6], 16)
                return self._emit(chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), 12, out)
            if not final and len(rest) < 6 and _LOW_SURROGATE_BEGUN.fullmatch(rest):
                return 0
        return self._emit(chr(code), 6, out)

    def _emit(self, character: str, width: int, out: list[str]) -> int:
        out.append(character)
        self.length += 1
        if width > 1:
            self._delta_at.append(self.length)
            self._deltas.append((self._deltas[-1] if self._deltas else 0) + width - 1)
        return width


def _masked(text: str, inner: str) -> str:
    """What stands for part of a bare value that is partly released: nines, so that a number stays one."""
    if _NUMBER_PART.fullmatch(text):
        return re.sub(r"[0-9]", "9", text)
    return f'"{inner}"'
