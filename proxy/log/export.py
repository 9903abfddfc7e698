"""Whole records to a file, the newest first, with a manifest beside it, to check the file and to go on with it.

The file grows page by page; after each page, once that is on disk, the manifest says how far it goes, its SHA-256
up to there, and where the search stands. An export that was cut off goes on from the last whole page.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from proxy import jsonio
from proxy.errors import GuardrailError
from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.model.record import Json

FORMAT: Final = 1
_READ_BYTES: Final = 1024 * 1024


class CannotExport(GuardrailError):
    """The file or its manifest is in the way, or is not what it should be."""


def manifest_path(out: Path) -> Path:
    return out.with_name(f"{out.name}.manifest.json")


class Export:
    """One export to a file. Made by `begin` or `resume`; the methods raise OSError for the disk."""

    def __init__(self, out: Path, search: Search, file: int, manifest: dict[str, Json]) -> None:
        self._out = out
        self._search = search
        self._file = file
        self._manifest = manifest
        self._hash = hashlib.sha256()

    @classmethod
    def begin(cls, out: Path, search: Search) -> Export:
        """A new file, for its owner alone. Raises CannotExport where it exists."""
        try:
            file = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise CannotExport(f"{out} exists; name a new file, or go on with it by --resume") from None
        asked: dict[str, Json] = {key: value for key, value in asdict(search).items() if value is not None}
        return cls(
            out,
            search,
            file,
            {"format": FORMAT, "complete": False, "search": asked, "records": 0, "bytes": 0},
        )

    @classmethod
    def resume(cls, out: Path) -> Export:
        """Go on with a file that is not complete, by the conditions it was begun with. Raises CannotExport."""
        try:
            manifest = jsonio.loads(manifest_path(out).read_bytes())
        except FileNotFoundError:
            raise CannotExport(f"there is no {manifest_path(out)}: nothing to go on with") from None
        except jsonio.InvalidJson as error:
            raise CannotExport(f"{manifest_path(out)} is no manifest: {error}") from None
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise CannotExport(f"{manifest_path(out)} is no manifest of this version's")
        if manifest.get("complete"):
            raise CannotExport(f"{out} is complete")
        asked, size = manifest.get("search"), manifest.get("bytes")
        if not isinstance(asked, dict) or not isinstance(size, int):
            raise CannotExport(f"{manifest_path(out)} is no manifest")
        export = cls(out, Search(**asked), os.open(out, os.O_RDWR | os.O_CLOEXEC), manifest)
        try:
            export._take_up(size)
        except BaseException:
            export.close()
            raise
        return export

    @property
    def records(self) -> int:
        """How many are in the file."""
        records = self._manifest["records"]
        assert isinstance(records, int)
        return records

    def page(self, reader: LogReader) -> bool:
        """Write one more page; returns whether there are more. Raises ValueError for a search that makes no sense,
        Damaged, sqlite3.Error."""
        records, cursor = reader.whole_page(self._search)
        manifest = self._manifest
        text = b"".join(jsonio.dumps(record) + b"\n" for record in records)
        _write(self._file, text)
        os.fsync(self._file)
        self._hash.update(text)
        for record in records:
            one: dict[str, Json] = {key: record[key] for key in ("id", "started_at", "hash")}
            manifest.setdefault("newest", one)
            manifest["oldest"] = one
        manifest["records"] = self.records + len(records)
        manifest["bytes"] = os.lseek(self._file, 0, os.SEEK_CUR)
        manifest["sha256"] = self._hash.hexdigest()
        manifest["complete"] = cursor is None
        self._search = replace(self._search, cursor=cursor)
        asked = {key: value for key, value in asdict(self._search).items() if value is not None}
        manifest["search"] = asked
        self._keep()
        return cursor is not None

    def close(self) -> None:
        os.close(self._file)

    def _take_up(self, size: int) -> None:
        """Check what is there, and cut off what came behind the last page that the manifest knows."""
        left = size
        while left and (piece := os.read(self._file, min(left, _READ_BYTES))):
            self._hash.update(piece)
            left -= len(piece)
        if left or (size and self._hash.hexdigest() != self._manifest.get("sha256")):
            raise CannotExport(f"{self._out} is not what its manifest says: it was changed")
        os.ftruncate(self._file, size)

    def _keep(self) -> None:
        path = manifest_path(self._out)
        aside = path.with_name(f"{path.name}.new")
        file = os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            _write(file, jsonio.dumps(self._manifest) + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
        os.replace(aside, path)


def _write(file: int, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[os.write(file, view) :]
