"""`log export --format parquet`: the records of the JSON lines, by columns, in files that can be gone on with."""

from __future__ import annotations

import hashlib
import stat
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from proxy import jsonio
from proxy.commands.log import app_log
from proxy.log import export_parquet, query
from proxy.log.export import PARQUET, Export
from proxy.log.export_forms import CannotExport, manifest_path
from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.schema import FILE_NAME
from proxy.log.store import Store
from proxy.model.level import Outcome
from proxy.model.record import Begun, Finished, Json
from tests.log.make import T0, begun, finding, finished

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

COUNT = 10
ODD: dict[str, Json] = {"model": "m", "messages": [{"role": "user", "content": "half \ud800 a pair"}]}


def written(folder: Path, *entries: Begun | Finished) -> Path:
    store = Store(folder / FILE_NAME, lambda: T0)
    store.write(list(entries))
    store.release()
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    ends = [begun(number, user="ann" if number % 2 else "bob") for number in range(COUNT)]
    return written(tmp_path, *ends, *map(finished, range(COUNT)))


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(app_log, ["export", *words, "--data-dir", str(data)])


def rows_of(out: Path) -> list[dict[str, Json]]:
    rows: list[dict[str, Json]] = pq.read_table(out).to_pylist()
    return rows


def manifest_of(out: Path) -> dict[str, Json]:
    manifest = jsonio.loads(manifest_path(out).read_bytes())
    assert isinstance(manifest, dict)
    return manifest


def vouched(out: Path) -> dict[str, int]:
    """Every file of an export with its rows, once each is what the manifest says and nothing else is there."""
    manifest = manifest_of(out)
    files = manifest["files"]
    assert isinstance(files, list)
    for file in files:
        raw = (out / file["name"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(raw), hashlib.sha256(raw).hexdigest())
        assert file["records"] == pq.read_metadata(out / file["name"]).num_rows
    assert {path.name for path in out.iterdir()} == {file["name"] for file in files}
    assert manifest["bytes"] == sum(file["bytes"] for file in files)
    assert manifest["records"] == sum(file["records"] for file in files)
    return {file["name"]: file["records"] for file in files}


def test_both_forms_hold_the_same_records(data: Path) -> None:
    written(
        data,
        begun(20, body=ODD),
        finished(20, received=[{"index": 0, "text": "one", "tool_calls": []}]),
        begun(21),
    )
    lines, out = data / "out.jsonl", data / "out"
    assert run(data, "--out", str(lines)).exit_code == 0
    result = run(data, "--out", str(out), "--format", "parquet")
    assert (result.exit_code, result.stderr) == (0, f"{COUNT + 2} records written to {out}\n")
    assert [row["record"] for row in rows_of(out)] == lines.read_text().splitlines()
    assert vouched(out) == {"part-00001.parquet": COUNT + 2}
    said = manifest_of(out)
    assert {key: said[key] for key in ("newest", "oldest", "search", "complete")} == {
        key: manifest_of(lines)[key] for key in ("newest", "oldest", "search", "complete")
    }
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert stat.S_IMODE((out / "part-00001.parquet").stat().st_mode) == 0o600


def test_columns_say_what_the_record_says(tmp_path: Path) -> None:
    end = finished(
        1, outcome=Outcome.REDACTED, received="mail ann@example.com", delivered="mail <EMAIL_ADDRESS>",
        findings=(finding(),), scores={"toxicity": 0.25, "insult": 0.5}, error="late",
    )  # fmt: skip
    written(tmp_path, begun(1), replace(end, unscanned={"image": 7}))
    out = tmp_path / "out"
    assert run(tmp_path, "--out", str(out), "--format", "parquet").exit_code == 0
    (row,) = rows_of(out)
    started = datetime.fromtimestamp(T0 + 1, UTC)
    record = jsonio.loads(str(row["record"]).encode())
    assert isinstance(record, dict)
    assert row == {
        "id": f"{1:032x}", "started_at": started, "finished_at": started + timedelta(seconds=0.5),
        "api": "openai", "path": "/v1/chat/completions", "stream": False, "app": "shop",
        "subject_key": "shop", "subject_user": "ann", "subject_ip": "10.0.0.7", "subject_region": "DE",
        "model_requested": "support-bot", "model_version": "v2", "model_sent": "gpt-test-2",
        "model_served": "gpt-test-2-0101", "model_fingerprint": "fp_1", "backend": "main", "level": "guarded",
        "policy": "d1" * 32, "outcome": "redacted", "error": "late", "finish_reason": "stop",
        "input_tokens": 3, "output_tokens": 2, "latency_total_ms": 12.5, "latency_backend_first_byte_ms": 8.0,
        "latency_first_byte_ms": 9.0, "latency_guard_ms": 0.75,
        "scores": [("toxicity", 0.25), ("insult", 0.5)], "unscanned": [("image", 7)],
        "findings": [{
            "rule": "pii-in-replies", "detector": "pii", "label": "EMAIL_ADDRESS", "score": 1.0, "action": "redact",
            "mode": "enforce", "direction": "output", "field": "choices[0].message.content", "start": 5, "end": 9,
        }],
        "body_bytes": 64, "prompt": "hello 1", "received": "mail ann@example.com",
        "delivered": "mail <EMAIL_ADDRESS>", "hash": record["hash"], "previous_hash": record["previous_hash"],
        "record": row["record"],
    }  # fmt: skip
    assert pq.read_schema(out / "part-00001.parquet").field("started_at").type == pa.timestamp("us", tz="UTC")


def test_what_a_backend_may_say_fits_the_columns(tmp_path: Path) -> None:
    """Texts that are no UTF-8, counts that are none, replies of several choices, and an exchange under way."""
    usages: list[Json] = [{"input_tokens": 1 << 70, "output_tokens": 4}, {"prompt_tokens": True}, {}, "many"]
    several: list[Json] = [{"index": 0, "text": "one"}, {"index": 1, "text": "", "refusal": "no"}]
    for number, usage in enumerate(usages):
        end = finished(
            number, received=several if number == 0 else "half \ud800", delivered="" if number == 1 else None
        )
        written(tmp_path, begun(number, body=ODD), replace(end, usage=usage))
    written(tmp_path, begun(9, body="a\ud800"))
    out = tmp_path / "out"
    assert run(tmp_path, "--out", str(out), "--format", "parquet").exit_code == 0
    under_way, *_, second, first = rows_of(out)
    assert (first["input_tokens"], first["output_tokens"]) == (None, 4)
    assert (first["received"], first["delivered"], first["prompt"]) == (
        "one\n\nno",
        "one\n\nno",
        "half ? a pair",
    )
    assert (second["input_tokens"], second["received"], second["delivered"]) == (None, "half ?", "")
    assert (under_way["outcome"], under_way["finished_at"], under_way["prompt"]) == (None, None, "a?")
    assert '"half \\ud800 a pair"' in str(first["record"])


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_an_export_that_was_killed_goes_on_and_is_the_same(
    data: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_parquet, "GROUP_BYTES", 1)
    monkeypatch.setattr(export_parquet, "FILE_BYTES", 4000)  # two pages
    whole, out = data / "whole", data / "out"
    with LogReader(data / FILE_NAME) as reader:
        assert [*Export.begin(whole, Search(limit=3), PARQUET).pages(reader)] == [0, 6, 6, 10]
        # What a kill leaves: nothing is closed.
        list(islice(Export.begin(out, Search(limit=3), PARQUET).pages(reader), count))
    known = manifest_of(out)
    assert known["complete"] is False
    after = out / f"part-{len(known.get('files', [])) + 1:05d}.parquet"  # type: ignore[arg-type]
    after.write_bytes(b"whole, but the manifest was not written any more")
    if count > 1:
        written(data, begun(50), finished(50))  # newer than what the export begins with
    result = run(data, "--out", str(out), "--resume")
    assert (result.exit_code, result.stderr) == (0, f"{COUNT} records written to {out}\n")
    vouched(out)
    assert rows_of(out) == rows_of(whole)
    again = run(data, "--out", str(out), "--resume")
    assert isinstance(again.exception, CannotExport)


def test_what_was_changed_meanwhile_is_not_gone_on_with(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_parquet, "FILE_BYTES", 1)
    out = data / "out"
    export = Export.begin(out, Search(limit=3), PARQUET)
    with LogReader(data / FILE_NAME) as reader:
        list(islice(export.pages(reader), 2))
    export.close()
    first = out / "part-00001.parquet"
    raw = bytearray(first.read_bytes())
    raw[100] ^= 1
    first.write_bytes(raw)
    with pytest.raises(CannotExport, match=r"part-00001\.parquet is not what the manifest says"):
        Export.resume(out)
    first.unlink()
    with pytest.raises(CannotExport, match=r"part-00001\.parquet is gone"):
        Export.resume(out)


def test_an_export_of_nothing_is_a_table_without_rows(data: Path) -> None:
    out = data / "out"
    assert run(data, "--out", str(out), "--format", "parquet", "--app", "nobody").exit_code == 0
    assert rows_of(out) == []
    assert vouched(out) == {"part-00001.parquet": 0}


def test_memory_is_bounded_by_pages_of_bytes(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page ends with the bytes that it may hold; the next begins behind it, and none comes twice."""
    monkeypatch.setattr(query, "WHOLE_BYTES_MAX", 2000)
    with LogReader(data / FILE_NAME) as reader:
        pages = list(reader.whole_pages(Search(limit=100)))
        assert max(len(page.records) for page in pages) == 2
        ids = [whole.record["id"] for page in pages for whole in page.records]
        assert ids == [f"{number:032x}" for number in reversed(range(COUNT))]
        for before, after in pairwise(pages):
            again = next(reader.whole_pages(Search(limit=100, cursor=before.next)))
            assert [whole.record for whole in again.records] == [whole.record for whole in after.records]


def test_wrong_uses_say_what_to_do(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = data / "out"
    for words, said in (
        (("--format", "parquet"), "takes --out FOLDER"),
        (("--format", "parquet", "--json", "--out", str(out)), "--json is --format jsonl"),
        (("--format", "parquet", "--resume", "--out", str(out)), "no format"),
        (("--format", "orc", "--out", str(out)), "'orc' is not one of"),
    ):
        result = run(data, *words)
        assert result.exit_code == 2
        assert said in " ".join(result.stderr.replace("│", " ").split())
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    result = run(data, "--format", "parquet", "--out", str(out))
    assert isinstance(result.exception, CannotExport)
    assert "make install-parquet, or pip install 'guardrail-proxy[parquet]'" in str(result.exception)
    assert not out.exists()
    assert not manifest_path(out).exists()
