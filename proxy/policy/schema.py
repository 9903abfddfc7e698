"""Rule files read: bytes in, typed rules out, or every problem of every file with its position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from proxy.detect.offers import NO_SCORERS, Offers
from proxy.errors import ConfigError, Problem
from proxy.model.card import Card
from proxy.model.level import Action, Direction, Level, Mode
from proxy.model.probe import Probe
from proxy.model.text import Path
from proxy.model.tripwire import Tripwire
from proxy.policy.cards import CardsReader
from proxy.policy.containment import ContainmentReader
from proxy.policy.detectors import DetectReader, Reading
from proxy.policy.file import PolicyFile, RuleFile
from proxy.policy.folder import Folder, is_rule_file
from proxy.policy.probes import ProbesReader
from proxy.policy.rule import STRICTNESS, Containment, Rule, When
from proxy.policy.standing import Standing, StandingReader
from proxy.policy.tripwires import TripwiresReader
from proxy.yaml_model import validate
from proxy.yaml_source import Document, in_order, parse

RULES_MAX: Final = 2000
PROBLEMS_MAX: Final = 200

KEPT_VALUES_MAX: Final = 100_000
"""Values in the YAML files whose parsed form is kept for the next reading, some 40 MB. Of more, none is kept."""

Documents: TypeAlias = Mapping[str, tuple[bytes, Document]]
"""Per rule file its bytes and what they say, so that a reload parses only what changed."""

DEFAULT_MESSAGE: Final[Mapping[Direction, str]] = {
    Direction.INPUT: "This request was refused by policy.",
    Direction.OUTPUT: "I can't share that.",
}


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Everything that the rule files say."""

    rules: tuple[Rule, ...]
    containment: Containment
    used: frozenset[str]  # the rule files, and the phrase files that they name
    warnings: tuple[Problem, ...] = ()  # what is allowed and probably not meant
    documents: Documents = field(default_factory=dict)
    cards: tuple[Card, ...] = ()
    standing: Standing = field(default_factory=Standing)
    tripwires: tuple[Tripwire, ...] = ()
    probes: tuple[Probe, ...] = ()


def read(folder: Folder, known: Documents | None = None, offers: Offers = NO_SCORERS) -> RuleSet:
    """The rules of all files, by file name and position. A file whose bytes are `known` is not parsed again.

    Raises ConfigError with every problem; a rule that needs a scorer which is not offered is one."""
    reader = _Reader(folder, offers, known=known or {})
    names = sorted(name for name in (*folder.files, *folder.refused) if is_rule_file(name))
    for name in (*folder.files, *folder.refused):
        if name.endswith(".yml"):
            reader.problems.append(
                Problem(folder.label(name), 1, 1, "rule files are named *.yaml, not *.yml")
            )
    if not names:
        raise ConfigError(
            (*reader.problems, Problem(folder.name, 1, 1, "the folder holds no rule file (*.yaml)"))
        )
    for name in names:
        reader.file(name)
    if reader.problems:
        raise ConfigError(in_order(reader.problems)[:PROBLEMS_MAX])
    return RuleSet(
        tuple(reader.rules),
        reader.containment.value,
        frozenset(reader.used),
        in_order(reader.warnings),
        reader.kept(),
        tuple(reader.cards.cards),
        reader.standing.value,
        tuple(reader.tripwires.tripwires),
        tuple(reader.probes.probes),
    )


@dataclass(slots=True)
class _Reader(Reading):
    rules: list[Rule] = field(default_factory=list)
    containment: ContainmentReader = field(init=False)
    cards: CardsReader = field(init=False)
    standing: StandingReader = field(init=False)
    tripwires: TripwiresReader = field(init=False)
    probes: ProbesReader = field(init=False)
    known: Documents = field(default_factory=dict)
    documents: dict[str, tuple[bytes, Document]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)  # rule id → where it stands

    def __post_init__(self) -> None:
        self.containment = ContainmentReader(self.problems, self.warnings, self.offers)
        self.cards = CardsReader(self.problems)
        self.standing = StandingReader(self.problems, self.warnings, self.offers)
        self.tripwires = TripwiresReader(self.problems, self.warnings, self.offers.alerts)
        self.probes = ProbesReader(self.problems)

    def file(self, name: str) -> None:
        label = self.folder.label(name)
        if name in self.folder.refused:
            self.problems.append(Problem(label, 1, 1, self.folder.refused[name]))
            return
        self.used.add(name)
        try:
            document = self._parsed(name, label)
        except ConfigError as error:
            self.problems.extend(error.problems)
            return
        if document.value is None:
            # A file caught between truncation and writing reads as empty; it must not drop its rules.
            self.problems.append(document.problem((), "the file is empty; write `rules: []` for no rules"))
            return
        file = validate(PolicyFile, document, self.problems)
        if file is None:
            return
        for index in range(len(file.rules)):
            at: Path = ("rules", index)
            rule = validate(RuleFile, document, self.problems, at)
            if rule is not None:
                _RuleReader(self, document, name, at).rule(rule)
        if file.containment is not None:
            self.containment.take(document, file.containment)
        self.cards.take(document, len(file.cards))
        sets = 0 if file.containment is None else len(file.containment.set)
        self.standing.take(document, sets=sets, blocks=len(file.blocks), limits=len(file.limits))
        self.tripwires.take(document, len(file.tripwires))
        self.probes.take(document, len(file.probes))

    def _parsed(self, name: str, label: str) -> Document:
        raw = self.folder.files[name]
        before = self.known.get(name)
        document = (
            before[1]
            if before is not None and before[0] == raw and before[1].file == label
            else parse(label, raw)
        )
        self.documents[name] = (raw, document)
        return document

    def kept(self) -> Documents:
        """The documents of these files, for the next reading; none where they are too many to keep."""
        marks = sum(len(document.values) for _, document in self.documents.values())
        return self.documents if marks <= KEPT_VALUES_MAX else {}


@dataclass(slots=True)
class _RuleReader:
    """Reads one rule: what the file's shape cannot say."""

    out: _Reader
    document: Document
    file: str
    at: Path

    def rule(self, file: RuleFile) -> None:
        line, column = self.document.mark((*self.at, "id"))
        if file.id in self.out.places:
            self._fault(("id",), f"the rule id `{file.id}` stands twice; also in {self.out.places[file.id]}")
        else:
            self.out.places[file.id] = f"{self.document.file}:{line}:{column}"
        if len(self.out.rules) >= RULES_MAX:
            self._fault(("id",), f"a policy holds at most {RULES_MAX} rules")
            return
        direction = Direction(file.on)
        action = self._action(("action",), file.action, direction)
        levels = self._levels(file, action, direction)
        if file.detect.size is not None:
            self._no_range(action, levels)
        acts = action is not Action.FLAG or bool(levels)
        reader = DetectReader(self.out, self.document, self.file, self.at)
        self.out.rules.append(
            Rule(
                id=file.id,
                on=direction,
                detectors=reader.read(file.detect, direction),
                action=action,
                levels=levels,
                on_error=self._on_error(file.on_error, acts),
                mode=Mode(file.mode),
                severity=file.severity,
                message=file.message or DEFAULT_MESSAGE[direction],
                when=self._when(file),
                unless=reader.unless(file.unless, file.detect) if file.unless is not None else (),
                unlogged=file.log == "redacted",
            )
        )

    def _no_range(self, action: Action, levels: tuple[tuple[Level, Action], ...]) -> None:
        """A size is no part of a text that could be replaced."""
        message = "what is too large cannot be redacted: flag or block"
        if action not in (Action.FLAG, Action.BLOCK):
            self._fault(("action",), message)
        for level, stricter in levels:
            if stricter not in (Action.FLAG, Action.BLOCK):
                self._fault(("levels", level.word), message)

    def _action(self, at: Path, word: str, direction: Direction) -> Action:
        action = Action(word)
        if action is Action.PSEUDONYMIZE and direction is Direction.OUTPUT:
            self._fault(at, "`pseudonymize` is for input only, where the reply leads back: use redact")
        return action

    def _on_error(self, word: str | None, acts: bool) -> Action:
        # A rule that only ever flags holds nothing back, so by default its failure refuses nothing either.
        if word is None:
            return Action.BLOCK if acts else Action.FLAG
        return Action.BLOCK if word == "block" else Action.FLAG

    def _levels(
        self, file: RuleFile, action: Action, direction: Direction
    ) -> tuple[tuple[Level, Action], ...]:
        levels: list[tuple[Level, Action]] = []
        before = action
        for level, word in sorted((Level.parse(key), word) for key, word in file.levels.items()):
            at: Path = ("levels", level.word)
            stricter = self._action(at, word, direction)
            if STRICTNESS[stricter] <= STRICTNESS[before]:
                self._fault(at, f"`{word}` must be stricter than `{before}`, which holds below this level")
            levels.append((level, stricter))
            before = stricter
        return tuple(levels)

    def _when(self, file: RuleFile) -> When:
        if file.when is None:
            return When()
        models, apps = file.when.models, file.when.apps
        if models is None and apps is None:
            self._fault(("when",), "names neither models nor apps; leave `when` out to mean any")
        return When(
            None if models is None else frozenset(models),
            None if apps is None else frozenset(apps),
        )

    def _fault(self, at: Path, message: str, *, key: bool = False) -> None:
        self.out.problems.append(self.document.problem((*self.at, *at), message, key=key))
