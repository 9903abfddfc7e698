"""Rules compiled into an immutable policy: one bank per direction and detector, and per kind of hold.

Rules that can act and rules that only watch are compiled apart, so that a rule which merely flags never holds
a stream back. (Toxicity alone is one bank for both.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import blake2b
from itertools import product
from typing import Final, TypeVar

from proxy.detect.asked import ASKED_ENTITIES, NerBank, TransformerBank
from proxy.detect.base import HELD_CHARS_MAX, NO_CONTEXT, Bank, Context
from proxy.detect.lexicon import LexicalModel
from proxy.detect.obfuscation import ObfuscationBank, ObfuscationEntry
from proxy.detect.offers import NO_SCORERS, Offers
from proxy.detect.patterns import PatternBank, PatternEntry
from proxy.detect.phrases import PhraseBank, PhraseEntry
from proxy.detect.pii import NER_ENTITIES, PATTERN_ENTITIES, PiiBank, PiiEntry
from proxy.detect.prompt_leak import PromptLeakBank, PromptLeakEntry
from proxy.detect.secrets import SecretEntry, SecretsBank
from proxy.detect.size import SizeBank, SizeEntry
from proxy.detect.toxicity import ToxicityBank, ToxicityEntry
from proxy.detect.unless import UnlessBank
from proxy.errors import Problem
from proxy.model.card import Card
from proxy.model.finding import Finding
from proxy.model.level import Direction
from proxy.model.probe import Probe
from proxy.model.tripwire import Tripwire
from proxy.policy.folder import Folder
from proxy.policy.lane import scaled_rule
from proxy.policy.match import Judge, Plan, Selection, plan
from proxy.policy.measure import measure
from proxy.policy.memory import Memory, Recall
from proxy.policy.patch import digest_with
from proxy.policy.rule import (
    Containment,
    Obfuscation,
    Phrases,
    Pii,
    PromptLeak,
    Regex,
    Rule,
    Secrets,
    Size,
    Toxicity,
)
from proxy.policy.schema import Documents, read
from proxy.policy.standing import Standing

PLANS_MAX: Final = 512
"""Selections whose plan is remembered; then all are forgotten. Clients can choose their app's name freely."""

WARM_TEXT: Final = (
    "Call +1 415 555 0132 or +44 20 7946 0958, mail jane.doe@example.com, pay 4111 1111 1111 1111.\n"
    "See https://www.example.com/a/b?c=1&d=2 on 2024-05-17 at 10:32, or 192.168.0.1; 212 555 0123 4 212 555.\n"
    'Of 1,234.56 in all 99% are {"key": ["value", 3.14]}; QmFzZTY0IHRleHQgaXMgbGlrZSB0aGlz, ＷＩＤＥ, é, юникод.'
)
"""Words, addresses, numbers and codes, of which RE2 then knows the most common states."""

LONG_LIST_PHRASES: Final = 1000
"""Rules with so many phrases share a bank of their own."""

T = TypeVar("T")
E = TypeVar("E")
P = TypeVar("P", PhraseEntry, PatternEntry)


@dataclass(frozen=True, slots=True)
class Built:
    """A bank and what it was built from: the same entries need no second building."""

    direction: Direction
    entries: Sequence[object]
    bank: Bank


@dataclass(frozen=True)
class Policy:
    """All rule files together, and what was patched in. Exchanges share it; nothing that a caller sees of it ever
    changes."""

    digest: str
    rules: tuple[Rule, ...]  # those of the files, then the patches
    files: tuple[str, ...]
    containment: Containment
    warnings: tuple[Problem, ...] = ()
    built: tuple[Built, ...] = field(default=(), repr=False)
    model: LexicalModel | None = field(default=None, repr=False)
    memory: Memory = field(default_factory=Memory, repr=False, compare=False)
    documents: Documents = field(default_factory=dict, repr=False, compare=False)
    needs: frozenset[str] = frozenset()  # the names of the scorers that its banks ask
    cards: tuple[Card, ...] = ()
    standing: Standing = field(default_factory=Standing)
    files_digest: str = ""
    patches: tuple[Rule, ...] = ()
    tripwires: tuple[Tripwire, ...] = ()
    probes: tuple[Probe, ...] = ()
    _plans: dict[tuple[Direction, Selection], Plan] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def rule_names(self) -> tuple[str, ...]:
        """The rules' ids, in order."""
        return tuple(rule.id for rule in self.rules)

    @cached_property
    def unlogs(self) -> bool:
        """Whether any rule keeps what it finds off the log."""
        return any(rule.unlogged for rule in self.rules)

    def active(self, direction: Direction, selection: Selection) -> bool:
        """Whether any rule applies: without one a text need not be read."""
        return not self.plan(direction, selection).idle

    def judge(
        self,
        direction: Direction,
        selection: Selection,
        field: str,
        context: Context = NO_CONTEXT,
        recall: Recall | None = None,
    ) -> Judge:
        """A judge for one new text. `field` names where it stands, for its findings; `context` is what its
        exchange tells beside it, `recall` what the memory knows of it."""
        return Judge(self.plan(direction, selection), field, context, recall)

    def measure(self, selection: Selection, context: Context) -> tuple[Finding, ...]:
        """What is too large about a request as a whole."""
        return measure(self.plan(Direction.INPUT, selection), context)

    def plan(self, direction: Direction, selection: Selection) -> Plan:
        """Which rules and banks a selection comes to; remembered, since an exchange asks for every text."""
        known = self._plans.get((direction, selection))
        if known is None:
            banks = [built.bank for built in self.built if built.direction is direction]
            scales = self.containment.degraded.threshold_scale < 1.0
            known = plan(self.rules, banks, direction, selection, scales=scales, memory=self.memory)
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            self._plans[(direction, selection)] = known
        return known


def compile_policy(
    folder: Folder, before: Policy | None = None, offers: Offers = NO_SCORERS, patches: tuple[Rule, ...] = ()
) -> Policy:
    """The policy of a rules folder; what did not change is taken over from the policy `before`, which was compiled
    with the same offers. Its `needs` must be up before it comes into force.

    Raises ConfigError with every problem of every file.
    """
    found = read(folder, before.documents if before is not None else None, offers)
    rules = found.rules + patches
    model = before.model if before is not None else None
    toxic = any(isinstance(item, Toxicity) for rule in rules for item in rule.detectors)
    if model is None and toxic and offers.toxicity is None:
        model = LexicalModel.load()
    scale = found.containment.degraded.threshold_scale
    built = tuple(_build(rules, scale, model, offers, before.built if before is not None else ()))
    asked = (one.bank.scorer.name for one in built if isinstance(one.bank, NerBank | TransformerBank))
    files_digest = digest(folder, found.used)
    return Policy(
        digest=digest_with(files_digest, patches),
        rules=rules,
        files=tuple(sorted(found.used)),
        containment=found.containment,
        warnings=found.warnings,
        built=built,
        model=model,
        memory=before.memory if before is not None else Memory(),
        documents=found.documents,
        needs=frozenset(asked),
        cards=found.cards,
        standing=found.standing,
        tripwires=found.tripwires,
        probes=found.probes,
        files_digest=files_digest,
        patches=patches,
    )


def patched(policy: Policy, patches: tuple[Rule, ...], offers: Offers = NO_SCORERS) -> Policy:
    """The same policy with these patches in place of those that it had. `offers` are those it was compiled with."""
    rules = policy.rules[: len(policy.rules) - len(policy.patches)] + patches
    scale = policy.containment.degraded.threshold_scale
    return replace(
        policy,
        digest=digest_with(policy.files_digest, patches),
        rules=rules,
        built=tuple(_build(rules, scale, policy.model, offers, policy.built)),
        patches=patches,
        _plans={},
    )


def digest(folder: Folder, used: frozenset[str]) -> str:
    """BLAKE2b-128 in hex over the files that make the policy, by name: for each its name and its bytes, each
    led by its length as eight bytes, big end first. Names count, since they give the rules their order."""
    out = blake2b(digest_size=16)
    for name in sorted(used):
        for part in (name.encode(), folder.files[name]):
            out.update(len(part).to_bytes(8, "big"))
            out.update(part)
    return out.hexdigest()


def _warm(bank: Bank) -> Bank:
    """Have what is loaded or compiled at first use (telephone metadata; the patterns that say what is to be held)
    there before an exchange waits for it."""
    if not isinstance(
        bank, NerBank | TransformerBank
    ):  # their scorers are warmed before the policy is in force
        scan = bank.open(NO_CONTEXT)
        scan.feed(WARM_TEXT)
        scan.feed("", final=True)
    return bank


def _build(
    rules: tuple[Rule, ...],
    scale: float,
    model: LexicalModel | None,
    offers: Offers,
    known: tuple[Built, ...],
) -> Iterator[Built]:
    def built(entries: Sequence[E], make: Callable[[Sequence[E]], Bank]) -> Iterator[Built]:
        if not entries:
            return
        same = (one for one in known if one.direction is direction and one.entries == entries)
        yield next(same, None) or Built(direction, entries, _warm(make(entries)))

    def spared(entries: Sequence[P], make: Callable[[Sequence[P]], Bank]) -> Iterator[Built]:
        """A bank without what lies where its rules say `unless`."""
        unless = {
            entry.rule: tuple((item.pattern, item.max_length or HELD_CHARS_MAX) for item in places)
            for entry in entries
            if (places := rules[entry.rule].unless)
        }
        if not unless:
            yield from built(entries, make)
            return
        yield from built([entries, unless], lambda _: UnlessBank(make(entries), unless))

    for direction, acts in product(Direction, (True, False)):
        chosen = [(i, rule) for i, rule in enumerate(rules) if rule.on is direction and rule.may_act is acts]
        phrases = [PhraseEntry(i, spec.phrases, spec.whole_word) for i, spec in _of(chosen, Phrases)]
        # A long list takes a while to build: a change to a short one leaves it as it is.
        yield from spared([one for one in phrases if len(one.phrases) < LONG_LIST_PHRASES], PhraseBank)
        yield from spared([one for one in phrases if len(one.phrases) >= LONG_LIST_PHRASES], PhraseBank)
        patterns = [
            PatternEntry(i, item.pattern, item.max_length)
            for i, spec in _of(chosen, Regex)
            for item in spec.patterns
        ]
        yield from spared(patterns, partial(PatternBank, holds=acts))
        pii = [
            PiiEntry(i, spec.entities & PATTERN_ENTITIES, spec.min_score)
            for i, spec in _of(chosen, Pii)
            if spec.entities & PATTERN_ENTITIES
        ]
        yield from built(pii, PiiBank)
        secrets = [SecretEntry(i, spec.kinds) for i, spec in _of(chosen, Secrets)]
        yield from built(secrets, SecretsBank)
        leaks = [PromptLeakEntry(i, spec.words) for i, spec in _of(chosen, PromptLeak)]
        yield from built(leaks, PromptLeakBank)
        disguises = [ObfuscationEntry(i, spec.kinds) for i, spec in _of(chosen, Obfuscation)]
        yield from built(disguises, ObfuscationBank)
        if direction is Direction.OUTPUT:  # a request is measured as a whole: `measure`
            sizes = [
                SizeEntry(i, spec.max_characters) for i, spec in _of(chosen, Size) if spec.max_characters
            ]
            yield from built(sizes, SizeBank)
    for direction in Direction:
        # What a sentence scorer holds back does not hang on its thresholds, so one bank serves both kinds of
        # rule, and every sentence is scored once.
        chosen = [(i, rule) for i, rule in enumerate(rules) if rule.on is direction]
        toxicity = [ToxicityEntry(i, spec.thresholds) for i, spec in _of(chosen, Toxicity)]
        if scale < 1.0:
            toxicity += [
                ToxicityEntry(
                    scaled_rule(one.rule), {label: at * scale for label, at in one.thresholds.items()}
                )
                for one in toxicity
            ]
        if offers.toxicity is not None:
            yield from built(toxicity, partial(TransformerBank, scorer=offers.toxicity))
        elif model is not None:
            yield from built(toxicity, partial(ToxicityBank, model=model))
        named = [
            PiiEntry(i, spec.entities & ASKED_ENTITIES, spec.min_score)
            for i, spec in _of(chosen, Pii)
            if spec.entities & NER_ENTITIES
        ]
        if offers.ner is not None:
            yield from built(named, partial(NerBank, scorer=offers.ner))


def _of(rules: Sequence[tuple[int, Rule]], kind: type[T]) -> list[tuple[int, T]]:
    return [
        (index, detector)
        for index, rule in rules
        for detector in rule.detectors
        if isinstance(detector, kind)
    ]
