"""Strings that hold bytes: data URLs and base64. Those that are a text after all are read as that text.

Base64 is read as leniently as anyone reads it: either alphabet, blanks anywhere, with its padding or without. What
decodes to text is judged decoded, and encoded again where a rule changes it; bytes are media, which no rule reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from proxy.model.record import Json
from proxy.model.text import KEY, Media, Path
from proxy.wire.plain import is_base64, is_name

DATA_CHARS_MIN = 256
"""From this length on a string in base64's alphabet without a blank is taken for data, not text."""

SEALED_CHARS_MIN = 64
"""The shortest base64 that is a signature, a sound or a picture. What is shorter is judged as it stands."""

SNIFFED_CHARS = 4096
"""What begins with so much of bytes that are no text is not decoded to its end."""

ODD_SHARE_MAX = 1 / 16
"""Of a text no more may be signs that texts do not have, or no characters at all: some are thrown in to hide it."""

_DATA_URL = re.compile(r"\s*data:([^;,]*)([^,]*?)(;\s*base64\s*)?,", re.IGNORECASE)
_HEAD_DATA = re.compile(r"\s{0,16}data:", re.IGNORECASE)
_PLAIN_HEAD = re.compile(r"[\w.+/-]{0,64}(?:;\s?charset=\"?[\w-]{1,16}\"?)?", re.IGNORECASE | re.ASCII)
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")
_NOT_PLAIN = re.compile(rb"[^A-Za-z0-9._~/-]")
_CHARSET = re.compile(r";\s*charset=\"?(utf-?16(?:le|be)?|iso-8859-1|latin-?1|windows-1252)\b", re.IGNORECASE)
_MAY_HOLD_DATA = re.compile(r'"\s*data:|"[A-Za-z0-9+/_=-]{256}', re.IGNORECASE)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", re.ASCII)
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_CONTROLS = bytes((*range(9), 0x0B, *range(0x0E, 0x20), 0x7F))
_STANDARD = bytes.maketrans(b"-_", b"+/")
_BLANKS = b" \t\r\n\x0b\x0c"
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_TEXT_KEYS = frozenset(
    (
        "text", "content", "refusal", "thinking", "reasoning", "reasoning_content", "transcript", "arguments",
        "input", "code", "output", "message", "stdout", "stderr", "partial_json", "name",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Data:
    """A string that may hold bytes: a data URL, or base64."""

    value: str
    bytes: bytes | None  # None where it is neither

    def text(self) -> str | None:
        """The bytes as the text that they are; None where they are none."""
        data = self.bytes
        if not data:
            return None
        charset = _charset(self.value, data)
        text = data.decode(charset, "replace")
        if charset == "utf-8":
            controls = len(data) - len(data.translate(None, _CONTROLS))
        else:
            controls = len(_CONTROL.findall(text))
        odd = controls + text.count("\ufffd")
        return None if odd > ODD_SHARE_MAX * len(text) else text

    def media(self, field: str, type: str) -> Media:
        """What is kept of data that no text rule reads: its size and hash."""
        data = self.bytes
        if data is None:
            data = self.value.encode("utf-8", "surrogatepass")
        head = _DATA_URL.match(self.value)
        return Media(field, (head and head.group(1)) or type, len(data), hashlib.sha256(data).hexdigest())


def is_address(value: str) -> bool:
    """Whether the string only says where something is: a URL or a file's id."""
    return _ADDRESS.fullmatch(value) is not None or is_name(value)


def is_data_url(value: str) -> bool:
    return _HEAD_DATA.match(value) is not None


def may_hold_data(text: str) -> bool:
    """Whether a string within this JSON text could be data: a quick look that errs to yes."""
    return _MAY_HOLD_DATA.search(text) is not None


def data_at(path: Path, value: str) -> bool:
    """Whether the string at a path may hold bytes: a data URL, or a long run of base64 where no text stands."""
    if is_data_url(value):
        return True
    key = path[-1]
    least = SEALED_CHARS_MIN if key == "data" else DATA_CHARS_MIN
    return len(value) >= least and key not in _TEXT_KEYS and key != KEY and is_base64(value)


def said(path: Path, value: str) -> str | None:
    """What the string at a path says: the text that it holds as data, else itself. None where it holds bytes that
    are no text; where a text stands it must not go unread for that."""
    if not data_at(path, value):
        return value
    text = text_in(value)
    return value if text is None and path[-1] in _TEXT_KEYS else text


def text_in(value: str) -> str | None:
    """The text that a string holds as data, or that it is where it holds none; None for bytes that are no text."""
    if len(value) > SNIFFED_CHARS and _is_media(read_data(value[:SNIFFED_CHARS])):
        return None  # most media are told by how they begin
    data = read_data(value)
    text = data.text()
    if text is None:
        return None if _is_media(data) else value
    head = _DATA_URL.match(value)
    if head is not None and not _PLAIN_HEAD.fullmatch(head.group(1) + head.group(2)):
        return f"{head.group()}\n{text}"
    return text


def is_sealed(value: Json) -> bool:
    """Whether a value that a backend wrote for itself (a signature, encrypted content) is that and no text."""
    if not isinstance(value, str) or not value:
        return value is None or value == ""
    return len(value) >= SEALED_CHARS_MIN and is_base64(value) and text_in(value) is None


def read_data(value: str) -> Data:
    head = _DATA_URL.match(value)
    encoded = value if head is None else value[head.end() :]
    raw = encoded.encode("utf-8", "surrogatepass")
    if head is not None:
        if b"%" in raw:
            raw = _PERCENT.sub(lambda found: bytes((int(found.group(1), 16),)), raw)
        if not head.group(3):
            return Data(value, raw)
    return Data(value, _decoded(raw))


def data_of_text(text: str, like: str) -> str:
    """The text as a data URL or a base64 string in the form of the one that held it."""
    head = _DATA_URL.match(like)
    data = text.encode(_charset(like, read_data(like).bytes or b""), "replace")
    if head is None:
        return base64.b64encode(data).decode()
    if head.group(3):
        return like[: head.end()] + base64.b64encode(data).decode()
    return like[: head.end()] + _NOT_PLAIN.sub(lambda found: b"%%%02X" % found.group()[0], data).decode()


def _decoded(raw: bytes) -> bytes | None:
    packed = raw.translate(_STANDARD, _BLANKS).rstrip(b"=")
    if len(packed) % 4 == 1:
        packed = packed[:-1]
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_media(data: Data) -> bool:
    """Whether it is bytes that are no text, in base64 that says nothing as it stands."""
    if data.bytes is None or data.text() is not None:
        return False
    head = _DATA_URL.match(data.value)
    packed = data.value if head is None else data.value[head.end() :]
    return len(packed) >= SEALED_CHARS_MIN and is_base64(packed.strip().replace("\r", "").replace("\n", ""))


def _charset(value: str, data: bytes) -> str:
    for mark, charset in _MARKS:
        if data.startswith(mark):
            return charset
    head = _DATA_URL.match(value)
    found = _CHARSET.search(head.group(2)) if head is not None else None
    if found is not None:
        return found.group(1).lower()
    if len(data) >= 4 and len(data) % 2 == 0:
        for at, charset in ((1, "utf-16le"), (0, "utf-16be")):
            if not any(data[at::2]) and any(data[1 - at :: 2]):
                return charset
    return "utf-8"
