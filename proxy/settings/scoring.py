"""The settings `scoring:`, checked against what this machine has."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from proxy.model.text import Path as At
from proxy.settings.file import ScoringFile
from proxy.settings.values import Scoring, Toxicity

EXPORTED: Final = Path("models") / "detoxify"
"""Where in the data folder an exported model is looked for."""

MANIFEST: Final = "manifest.json"
"""The file by which an exported model's folder is known."""


def installed(package: str) -> bool:
    """Whether a package can be imported; it is not."""
    try:
        return find_spec(package) is not None
    except ImportError:  # whoever keeps packages out of a process may say so by raising
        return False


def missing_packages(checkpoint: Path) -> tuple[str, ...]:
    """What is to be installed to run a toxicity model: an exported folder, or a checkpoint file."""
    needed = ("onnxruntime", "tokenizers") if checkpoint.is_dir() else ("torch", "detoxify")
    return tuple(name for name in needed if not installed(name))


def resolve_scoring(
    file: ScoringFile, folder: Path, data_dir: Path, fault: Callable[[At, str], None]
) -> Scoring:
    """The values; what is named and not there is a fault. Relative paths are relative to `folder`."""
    toxicity = file.toxicity
    checkpoint = None if toxicity.checkpoint is None else folder / toxicity.checkpoint
    at: At = ("scoring", "toxicity", "engine" if checkpoint is None else "checkpoint")
    if checkpoint is not None and toxicity.engine == "lexical":
        fault(at, "the lexical engine reads no checkpoint: use auto or detoxify")
    elif checkpoint is not None and not (checkpoint.is_file() or (checkpoint / MANIFEST).is_file()):
        fault(at, f"`{checkpoint}` is neither a checkpoint file nor an exported model's folder")
    elif toxicity.engine == "detoxify":
        model = checkpoint or data_dir / EXPORTED
        if checkpoint is None and not (model / MANIFEST).is_file():
            fault(at, f"there is no exported model in `{model}`: name a `checkpoint`, or export one there")
        elif missing := missing_packages(model):
            extra = "`detoxify`" if model.is_file() else "`detoxify-run`"
            fault(at, f"{' and '.join(missing)} must be installed: the extra {extra}")
    return Scoring(file.workers, file.deadline_s, Toxicity(toxicity.engine, checkpoint))
