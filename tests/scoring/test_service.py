"""Which engine scores toxicity, and what rules may ask for with it; with a Detoxify model made on the spot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from proxy.errors import ConfigError
from proxy.policy.compile import compile_policy
from proxy.policy.reading import read_folder
from proxy.scoring import service
from proxy.scoring.blocking import NOBODY
from proxy.scoring.export import export_checkpoint
from proxy.scoring.exported import MANIFEST_FILE
from proxy.scoring.service import ScorerService, choose
from proxy.settings import Scoring, Toxicity
from tests.scoring.checkpoint import ORIGINAL, make_arch, make_checkpoint
from tests.tidy import ROOT

RULES: Final = """\
rules:
  - {id: threats, on: output, detect: {toxicity: {threat: 0.0001}}, action: flag}
  - {id: never, on: output, detect: {toxicity: {insult: 1.0}}, action: block}
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an exported model of six labels in its place."""
    folder = tmp_path_factory.mktemp("data")
    arch = make_arch(folder / "arch", len(ORIGINAL))
    checkpoint = make_checkpoint(folder / "tiny.ckpt", arch, ORIGINAL)
    export_checkpoint(checkpoint, folder / "models" / "detoxify")
    return folder


def test_auto_takes_detoxify_where_its_files_are_and_can_be_run(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = Scoring(toxicity=Toxicity("auto"))
    assert choose(auto, tmp_path).engine == "lexical"
    found = choose(auto, data_dir)
    assert (found.engine, found.checkpoint) == ("detoxify", data_dir / "models" / "detoxify")
    assert choose(Scoring(toxicity=Toxicity("lexical")), data_dir).engine == "lexical"
    named = choose(Scoring(toxicity=Toxicity("auto", data_dir / "tiny.ckpt")), tmp_path)
    assert (named.engine, named.checkpoint) == ("detoxify", data_dir / "tiny.ckpt")
    monkeypatch.setattr(service, "missing_packages", lambda checkpoint: ("onnxruntime",))
    without = choose(auto, data_dir)
    assert without.engine == "lexical"
    assert "onnxruntime" in without.why


def test_rules_may_ask_for_the_labels_that_the_model_scores(data_dir: Path, tmp_path: Path) -> None:
    offers = ScorerService(Scoring(), data_dir, NOBODY).offers
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    policy = compile_policy(read_folder(tmp_path), None, offers)
    assert policy.needs == {"detoxify"}
    assert policy.model is None, "the word model is not loaded for nothing"
    (tmp_path / "rules.yaml").write_text(RULES.replace("threat:", "sexual_explicit:"), "utf-8")
    with pytest.raises(
        ConfigError, match="2:51: `sexual_explicit` is not scored here: detoxify does not score it"
    ):
        compile_policy(read_folder(tmp_path), None, offers)


def test_a_manifest_that_makes_no_sense_is_a_problem(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "detoxify"
    folder.mkdir(parents=True)
    (folder / MANIFEST_FILE).write_text("{}", "utf-8")
    with pytest.raises(ConfigError, match="no manifest of format 1"):
        ScorerService(Scoring(), tmp_path, NOBODY)


def test_scan_and_check_take_the_engine_of_the_settings(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text(RULES, "utf-8")
    config = tmp_path / "proxy.yaml"
    config.write_text(
        f"data_dir: {data_dir}\nbackends: {{main: {{url: 'http://127.0.0.1:9', api: openai}}}}\n"
        "scoring: {toxicity: {engine: detoxify}}\n",
        "utf-8",
    )

    def run(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "proxy.cli", *words]
        return subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, timeout=120)

    scan = ("scan", "--rules", str(tmp_path / "rules"), "--direction", "output")
    done = run(*scan, "--config", str(config), given='{"text": "One is here. Two is there."}\n')
    assert done.returncode == 0, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert [(one["label"], one["start"], one["end"]) for one in findings] == [
        ("threat", 0, 12),
        ("threat", 13, 26),
    ]
    assert run("check", "--config", str(config)).returncode == 0
    lexical = run(*scan, given="")
    assert lexical.returncode == 1
    assert "`threat` is not scored here" in lexical.stderr
