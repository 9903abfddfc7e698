"""Presidio's pattern recognizers, imported without the machinery that they do not need.

`import presidio_analyzer` brings in spaCy, and torch, transformers and stanza where they are installed:
seconds of start-up and hundreds of megabytes for regular expressions and checksums. Here its package is
imported with those kept out and its NLP engines replaced by empty classes, the recognizers that work by patterns
are taken from it, and the half-built package is removed from the module table, so that a
later ordinary import gets a whole one. The e-mail recognizer's public suffix list is the one shipped with
tldextract; nothing is ever fetched.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import re
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType, ModuleType
from typing import Final, Protocol, cast

from proxy.detect.entities import RECOGNIZERS
from proxy.detect.normalise import latin

_FLAGS: Final = int(re.DOTALL | re.MULTILINE | re.IGNORECASE)
"""What the default registry sets on every pattern recognizer, whatever its own choice (an IBAN in small
letters)."""

_PACKAGE: Final = "presidio_analyzer"
_ENGINES: Final = f"{_PACKAGE}.nlp_engine"
_KEPT_OUT: Final = frozenset(
    [
        "azure",
        "gliner",
        "huggingface_hub",
        "langextract",
        "ollama",
        "openai",
        "spacy",
        "spacy_huggingface_pipelines",
        "spacy_stanza",
        "stanza",
        "thinc",
        "torch",
        "transformers",
    ]
)
_PATTERN: Final = f"{_PACKAGE}.pattern"
_ENGINE_CLASSES: Final = (
    "NerModelConfiguration",
    "NlpArtifacts",
    "NlpEngine",
    "NlpEngineProvider",
    "NoOpNlpEngine",
    "SlimSpacyNlpEngine",
    "SpacyNlpEngine",
    "StanzaNlpEngine",
    "TransformersNlpEngine",
    "device_detector",
)


class Result(Protocol):
    """Presidio's RecognizerResult."""

    entity_type: str
    start: int
    end: int
    score: float


class PatternOf(Protocol):
    """Presidio's Pattern."""

    regex: str
    score: float


class Recognizer(Protocol):
    """Presidio's EntityRecognizer, as far as it is used here."""

    @property
    def patterns(self) -> Sequence[PatternOf]: ...
    @property
    def context(self) -> Sequence[str]: ...

    def analyze(self, text: str, entities: list[str]) -> list[Result]: ...
    def validate_result(self, pattern_text: str) -> bool | None: ...


class _Guard(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Says of the heavy packages that they are not there, and of the NLP engines that they are empty."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in _KEPT_OUT:
            raise ModuleNotFoundError(f"{fullname} is kept out of this process", name=fullname)
        if fullname == _PATTERN:
            spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Unchecked(spec.loader)
            return spec
        return importlib.machinery.ModuleSpec(fullname, self) if fullname == _ENGINES else None

    def exec_module(self, module: ModuleType) -> None:
        for name in _ENGINE_CLASSES:
            setattr(module, name, type(name, (), {}))


class _Unchecked(importlib.abc.Loader):
    """Loads Presidio's patterns without their check, which compiles every pattern of every country, and those that
    are used a second time: a quarter of a second. What is used is compiled by `matching`, which fails where a
    pattern is none."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        module.Pattern._Pattern__validate_regex = staticmethod(lambda _: None)


@lru_cache(maxsize=1)
def load_recognizers() -> Mapping[str, Recognizer]:
    """Presidio's recognizers that need no language model, by entity. They keep nothing of a text, and are loaded
    once: the suffix list alone takes 15 MB.

    To be called first at start, from one thread: it sets the import system up and back.
    """
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in _KEPT_OUT}
    whole = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == _PACKAGE}
    guard = _Guard()
    for name in (*before, *whole):
        del sys.modules[name]
    sys.meta_path.insert(0, guard)
    try:
        package = importlib.import_module(f"{_PACKAGE}.predefined_recognizers")
        recognizers = {
            entity: cast(Recognizer, getattr(package, name)()) for entity, name in RECOGNIZERS.items()
        }
    finally:
        sys.meta_path.remove(guard)
        for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
            del sys.modules[name]
        sys.modules.update(before)
        sys.modules.update(whole)
    for recognizer in recognizers.values():
        if hasattr(recognizer, "global_regex_flags"):
            vars(recognizer)["global_regex_flags"] = _FLAGS
    _keep_offline(recognizers["EMAIL_ADDRESS"])
    # One pattern of Indian account numbers takes any word of ten characters, if four digits follow anywhere in
    # the text: no part of a text could ever be settled.
    pan = recognizers["IN_PAN"]
    vars(pan)["patterns"] = [pattern for pattern in pan.patterns if ".*?" not in pattern.regex]
    return MappingProxyType(recognizers)


def _keep_offline(email: Recognizer) -> None:
    """Have the e-mail recognizer ask the shipped suffix list; its own would fetch one over the network."""
    import tldextract  # here, for it brings an HTTP client with it, and the names above should come cheap

    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    extract("example.com")  # reads the list, now rather than in an exchange
    # Domains of other scripts, as the view shows them in which the text is read.
    view = latin()
    shown = frozenset(view.of(suffix) for suffix in extract.tlds if not suffix.isascii())

    def validate_result(pattern_text: str) -> bool:
        return bool(extract(pattern_text).fqdn) or pattern_text.rpartition(".")[2].lower() in shown

    vars(email)["validate_result"] = validate_result
