"""What a rule's `detect` says, read: every fault with its position."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from proxy.detect import obfuscation
from proxy.detect.normalise import View, skeleton
from proxy.detect.offers import Offers
from proxy.detect.patterns import check_pattern
from proxy.detect.phrases import PhraseError, check_phrase
from proxy.detect.pii import NER_ENTITIES, PATTERN_ENTITIES
from proxy.detect.regexes import PatternError
from proxy.detect.secrets import KINDS
from proxy.detect.toxicity import LABELS
from proxy.errors import Problem
from proxy.model.level import Direction
from proxy.model.text import Path
from proxy.policy.file import DetectFile, PhrasesFile, SizeFile, UnlessFile
from proxy.policy.folder import Folder
from proxy.policy.rule import (
    Detector,
    Obfuscation,
    Pattern,
    Phrases,
    Pii,
    PromptLeak,
    Regex,
    Secrets,
    Size,
    Toxicity,
)
from proxy.yaml_source import Document, nearest

PHRASES_MAX: Final = 200_000
"""In the whole policy: about a gigabyte of automaton, and ten seconds to build."""

_SPARED: Final = ("phrases", "regex")
"""The detectors for which a rule may say `unless`: they answer at once."""


@dataclass(slots=True)
class Reading:
    """A folder being read: what is shared by its files and their rules."""

    folder: Folder
    offers: Offers
    used: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    phrases: int = 0
    view: View = field(default_factory=skeleton)


@dataclass(slots=True)
class DetectReader:
    """Reads one rule's detectors. `file` is the rule file's name, `at` where the rule stands in it."""

    out: Reading
    document: Document
    file: str
    at: Path

    def read(self, file: DetectFile, on: Direction) -> tuple[Detector, ...]:
        found: list[Detector] = []
        if file.phrases is not None:
            found.append(self._phrases(file.phrases))
        if file.regex is not None:
            for index, item in enumerate(file.regex):
                try:
                    check_pattern(item.pattern, item.max_length)
                except PatternError as error:
                    self._fault(("detect", "regex", index, "pattern"), str(error))
            found.append(Regex(tuple(Pattern(item.pattern, item.max_length) for item in file.regex)))
        if file.pii is not None:
            for index, entity in enumerate(file.pii.entities):
                self._entity(("detect", "pii", "entities", index), entity)
            found.append(Pii(frozenset(file.pii.entities), file.pii.min_score))
        if file.secrets is not None:
            for index, kind in enumerate(file.secrets.kinds):
                if kind not in KINDS:
                    message = f"unknown kind of secret `{kind}`" + nearest(kind, KINDS)
                    self._fault(("detect", "secrets", "kinds", index), message)
            found.append(Secrets(frozenset(file.secrets.kinds)))
        if file.toxicity is not None:
            self._labels(file.toxicity)
            found.append(Toxicity(dict(file.toxicity)))
        if file.prompt_leak is not None:
            if on is Direction.INPUT:
                self._fault(
                    ("detect", "prompt_leak"), "looks for the prompt in replies: `on: output`", key=True
                )
            found.append(PromptLeak(file.prompt_leak.words))
        if file.obfuscation is not None:
            for index, kind in enumerate(file.obfuscation.kinds):
                if kind not in obfuscation.KINDS:
                    message = f"unknown kind of disguise `{kind}`" + nearest(kind, obfuscation.KINDS)
                    self._fault(("detect", "obfuscation", "kinds", index), message)
            found.append(Obfuscation(frozenset(file.obfuscation.kinds)))
        if file.size is not None:
            found.append(self._size(file.size, on))
        if not found:
            names = list(DetectFile.model_fields)
            self._fault(("detect",), f"names no detector: {', '.join(names[:-1])} or {names[-1]}")
        return tuple(found)

    def _size(self, file: SizeFile, on: Direction) -> Size:
        at: Path = ("detect", "size")
        if file.max_characters is None and file.max_messages is None:
            self._fault(at, "names no limit: max_characters or max_messages")
        elif file.max_messages is not None and on is Direction.OUTPUT:
            self._fault((*at, "max_messages"), "a reply has no messages: give max_characters", key=True)
        return Size(file.max_characters, file.max_messages)

    def _entity(self, at: Path, entity: str) -> None:
        if entity in NER_ENTITIES:
            if self.out.offers.ner is None:
                self._fault(at, f"`{entity}` needs a language model: {self.out.offers.ner_missing}")
        elif entity not in PATTERN_ENTITIES:
            known = sorted(PATTERN_ENTITIES | NER_ENTITIES)
            self._fault(at, f"unknown entity `{entity}`" + nearest(entity, known))

    def _labels(self, thresholds: Mapping[str, float]) -> None:
        offers = self.out.offers
        for label in thresholds:
            at: Path = ("detect", "toxicity", label)
            if label not in LABELS:
                message = f"unknown label `{label}`" + (
                    nearest(label, LABELS) or f"; known: {', '.join(LABELS)}"
                )
                self._fault(at, message, key=True)
            elif label not in offers.toxicity_labels:
                message = f"`{label}` is not scored here: {offers.toxicity_missing}"
                if offers.toxicity_labels.isdisjoint(thresholds):
                    self._fault(at, message, key=True)
                else:
                    self.out.warnings.append(self.document.problem((*self.at, *at), message, key=True))

    def _phrases(self, file: PhrasesFile) -> Phrases:
        at: Path = ("detect", "phrases")
        phrases = list(file.any)
        listed: Path = (*at, "any") if (*self.at, *at, "any") in self.document.values else at
        for index, phrase in enumerate(phrases):
            try:
                check_phrase(phrase, self.out.view)
            except PhraseError as error:
                self._fault((*listed, index), str(error))
        if file.file is not None:
            phrases.extend(self._lines((*at, "file"), file.file, "phrase", self._check_phrase))
        elif not phrases:
            self._fault(at, "names no phrase")
        self.out.phrases += len(phrases)
        if self.out.phrases > PHRASES_MAX:
            self._fault(at, f"a policy holds at most {PHRASES_MAX} phrases")
            return Phrases(())
        return Phrases(tuple(phrases), file.whole_word)

    def unless(self, file: UnlessFile, detect: DetectFile) -> tuple[Pattern, ...]:
        """Where what the rule finds does not count."""
        others = [name for name in DetectFile.model_fields if name not in _SPARED and getattr(detect, name)]
        if others:
            words = f"`unless` is for {' and '.join(_SPARED)}; give `{others[0]}` a rule of its own"
            self._fault(("unless",), words, key=True)
        listed: Path = (
            ("unless", "any") if (*self.at, "unless", "any") in self.document.values else ("unless",)
        )
        for index, item in enumerate(file.any):
            try:
                check_pattern(item.pattern, item.max_length or file.max_length)
            except PatternError as error:
                self._fault((*listed, index, "pattern"), str(error))
        patterns = [Pattern(item.pattern, item.max_length or file.max_length) for item in file.any]
        if file.file is not None:
            check = partial(check_pattern, max_length=file.max_length)
            lines = self._lines(("unless", "file"), file.file, "pattern", check)
            patterns += [Pattern(line, file.max_length) for line in lines]
        elif not patterns:
            self._fault(("unless",), "names no pattern")
        return tuple(patterns)

    def _check_phrase(self, phrase: str) -> None:
        check_phrase(phrase, self.out.view)

    def _lines(self, at: Path, name: str, what: str, check: Callable[[str], object]) -> list[str]:
        """One phrase or pattern a line; blank lines and lines that begin with `#` are passed over."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.file), name))
        folder = self.out.folder
        if posixpath.isabs(name) or path.startswith(".."):
            # The policy's digest, its watch and its kept copy all cover one folder.
            self._fault(at, "must lie in the rules folder, named relative to this file")
            return []
        if path not in folder.files:
            self._fault(at, folder.refused.get(path, f"there is no file `{folder.label(path)}`"))
            return []
        self.out.used.add(path)
        try:
            text = folder.files[path].decode("utf-8-sig")
        except UnicodeDecodeError:
            self.out.problems.append(Problem(folder.label(path), 1, 1, "not UTF-8 text"))
            return []
        found: list[str] = []
        for number, line in enumerate(map(str.strip, text.split("\n")), start=1):
            if not line or line.startswith("#"):
                continue
            try:
                check(line)
            except (PhraseError, PatternError) as error:
                self.out.problems.append(Problem(folder.label(path), number, 1, str(error)))
            found.append(line)
        if not found:
            self.out.problems.append(Problem(folder.label(path), 1, 1, f"holds no {what}"))
        return found

    def _fault(self, at: Path, message: str, *, key: bool = False) -> None:
        self.out.problems.append(self.document.problem((*self.at, *at), message, key=key))
