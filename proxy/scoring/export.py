"""A Detoxify model made into the files that the scorer loads: an int8 ONNX graph, a tokenizer, a manifest.

For a command, not for the proxy: it imports torch. A checkpoint is a pickle, and opening it runs what it holds.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from proxy.errors import GuardrailError
from proxy.scoring.detoxify_engine import max_tokens
from proxy.scoring.exported import MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE, Manifest, digest
from proxy.settings.scoring import installed

NEEDED: Final = ("torch", "transformers", "detoxify", "onnx", "onnxruntime", "tokenizers")

OPSET: Final = 17
"""The ONNX operators' version; every ONNX Runtime since 1.13 knows it."""

PUBLISHED: Final = ("original", "unbiased", "multilingual", "original-small", "unbiased-small")
"""Detoxify's own names of its published models."""


class ExportFailed(GuardrailError):
    """A checkpoint cannot be exported; nothing was written."""


def export_checkpoint(checkpoint: Path, out: Path, arch: Path | None = None) -> Manifest:
    """Export a checkpoint file. `arch` is a folder with the configuration and tokenizer of the model that it was
    trained from, where the checkpoint names that by a hub's name. Raises ExportFailed; opens no connection."""
    if not checkpoint.is_file():
        raise ExportFailed(f"there is no file {checkpoint}")
    with _written(out) as part, TemporaryDirectory(dir=part.parent, prefix=f".{out.name}.") as scratch:
        os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        source = checkpoint
        with _told(f"{checkpoint} cannot be loaded"):
            if arch is not None:
                torch = import_module("torch")
                loaded = torch.load(checkpoint, map_location="cpu", weights_only=False)
                loaded["config"]["arch"]["args"]["model_type"] = str(arch.absolute())
                source = Path(scratch) / "checkpoint"
                torch.save(loaded, source)
            detoxify = import_module("detoxify").Detoxify(checkpoint=str(source))
        return _export(detoxify, digest(checkpoint), part)


def export_published(name: str, out: Path) -> Manifest:
    """Fetch a published model as Detoxify itself does, over the network, and export it. Raises ExportFailed."""
    with _written(out) as part, TemporaryDirectory(dir=part.parent, prefix=f".{out.name}.") as scratch:
        # Read when the libraries are imported: what they fetch, or half of it, goes with the scratch folder.
        os.environ |= {"TORCH_HOME": scratch, "HF_HOME": scratch, "HF_HUB_DISABLE_TELEMETRY": "1"}
        with _told(f"the model {name} cannot be fetched"):
            detoxify = import_module("detoxify").Detoxify(name)
            (fetched,) = Path(scratch).glob("hub/checkpoints/*.ckpt")
        return _export(detoxify, digest(fetched), part)


@contextmanager
def _written(out: Path) -> Iterator[Path]:
    """A folder beside `out` that becomes it at the end of the block, whole or not at all."""
    missing = [name for name in NEEDED if not installed(name)]
    if missing:
        raise ExportFailed(f"{', '.join(missing)} must be installed: the extra `detoxify`")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportFailed(f"{out} is there already: remove it, or name another folder")
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        for path in part.iterdir():
            with open(path, "rb") as handle:
                os.fsync(handle.fileno())
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Libraries raise whatever they like; their words are the reason that the operator reads."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except Exception as error:  # a pickle, a hub, a file: whatever it was, the command failed
        reason = " ".join(str(error).split())[:500]
        raise ExportFailed(f"{what}: {type(error).__name__}: {reason}") from error


def _export(detoxify: object, source: str, part: Path) -> Manifest:
    model, tokenizer = vars(detoxify)["model"], vars(detoxify)["tokenizer"]
    with (
        _told("the model cannot be exported"),
        TemporaryDirectory(dir=part.parent, prefix=".onnx.") as scratch,
    ):
        plain = Path(scratch) / "model.onnx"
        write_graph(model, plain)
        quantization = import_module("onnxruntime.quantization")
        quantization.quantize_dynamic(
            str(plain), str(part / MODEL_FILE), weight_type=quantization.QuantType.QInt8
        )
        tokenizer.backend_tokenizer.save(str(part / TOKENIZER_FILE))
    manifest = Manifest(
        labels=tuple(vars(detoxify)["class_names"]),
        tokens_max=max_tokens(detoxify),
        model=type(model).__name__,
        source=source,
        files={name: digest(part / name) for name in (MODEL_FILE, TOKENIZER_FILE)},
    )
    (part / MANIFEST_FILE).write_bytes(manifest.to_json())
    return manifest


def write_graph(model: Any, path: Path) -> None:
    """The model as an fp32 ONNX graph: token ids and their mask in, both (batch, tokens); a score for each label
    out, (batch, labels)."""
    torch = import_module("torch")
    ids = torch.tensor([[0, 5, 6, 2]])
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # that this exporter is the older one: the newer needs two packages more
        torch.onnx.export(
            _scoring(torch, model.eval()),
            (ids, torch.ones_like(ids)),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["scores"],
            dynamic_axes={
                "input_ids": {0: "batch", 1: "tokens"},
                "attention_mask": {0: "batch", 1: "tokens"},
                "scores": {0: "batch"},
            },
            opset_version=OPSET,
            dynamo=False,
        )


def _scoring(torch: Any, model: Any) -> Any:
    """The model with its scores, from 0 to 1, in place of what goes into the sigmoid."""

    def forward(self: Any, input_ids: Any, attention_mask: Any) -> Any:
        return torch.sigmoid(self.model(input_ids=input_ids, attention_mask=attention_mask)[0])

    scoring: Any = type("Scoring", (torch.nn.Module,), {"forward": forward})()
    scoring.model = model
    return scoring
