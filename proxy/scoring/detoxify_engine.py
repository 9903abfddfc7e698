"""Toxicity by a Detoxify model. Runs in a scorer process only.

An exported folder is run by ONNX Runtime and the tokenizer's own library, without torch; a checkpoint (a
pickle: only one that the operator named) by Detoxify itself. Both split a text of more tokens than the model
takes into windows that overlap, and keep each label's maximum; Detoxify alone would cut the text short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from proxy.scoring.exported import MODEL_FILE, TOKENIZER_FILE, read_manifest, verify
from proxy.scoring.worker import Engine, Scores

OVERLAP_TOKENS: Final = 32
"""What two windows of a long text share."""


def load(source: str, threads: int) -> Engine:
    """The engine over an exported folder or a checkpoint file."""
    path = Path(source)
    return _exported(path, threads) if path.is_dir() else _checkpoint(path, threads)


def overlap(tokens_max: int) -> int:
    """The overlap for a model that takes so many tokens."""
    return min(OVERLAP_TOKENS, tokens_max // 4)


def _exported(folder: Path, threads: int) -> Engine:
    manifest = read_manifest(folder)
    verify(folder, manifest)
    runtime = import_module("onnxruntime")
    numpy = import_module("numpy")
    tokenizer = import_module("tokenizers").Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    tokenizer.no_padding()
    tokenizer.enable_truncation(manifest.tokens_max, stride=overlap(manifest.tokens_max))
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = runtime.InferenceSession(
        str(folder / MODEL_FILE), sess_options=options, providers=["CPUExecutionProvider"]
    )

    def windows(text: str) -> list[Sequence[float]]:
        encoding = tokenizer.encode(text)
        # One window at a time: on a CPU a batch gains nothing, and padding changes int8 scores.
        out = []
        for window in (encoding, *encoding.overflowing):
            ids = numpy.array([window.ids], dtype=numpy.int64)
            scores = session.run(None, {"input_ids": ids, "attention_mask": numpy.ones_like(ids)})[0]
            out.append(scores[0].tolist())
        return out

    return Engine(f"detoxify {manifest.model} int8", manifest.labels, _maximum(manifest.labels, windows))


def _checkpoint(path: Path, threads: int) -> Engine:
    torch = import_module("torch")
    torch.set_num_threads(threads)
    detoxify = import_module("detoxify").Detoxify(checkpoint=str(path))
    detoxify.model.eval()
    tokens_max = max_tokens(detoxify)

    def windows(text: str) -> list[Sequence[float]]:
        inputs = detoxify.tokenizer(
            text,
            truncation=True,
            max_length=tokens_max,
            stride=overlap(tokens_max),
            return_overflowing_tokens=True,
        )
        out = []
        with torch.no_grad():
            for ids in inputs["input_ids"]:
                window = torch.tensor([ids])
                logits = detoxify.model(input_ids=window, attention_mask=torch.ones_like(window))[0]
                out.append(torch.sigmoid(logits)[0].tolist())
        return out

    labels = tuple(detoxify.class_names)
    return Engine(f"detoxify {type(detoxify.model).__name__} torch", labels, _maximum(labels, windows))


def max_tokens(detoxify: object) -> int:
    """How many tokens the model takes, its special ones included."""
    model, tokenizer = vars(detoxify)["model"], vars(detoxify)["tokenizer"]
    positions = int(model.config.max_position_embeddings)
    # RoBERTa and its kin number positions from the padding token's on.
    if "roberta" in str(model.config.model_type):
        positions -= int(model.config.pad_token_id) + 1
    return min(int(tokenizer.model_max_length), positions)


def _maximum(
    labels: Sequence[str], windows: Callable[[str], list[Sequence[float]]]
) -> Callable[[str], Scores]:
    """Each label's highest score over the windows of a text, about the whole text."""

    def score(text: str) -> Scores:
        highest = [max(column) for column in zip(*windows(text), strict=True)]
        return [(label, float(value), 0, len(text)) for label, value in zip(labels, highest, strict=True)]

    return score
