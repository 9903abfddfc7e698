"""A Detoxify model as the proxy keeps it: a folder with the int8 ONNX graph, the tokenizer and a manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

MODEL_FILE: Final = "model.int8.onnx"
TOKENIZER_FILE: Final = "tokenizer.json"
MANIFEST_FILE: Final = "manifest.json"
FORMAT: Final = 1

MANIFEST_BYTES_MAX: Final = 65_536


class BadExport(Exception):
    """The folder holds no exported model, or not the whole of it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export is: `labels` in the order of the graph's output, `files` with their SHA-256 in hex."""

    labels: tuple[str, ...]
    tokens_max: int
    model: str
    source: str  # SHA-256 of the checkpoint that it was made from
    files: Mapping[str, str]

    def to_json(self) -> bytes:
        return orjson.dumps(
            {
                "format": FORMAT,
                "labels": self.labels,
                "tokens_max": self.tokens_max,
                "model": self.model,
                "source_sha256": self.source,
                "files": dict(self.files),
            },
            option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
        )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an exported folder. Raises BadExport."""
    path = folder / MANIFEST_FILE
    try:
        with open(path, "rb") as handle:
            value = orjson.loads(handle.read(MANIFEST_BYTES_MAX))
    except OSError as error:
        raise BadExport(f"{path}: {error.strerror}") from None
    except orjson.JSONDecodeError:
        raise BadExport(f"{path}: not JSON") from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise BadExport(f"{path}: no manifest of format {FORMAT}; export the checkpoint again")
    labels, tokens_max, files = value.get("labels"), value.get("tokens_max"), value.get("files")
    if not (isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels)):
        raise BadExport(f"{path}: names no labels")
    if not isinstance(tokens_max, int) or tokens_max < 8:
        raise BadExport(f"{path}: tokens_max is no number of tokens")
    if not isinstance(files, dict) or {MODEL_FILE, TOKENIZER_FILE} - files.keys():
        raise BadExport(f"{path}: does not name {MODEL_FILE} and {TOKENIZER_FILE}")
    return Manifest(
        tuple(labels), tokens_max, str(value.get("model")), str(value.get("source_sha256")), files
    )


def verify(folder: Path, manifest: Manifest) -> None:
    """Raises BadExport where a file is not what the manifest says: a copy that broke off, say."""
    for name, expected in manifest.files.items():
        if digest(folder / name) != expected:
            raise BadExport(f"{folder / name}: not the file that was exported")


def digest(path: Path) -> str:
    """SHA-256 in hex. Raises BadExport where there is no such file."""
    try:
        with open(path, "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise BadExport(f"{path}: {error.strerror}") from None
