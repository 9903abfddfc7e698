"""Detoxify checkpoints small enough to make in a test, in the very format that Detoxify loads."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

ORIGINAL: Final = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
UNBIASED: Final = (
    *("toxicity", "severe_toxicity", "obscene", "identity_attack", "insult", "threat"),
    "sexual_explicit",
)
"""The names that the published models' checkpoints have."""

WORDS: Final = ("you are an idiot", "have a nice day", "I will find you", "thanks, that was kind of them")
TOKENS_MAX: Final = 64


def make_arch(folder: Path, labels: int) -> Path:
    """A folder with the configuration and tokenizer of a tiny RoBERTa, as a hub's would be."""
    transformers = import_module("transformers")
    folder.mkdir(parents=True)
    bpe = import_module("tokenizers").ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(WORDS * 50, vocab_size=400, special_tokens=special)
    bpe.save_model(str(folder))
    transformers.RobertaConfig(
        vocab_size=bpe.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=TOKENS_MAX + 2,
        type_vocab_size=1,
        num_labels=labels,
    ).save_pretrained(folder)
    tokenizer = transformers.RobertaTokenizer.from_pretrained(str(folder), model_max_length=TOKENS_MAX)
    tokenizer.save_pretrained(folder)
    return folder


def make_checkpoint(path: Path, arch: Path, names: Sequence[str], said_arch: str | None = None) -> Path:
    """A checkpoint of random weights, the same each time. `said_arch`: what it calls its architecture."""
    torch, transformers = import_module("torch"), import_module("transformers")
    torch.manual_seed(20)
    config = transformers.RobertaConfig.from_pretrained(str(arch), num_labels=len(names))
    model = transformers.RobertaForSequenceClassification(config)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(4)  # so that texts differ in their scores
    arguments = {
        "model_type": said_arch or str(arch),
        "model_name": "RobertaForSequenceClassification",
        "tokenizer_name": "RobertaTokenizer",
        "num_classes": len(names),
    }
    config_part = {"dataset": {"args": {"classes": list(names)}}, "arch": {"args": arguments}}
    torch.save({"config": config_part, "state_dict": model.state_dict()}, path)
    return path
