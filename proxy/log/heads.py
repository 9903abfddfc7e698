"""Heads of the chain in a file beside the store, so that records cut off the store's end show.

The file only grows, one line of fixed width for each head: place in the chain, when in Unix milliseconds, the
record's hash, and a check that is keyed with the store's key and runs over all lines before. Each line is on
disk before the next one is written. A last line that a crash cut short is taken away at the next
start; anything else that does not fit is for `verify` to tell.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, Self

from proxy.log.digest import HASH_BYTES

FILE_NAME: Final = "log.heads"
"""Its name, beside the store."""
HEAD_RECORDS: Final = 4096
HEAD_S: Final = 10.0
"""A head is written after so many records, or this long after the last one where there are new records."""
_CHECK_BYTES: Final = 8
_LINE: Final = re.compile(rb"([0-9]{12}) ([0-9]{13}) ([0-9a-f]{64}) ([0-9a-f]{16})\n")
_LINE_BYTES: Final = 12 + 1 + 13 + 1 + 2 * HASH_BYTES + 1 + 2 * _CHECK_BYTES + 1
_READ_LINES: Final = 512


@dataclass(frozen=True, slots=True)
class Head:
    """The hash of the record at `link` of the chain, as it was at `at_ms`."""

    link: int
    at_ms: int
    hash: bytes


class HeadsChanged(Exception):
    """A line does not fit the lines before it, or not this store."""


def heads_path(store: Path) -> Path:
    return store.with_name(FILE_NAME)


def last_head(path: Path) -> Head | None:
    """The last whole line of the file at `path`, unchecked. Raises OSError."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return _read_last(file)[0]
    finally:
        os.close(file)


def append_head(path: Path, store_key: bytes, head: Head) -> None:
    """Add a line; it is on disk when this returns. The store's one writer calls this. Raises OSError."""
    new = not path.exists()
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        _, before, size = _read_last(file)
        if size != os.fstat(file).st_size:
            os.ftruncate(file, size)
        text = b"%012d %013d %s" % (head.link, head.at_ms, head.hash.hex().encode())
        line = b"%s %s\n" % (text, _check(store_key, before, text).hex().encode())
        if os.write(file, line) != len(line):
            os.ftruncate(file, size)
            raise OSError(errno.ENOSPC, "the disk took only a part of a line")
        os.fsync(file)
    finally:
        os.close(file)
    if new:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read_last(file: int) -> tuple[Head | None, bytes, int]:
    """The last whole line, its check, and where whole lines end."""
    size = os.fstat(file).st_size
    size -= size % _LINE_BYTES
    match = _LINE.fullmatch(os.pread(file, _LINE_BYTES, size - _LINE_BYTES)) if size else None
    if match is None:
        return None, bytes(_CHECK_BYTES), size
    return _head(match), bytes.fromhex(match[4].decode()), size


def _head(match: re.Match[bytes]) -> Head:
    return Head(int(match[1]), int(match[2]), bytes.fromhex(match[3].decode()))


class HeadsReader:
    """The heads that were in the file when this was made, in their order."""

    def __init__(self, file: int, size: int) -> None:
        self._file = file
        self.count = size // _LINE_BYTES

    @classmethod
    def open(cls, store: Path) -> Self | None:
        """None where no head was ever written. Raises OSError."""
        try:
            file = os.open(heads_path(store), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        return cls(file, os.fstat(file).st_size)

    def heads(self, store_key: bytes) -> Iterator[Head]:
        """Raises HeadsChanged at the first line that does not fit, OSError."""
        check, last = bytes(_CHECK_BYTES), 0
        for number in range(0, self.count, _READ_LINES):
            lines = min(_READ_LINES, self.count - number)
            text = os.pread(self._file, lines * _LINE_BYTES, number * _LINE_BYTES)
            for at in range(0, len(text), _LINE_BYTES):
                line = text[at : at + _LINE_BYTES]
                match = _LINE.fullmatch(line)
                check = _check(store_key, check, line[: -2 * _CHECK_BYTES - 2])
                if match is None or match[4] != check.hex().encode() or int(match[1]) < last:
                    raise HeadsChanged(f"line {number + at // _LINE_BYTES + 1} of {FILE_NAME} does not fit")
                last = int(match[1])
                yield _head(match)

    def close(self) -> None:
        os.close(self._file)


def _check(store_key: bytes, before: bytes, text: bytes) -> bytes:
    return blake2b(before + text, digest_size=_CHECK_BYTES, key=store_key, person=b"guardrail.heads").digest()
