"""Whole records to files, the newest first, with a manifest beside them, to check them and to go on with them.

What is exported grows page by page; whenever some of it is whole and on disk, the manifest says how far it goes,
the SHA-256 of what is there, and where the search stands. An export that was cut off goes on from there. How
records are written is a form's own: JSON lines in export_forms.py, Parquet in export_parquet.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from proxy import jsonio
from proxy.log.export_forms import CannotExport, Form, Lines, manifest_path, write_all
from proxy.log.port import Search
from proxy.log.query import LogReader, Whole
from proxy.model.record import Json

FORMAT: Final = 1
JSONL: Final = "jsonl"
PARQUET: Final = "parquet"
FORMS: Final = (JSONL, PARQUET)


class Export:
    """One export. Made by `begin` or `resume`; the methods raise OSError for the disk."""

    def __init__(self, out: Path, search: Search, form: Form, manifest: dict[str, Json]) -> None:
        self._out = out
        self._search = search
        self._form = form
        self._manifest = manifest

    @classmethod
    def begin(cls, out: Path, search: Search, form: str = JSONL) -> Export:
        """A new one, for its owner alone. Raises CannotExport where it exists, or the form's package does not."""
        try:
            writer = _parts_begun(out) if form == PARQUET else Lines.begin(out)
        except FileExistsError:
            raise CannotExport(f"{out} exists; name a new file, or go on with it by --resume") from None
        manifest: dict[str, Json] = {
            "format": FORMAT,
            "form": form,
            "complete": False,
            "records": 0,
            "bytes": 0,
        }
        export = cls(out, search, writer, manifest | {"search": _stated(search)})
        export._keep()
        return export

    @classmethod
    def resume(cls, out: Path) -> Export:
        """Go on with one that is not complete, by the conditions it was begun with. Raises CannotExport."""
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
        asked, form = manifest.get("search"), manifest.get("form", JSONL)
        if not isinstance(asked, dict) or form not in FORMS:
            raise CannotExport(f"{manifest_path(out)} is no manifest")
        try:
            search = Search(**asked)
        except TypeError:
            raise CannotExport(
                f"{manifest_path(out)} has conditions that this version does not know"
            ) from None
        try:
            writer = _parts_resumed(out, manifest) if form == PARQUET else Lines.resume(out, manifest)
        except FileNotFoundError as error:
            raise CannotExport(f"{error.filename} is gone: begin anew, with another --out") from None
        return cls(out, search, writer, manifest)

    @property
    def records(self) -> int:
        """How many the manifest vouches for."""
        records = self._manifest["records"]
        assert isinstance(records, int)
        return records

    def pages(self, reader: LogReader) -> Iterator[int]:
        """Write page after page, to the last; tells after each how many records the manifest vouches for. Raises
        ValueError for a search that makes no sense, Damaged, sqlite3.Error."""
        count = self.records
        manifest = self._manifest
        newest, oldest = manifest.get("newest"), manifest.get("oldest")
        for page in reader.whole_pages(self._search):
            self._form.put(page.records)
            count += len(page.records)
            if page.records:
                newest = newest or _named(page.records[0])
                oldest = _named(page.records[-1])
            last = page.next is None
            if (settled := self._form.settle(last=last)) is not None:
                stand = _stated(replace(self._search, cursor=page.next))
                manifest.update(settled, records=count, complete=last, search=stand)
                if newest is not None:
                    manifest.update(newest=newest, oldest=oldest)
                self._keep()
            yield self.records

    def close(self) -> None:
        self._form.close()

    def _keep(self) -> None:
        path = manifest_path(self._out)
        aside = path.with_name(f"{path.name}.new")
        file = os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            write_all(file, jsonio.dumps(self._manifest) + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
        os.replace(aside, path)


def _parts_begun(out: Path) -> Form:
    _need_parquet()
    from proxy.log.export_parquet import Parts

    return Parts.begin(out)


def _parts_resumed(out: Path, manifest: Mapping[str, Json]) -> Form:
    _need_parquet()
    from proxy.log.export_parquet import Parts

    return Parts.resume(out, manifest)


def _need_parquet() -> None:
    try:
        import pyarrow.parquet  # noqa: F401  (late: it is an extra, and slow to load)
    except ImportError:
        raise CannotExport(
            "an export as Parquet needs the package `pyarrow`: make install-parquet, or "
            "pip install 'guardrail-proxy[parquet]'"
        ) from None


def _named(whole: Whole) -> dict[str, Json]:
    return {key: whole.record[key] for key in ("id", "started_at", "hash")}


def _stated(search: Search) -> dict[str, Json]:
    return {key: value for key, value in asdict(search).items() if value is not None}
