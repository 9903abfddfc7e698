"""`log export` to a file: a manifest by which it is checked, and gone on with after it was cut off."""

from __future__ import annotations

import hashlib
import stat
from itertools import islice
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from proxy import jsonio
from proxy.commands.log import app_log
from proxy.log.export import Export
from proxy.log.export_forms import CannotExport, manifest_path
from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.schema import FILE_NAME
from proxy.log.store import Store
from proxy.model.record import Json
from tests.log.make import T0, begun, finished

COUNT = 10


@pytest.fixture
def data(tmp_path: Path) -> Path:
    store = Store(tmp_path / FILE_NAME, lambda: T0)
    for number in range(COUNT):
        store.write([begun(number, user="ann" if number % 2 else "bob"), finished(number)])
    store.release()
    return tmp_path


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(app_log, ["export", *words, "--data-dir", str(data)])


def manifest_of(out: Path) -> dict[str, Json]:
    manifest = jsonio.loads(manifest_path(out).read_bytes())
    assert isinstance(manifest, dict)
    return manifest


def pages(data: Path, out: Path, count: int, search: Search | None = None) -> None:
    """So many pages of an export, which is then cut off."""
    export = Export.begin(out, search or Search(limit=3))
    with LogReader(data / FILE_NAME) as reader:
        assert len(list(islice(export.pages(reader), count))) == count
    export.close()


def test_the_manifest_tells_what_is_in_the_file(data: Path) -> None:
    out = data / "out.jsonl"
    assert run(data, "--out", str(out), "--subject", "user:ann").exit_code == 0
    manifest = manifest_of(out)
    raw = out.read_bytes()
    records = [jsonio.loads(line) for line in raw.splitlines()]
    assert manifest["complete"] is True
    assert (manifest["records"], manifest["bytes"]) == (COUNT // 2, len(raw))
    assert manifest["sha256"] == hashlib.sha256(raw).hexdigest()
    first, last = records[0], records[-1]
    assert isinstance(first, dict)
    assert isinstance(last, dict)
    assert manifest["newest"] == {key: first[key] for key in ("id", "started_at", "hash")}
    assert manifest["oldest"] == {key: last[key] for key in ("id", "started_at", "hash")}
    assert manifest["search"] == {"subject": "user:ann", "limit": 1000}
    assert stat.S_IMODE(manifest_path(out).stat().st_mode) == 0o600


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("torn", [b"", b'{"id": "half a rec'], ids=["whole", "torn"])
def test_an_export_that_was_cut_off_goes_on_and_is_the_same(data: Path, count: int, torn: bytes) -> None:
    whole, out = data / "whole.jsonl", data / "out.jsonl"
    assert run(data, "--out", str(whole)).exit_code == 0
    pages(data, out, count)
    with out.open("ab") as file:
        file.write(torn)
    if count:
        # What came since is newer than what the export begins with.
        store = Store(data / FILE_NAME, lambda: T0)
        store.write([begun(50), finished(50)])
        store.release()
    assert manifest_of(out)["complete"] is False
    result = run(data, "--out", str(out), "--resume")
    assert (result.exit_code, result.stderr) == (0, f"{COUNT} records written to {out}\n")
    assert out.read_bytes() == whole.read_bytes()
    assert manifest_of(out)["sha256"] == manifest_of(whole)["sha256"]
    again = run(data, "--out", str(out), "--resume")
    assert isinstance(again.exception, CannotExport)
    assert "is complete" in str(again.exception)


def test_what_was_changed_meanwhile_is_not_gone_on_with(data: Path) -> None:
    out = data / "out.jsonl"
    pages(data, out, 2)
    out.write_bytes(out.read_bytes().replace(b"good day", b"good-day"))
    with pytest.raises(CannotExport, match="it was changed"):
        Export.resume(out)
    stated = jsonio.loads(manifest_path(out).read_bytes())
    assert isinstance(stated, dict)
    manifest_path(out).write_bytes(jsonio.dumps(stated | {"search": {"colour": "red"}}))
    with pytest.raises(CannotExport, match="does not know"):
        Export.resume(out)
    manifest_path(out).write_bytes(b"{")
    with pytest.raises(CannotExport, match="no manifest"):
        Export.resume(out)
    manifest_path(out).unlink()
    with pytest.raises(CannotExport, match="nothing to go on with"):
        Export.resume(out)


def test_resume_takes_no_conditions_of_its_own(data: Path) -> None:
    for words in (("--resume",), ("--resume", "--out", "x", "--app", "shop")):
        assert run(data, *words).exit_code == 2
