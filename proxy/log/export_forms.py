"""How an export's records are written: what every form has to do, and JSON lines."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from proxy.errors import GuardrailError
from proxy.log.query import Whole
from proxy.model.record import Json

_READ_BYTES: Final = 1024 * 1024


class CannotExport(GuardrailError):
    """The file or its manifest is in the way, or is not what it should be."""


class Form(Protocol):
    """How records are written. Methods raise OSError for the disk."""

    def put(self, records: Sequence[Whole]) -> None:
        """Take more records; they need not be on disk afterwards."""
        ...

    def settle(self, *, last: bool) -> Mapping[str, Json] | None:
        """What the manifest shall say of the bytes, once all that was put is on disk; None to put that off, which
        is not allowed where those were the `last`."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


def manifest_path(out: Path) -> Path:
    return out.with_name(f"{out.name}.manifest.json")


class Lines:
    """One file with a JSON record a line. See `Form`."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    @classmethod
    def begin(cls, out: Path) -> Lines:
        """Raises FileExistsError."""
        return cls(os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))

    @classmethod
    def resume(cls, out: Path, manifest: Mapping[str, Json]) -> Lines:
        """Check what is there, and cut off what came behind the last page that the manifest knows. Raises
        CannotExport."""
        size = manifest.get("bytes")
        if not isinstance(size, int):
            raise CannotExport(f"{manifest_path(out)} is no manifest")
        lines = cls(os.open(out, os.O_RDWR | os.O_CLOEXEC))
        try:
            left = hash_file(lines._file, size, lines._hash)
            if left or (size and lines._hash.hexdigest() != manifest.get("sha256")):
                raise CannotExport(f"{out} is not what its manifest says: it was changed")
            os.ftruncate(lines._file, size)
        except BaseException:
            lines.close()
            raise
        return lines

    def put(self, records: Sequence[Whole]) -> None:
        text = b"".join(whole.text + b"\n" for whole in records)
        write_all(self._file, text)
        self._hash.update(text)

    def settle(self, *, last: bool) -> Mapping[str, Json]:
        del last
        os.fsync(self._file)
        return {"bytes": os.lseek(self._file, 0, os.SEEK_CUR), "sha256": self._hash.hexdigest()}

    def close(self) -> None:
        os.close(self._file)


def hash_file(file: int, size: int, into: hashlib._Hash) -> int:
    """Read so many bytes of an open file into a hash; returns how many there were too few."""
    while size and (piece := os.read(file, min(size, _READ_BYTES))):
        into.update(piece)
        size -= len(piece)
    return size


def write_all(file: int, text: bytes) -> None:
    """Write to an open file until nothing is left."""
    view = memoryview(text)
    while view:
        view = view[os.write(file, view) :]
