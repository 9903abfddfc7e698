"""A Detoxify checkpoint from its file to the scorer: the real class, the real export, the real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from proxy.scoring import detoxify_engine
from proxy.scoring.export import ExportFailed, export_checkpoint, write_graph
from proxy.scoring.exported import MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE, Manifest, read_manifest
from proxy.scoring.process import Spec
from proxy.scoring.worker import Engine
from tests.scoring.checkpoint import ORIGINAL, TOKENS_MAX, UNBIASED, make_arch, make_checkpoint
from tests.scoring.support import mapped, pool
from tests.tidy import ROOT

TEXTS: Final = (
    "you are an idiot",
    "have a nice day",
    "I will find you",
    "x",
    "thanks, that was kind of them, and you have a nice day too",
    "Ünïcödé 🙂 words",
)
LONG: Final = "have a nice day " * 40 + "you are an idiot"

FP32_TOLERANCE: Final = 1e-4
INT8_TOLERANCE: Final = 0.05
"""What rounding weights to 8 bits may move a score, of 1."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `arch`, `original.ckpt`, `unbiased.ckpt`, and `exported` made of the latter."""
    folder = tmp_path_factory.mktemp("detoxify")
    arch = make_arch(folder / "arch", len(UNBIASED))
    make_checkpoint(folder / "original.ckpt", arch, ORIGINAL)
    make_checkpoint(folder / "unbiased.ckpt", arch, UNBIASED)
    export_checkpoint(folder / "unbiased.ckpt", folder / "exported")
    return folder


@pytest.fixture(scope="module")
def detoxify(made: Path) -> Any:
    return import_module("detoxify").Detoxify(checkpoint=str(made / "unbiased.ckpt"))


def scores(engine: Engine, text: str) -> dict[str, float]:
    answer = engine.score(text)
    assert {(start, end) for _, _, start, end in answer} == {(0, len(text))}
    return {label: score for label, score, _, _ in answer}


def test_an_export_is_a_graph_a_tokenizer_and_a_manifest_and_leaves_nothing_else(made: Path) -> None:
    assert {path.name for path in (made / "exported").iterdir()} == {
        MODEL_FILE,
        TOKENIZER_FILE,
        MANIFEST_FILE,
    }
    assert {path.name for path in made.iterdir()} == {"arch", "original.ckpt", "unbiased.ckpt", "exported"}
    manifest = read_manifest(made / "exported")
    assert manifest.labels == UNBIASED
    assert manifest.tokens_max == TOKENS_MAX
    assert len(manifest.source) == 64


def test_labels_get_their_common_names(made: Path, tmp_path: Path) -> None:
    manifest = export_checkpoint(made / "original.ckpt", tmp_path / "out")
    common = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
    assert manifest.labels == read_manifest(tmp_path / "out").labels == common


def test_the_graph_scores_as_torch_does(made: Path, detoxify: Any, tmp_path: Path) -> None:
    write_graph(detoxify.model, tmp_path / "fp32.onnx")
    session = import_module("onnxruntime").InferenceSession(str(tmp_path / "fp32.onnx"))
    for text in TEXTS:
        inputs = dict(detoxify.tokenizer(text, return_tensors="np"))
        names = {one.name for one in session.get_inputs()}
        (found,) = session.run(None, {name: inputs[name].astype("int64") for name in names})
        expected = list(detoxify.predict(text).values())
        assert found[0].tolist() == pytest.approx(expected, abs=FP32_TOLERANCE), text


def test_the_scorer_gives_what_detoxify_gives(made: Path, detoxify: Any) -> None:
    exported = detoxify_engine.load(str(made / "exported"), 1)
    checkpoint = detoxify_engine.load(str(made / "unbiased.ckpt"), 1)
    assert exported.labels == checkpoint.labels == UNBIASED
    spread = set()
    for text in TEXTS:
        expected = detoxify.predict(text)
        assert scores(checkpoint, text) == pytest.approx(expected, abs=1e-5), text
        assert scores(exported, text) == pytest.approx(expected, abs=INT8_TOLERANCE), text
        spread.add(round(expected["insult"], 2))
    assert len(spread) > 2, "texts differ in their scores"


def test_a_long_text_is_split_where_detoxify_cuts_it_short(made: Path, detoxify: Any) -> None:
    exported = detoxify_engine.load(str(made / "exported"), 1)
    checkpoint = detoxify_engine.load(str(made / "unbiased.ckpt"), 1)
    ids = detoxify.tokenizer(LONG)["input_ids"]
    assert len(ids) > 2 * TOKENS_MAX
    short = detoxify.predict(LONG)
    whole = scores(checkpoint, LONG)
    assert all(whole[label] >= short[label] - 1e-5 for label in UNBIASED), "the first window is one of them"
    assert any(whole[label] > short[label] + 0.01 for label in UNBIASED), "what was cut off is read"
    assert scores(exported, LONG) == pytest.approx(whole, abs=INT8_TOLERANCE)


async def test_a_process_scores_an_exported_folder_without_torch(made: Path) -> None:
    spec = Spec("detoxify", "proxy.scoring.detoxify_engine", str(made / "exported"))
    async with pool(spec) as (scorer, _):
        assert await scorer.loaded() is None
        assert scorer.model == "detoxify RobertaForSequenceClassification int8"
        assert scorer.labels == set(UNBIASED)
        answer = await scorer.ask(TEXTS[0])
        assert {one.label for one in answer} == set(UNBIASED)
        assert "torch" not in mapped(scorer.pids[0])


async def test_a_folder_that_is_not_whole_is_not_loaded(made: Path, tmp_path: Path) -> None:
    for path in (made / "exported").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / TOKENIZER_FILE).write_bytes(b"{}")
    spec = Spec("detoxify", "proxy.scoring.detoxify_engine", str(tmp_path))
    async with pool(spec) as (scorer, _):
        fault = await scorer.loaded()
    assert fault is not None
    assert "not the file that was exported" in fault


def test_nothing_is_overwritten_and_nothing_half_written(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match="is there already"):
        export_checkpoint(made / "unbiased.ckpt", made / "exported")
    (tmp_path / "bad.ckpt").write_bytes(b"no pickle")
    with pytest.raises(ExportFailed, match="cannot be loaded"):
        export_checkpoint(tmp_path / "bad.ckpt", tmp_path / "out")
    with pytest.raises(ExportFailed, match="there is no file"):
        export_checkpoint(tmp_path / "gone.ckpt", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"bad.ckpt"}


def test_a_checkpoint_that_names_a_hub_needs_the_models_folder(made: Path, tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path / "hub.ckpt", made / "arch", UNBIASED, said_arch="some/where")
    manifest: Manifest = export_checkpoint(path, tmp_path / "out", arch=made / "arch")
    assert manifest.labels == UNBIASED


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy.cli", "models", *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_fetching_without_a_network_is_a_clear_error_and_writes_nothing(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    out = tmp_path / "models" / "detoxify"
    done = command("fetch-detoxify", "unbiased", "--out", str(out), https_proxy=nowhere, HTTPS_PROXY=nowhere)
    assert done.returncode == 1, done.stderr
    assert "guardrail-proxy: the model unbiased cannot be fetched: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.rglob("*")) == [tmp_path / "models"]
    assert command("fetch-detoxify", "unheard-of").returncode == 2


def test_the_command_exports_and_says_what_it_made(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = command(
        "export-detoxify", "--checkpoint", str(made / "original.ckpt"), "--out", str(out), "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["labels"] == list(read_manifest(out).labels)
