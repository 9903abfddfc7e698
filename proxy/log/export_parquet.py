"""An export as Parquet: a folder of files, as readers of that format take it for one table.

A Parquet file can be read only once its end is written, and cannot be gone on with. So records go to one file after
another: what the manifest vouches for are whole files, and an export that was cut off begins its last one anew. The
columns are what people ask by; `record` holds the whole record as JSON, the very text of the other form.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from proxy.log.export_columns import REPEATING, SCHEMA, row
from proxy.log.export_forms import CannotExport, hash_file, manifest_path
from proxy.log.query import Whole
from proxy.model.record import Json

FILE_BYTES: Final = 256 * 1024 * 1024
"""JSON text of a file's records, with which it ends: what is lost at most where an export is cut off."""
GROUP_BYTES: Final = 8 * 1024 * 1024
"""The same for a row group: the records that are in memory."""
_UNFINISHED: Final = ".unfinished"


class Parts:
    """Writes a folder of files. See `export_forms.Form`."""

    def __init__(self, folder: Path, files: list[Mapping[str, Json]]) -> None:
        self._folder = folder
        self._files = files
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[list[object]] = []
        self._group_left = GROUP_BYTES
        self._file_left = FILE_BYTES
        self._file_rows = 0

    @classmethod
    def begin(cls, out: Path) -> Parts:
        """Raises FileExistsError."""
        os.mkdir(out, 0o700)
        return cls(out, [])

    @classmethod
    def resume(cls, out: Path, manifest: Mapping[str, Json]) -> Parts:
        """Check what is there, and remove what the manifest does not know yet. Raises CannotExport, OSError."""
        files = manifest.get("files", [])
        if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
            raise CannotExport(f"{manifest_path(out)} is no manifest")
        for number, file in enumerate(files, 1):
            path = out / _name(number)
            if file.get("name") != path.name or _weighed(path) != (file.get("bytes"), file.get("sha256")):
                raise CannotExport(f"{path} is not what the manifest says: it was changed")
        after = out / _name(len(files) + 1)
        for path in (after, _unfinished(after)):
            path.unlink(missing_ok=True)
        return cls(out, list(files))

    def put(self, records: Sequence[Whole]) -> None:
        for whole in records:
            self._rows.append(row(whole))
            self._group_left -= len(whole.text)
            self._file_left -= len(whole.text)
            if self._group_left <= 0:
                self._flush()

    def settle(self, *, last: bool) -> Mapping[str, Json] | None:
        if last or self._file_left <= 0:
            self._flush()
            # An export of nothing is a table without rows.
            if self._writer is not None or not self._files:
                self._end(self._open())
        elif self._rows or self._writer is not None:
            return None
        total = sum(size for file in self._files if isinstance(size := file["bytes"], int))
        return {"bytes": total, "files": list(self._files)}

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._sink.close()
            self._writer = None

    @property
    def _path(self) -> Path:
        """Of the file that is being written."""
        return self._folder / _name(len(self._files) + 1)

    def _open(self) -> pq.ParquetWriter:
        if self._writer is None:
            how = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            self._sink = os.fdopen(os.open(_unfinished(self._path), how, 0o600), "wb")
            self._writer = pq.ParquetWriter(
                self._sink, SCHEMA, compression="zstd", use_dictionary=REPEATING, write_statistics=REPEATING
            )
        return self._writer

    def _flush(self) -> None:
        """The rows that wait become a row group."""
        if self._rows:
            columns = [
                pa.array(values, field.type)
                for field, values in zip(SCHEMA, zip(*self._rows, strict=True), strict=True)
            ]
            self._open().write_table(pa.Table.from_arrays(columns, schema=SCHEMA))
            self._file_rows += len(self._rows)
        self._rows, self._group_left = [], GROUP_BYTES

    def _end(self, writer: pq.ParquetWriter) -> None:
        """The file is whole: on disk, and under its own name."""
        path = self._path
        writer.close()
        self._sink.flush()
        os.fsync(self._sink.fileno())
        self._sink.close()
        self._writer = None
        os.replace(_unfinished(path), path)
        _sync_folder(self._folder)
        size, digest = _weighed(path)
        self._files.append({"name": path.name, "records": self._file_rows, "bytes": size, "sha256": digest})
        self._file_rows, self._file_left = 0, FILE_BYTES


def _name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + _UNFINISHED)


def _weighed(path: Path) -> tuple[int, str]:
    """A file's size and SHA-256."""
    into = hashlib.sha256()
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(file).st_size
        hash_file(file, size, into)
    finally:
        os.close(file)
    return size, into.hexdigest()


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
