"""Presidio's pattern recognizers, imported without the machinery that they do not need.

`import presidio_analyzer` brings in spaCy, and torch, transformers and stanza where they are installed:
seconds of start-up and hundreds of megabytes for regular expressions and checksums. Here its package is
imported with those kept out and what is not needed of it replaced by empty classes, the recognizers that work by
patterns are taken from it, and the half-built package is removed from the module table, so that a
later ordinary import gets a whole one. The e-mail recognizer's public suffix list is the one shipped with
tldextract (`suffixes`); nothing is ever fetched.
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
from proxy.detect.suffixes import Suffixes

_FLAGS: Final = int(re.DOTALL | re.MULTILINE | re.IGNORECASE)
"""What the default registry sets on every pattern recognizer, whatever its own choice (an IBAN in small
letters)."""

_PACKAGE: Final = "presidio_analyzer"
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
_EMPTIED: Final = (
    f"{_PACKAGE}.nlp_engine",
    f"{_PACKAGE}.input_validation",  # of a registry's settings
    f"{_PACKAGE}.llm_utils",
    "tldextract",
    "yaml",
)
"""Modules of which the recognizers need names only."""


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
    """Says of the heavy packages that they are not there, and of others that all they have is empty classes."""

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
        emptied = any(f"{fullname}.".startswith(f"{name}.") for name in _EMPTIED)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if emptied else None

    def exec_module(self, module: ModuleType) -> None:
        def empty(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

        vars(module)["__getattr__"] = empty


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
    once.

    To be called first at start, from one thread: it sets the import system up and back.
    """
    before = _imported()
    guard = _Guard()
    for name in before:
        del sys.modules[name]
    sys.meta_path.insert(0, guard)
    try:
        package = importlib.import_module(f"{_PACKAGE}.predefined_recognizers")
        recognizers = {
            entity: cast(Recognizer, getattr(package, name)()) for entity, name in RECOGNIZERS.items()
        }
    finally:
        sys.meta_path.remove(guard)
        for name in _imported():
            del sys.modules[name]
        sys.modules.update(before)
    for recognizer in recognizers.values():
        if hasattr(recognizer, "global_regex_flags"):
            vars(recognizer)["global_regex_flags"] = _FLAGS
    _keep_offline(recognizers["EMAIL_ADDRESS"])
    # One pattern of Indian account numbers takes any word of ten characters, if four digits follow anywhere in
    # the text: no part of a text could ever be settled.
    pan = recognizers["IN_PAN"]
    vars(pan)["patterns"] = [pattern for pattern in pan.patterns if ".*?" not in pattern.regex]
    return MappingProxyType(recognizers)


def _imported() -> dict[str, ModuleType]:
    """What an ordinary import of Presidio has brought in, and this one must not touch; or what this one has."""
    roots = _KEPT_OUT | {_PACKAGE} | {name for name in _EMPTIED if not name.startswith(_PACKAGE)}
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in roots}


def _keep_offline(email: Recognizer) -> None:
    """Have the e-mail recognizer ask the shipped suffix list; its own would fetch one over the network."""
    suffixes = Suffixes.load()
    # Domains of other scripts, as the view shows them in which the text is read.
    view = latin()
    shown = frozenset(view.of(suffix) for suffix in suffixes.names if not suffix.isascii())

    def validate_result(pattern_text: str) -> bool:
        return suffixes.end(pattern_text) or pattern_text.rpartition(".")[2].lower() in shown

    vars(email)["validate_result"] = validate_result
