"""One growing text under one policy: every active rule's verdict, piece by piece.

Banks of detectors run side by side over the text. Those that hold a rule which acts form the holding lane: a
finding of theirs is told once its start lies before the least `safe_upto` of the lane, so that findings come
by start, whatever the pieces were. The other banks watch: they hold nothing back, and their findings are told
as soon as they are final. A bank may wait for answers from elsewhere: then the lane is settled as far as it
is, and goes on when it is polled. With nothing known of clocks or sockets, the same text gives the same findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple

from proxy.detect.base import NO_CONTEXT, Bank, Context, Glancing, Ticket
from proxy.detect.prompt_leak import PromptLeakBank
from proxy.model.finding import Finding
from proxy.model.level import Action, Direction, Level
from proxy.policy.lane import Lane
from proxy.policy.memory import Memory, Quiet, Recall
from proxy.policy.rule import STRICTNESS, Rule
from proxy.policy.view import View

SLICE_CHARS: Final = 8192
"""How much of a long piece is fed to the detectors at a time."""


class Selection(NamedTuple):
    """What of an exchange decides which rules are active and how strict they are."""

    level: Level
    models: frozenset[str]
    app: str | None


class Ruling(NamedTuple):
    """One answer.

    `findings` became final with this piece, by start. Every finding that acts and starts before `settled` is
    known; no later character can add one there. With nothing enforced `settled` is the length so far. `behind`:
    work is left, and the judge is to be told to go on before it is fed again.
    """

    findings: tuple[Finding, ...]
    settled: int
    behind: bool = False


@dataclass(frozen=True)
class Plan:
    """What a policy comes to for one direction and selection: active rules, and the banks that hold any."""

    direction: Direction
    level: Level
    active: Mapping[int, Rule]
    holding: tuple[Bank, ...]
    watching: tuple[Bank, ...]
    scaled: bool = False  # toxicity's thresholds are the scaled ones
    quiet: Quiet | None = None  # the texts of which its banks are known to say nothing

    @property
    def idle(self) -> bool:
        return not self.active

    @cached_property
    def banks(self) -> tuple[Bank, ...]:
        """All that read its texts."""
        return (*self.holding, *self.watching)

    @cached_property
    def glancing(self) -> tuple[Glancing, ...]:
        """Those that may tell at a glance that they have nothing to say."""
        return tuple(bank for bank in self.banks if isinstance(bank, Glancing))

    @cached_property
    def all_glance(self) -> bool:
        """Whether each of them may."""
        return len(self.glancing) == len(self.banks)

    @cached_property
    def prompt_banks(self) -> tuple[PromptLeakBank, ...]:
        """Those that compare a reply with its exchange's prompts."""
        return tuple(bank for bank in self.banks if isinstance(bank, PromptLeakBank))

    @cached_property
    def pseudonymizes(self) -> bool:
        """Whether anything that it finds gets a pseudonym."""
        return any(
            rule.acts_at(self.level) and rule.action_at(self.level) is Action.PSEUDONYMIZE
            for rule in self.active.values()
        )

    @cached_property
    def unlogged(self) -> frozenset[str]:
        """The rules whose findings are not to stand on the log."""
        return frozenset(rule.id for rule in self.active.values() if rule.unlogged)

    def stricter(self, finding: Finding) -> Finding | None:
        """A finding that was told under a laxer plan, as this one has it; None where that is no stricter."""
        rule = self._by_id.get(finding.rule)
        action = rule.action_at(self.level) if rule is not None else finding.action
        return replace(finding, action=action) if STRICTNESS[action] > STRICTNESS[finding.action] else None

    @cached_property
    def _by_id(self) -> Mapping[str, Rule]:
        return {rule.id: rule for rule in self.active.values()}


def plan(
    rules: tuple[Rule, ...],
    banks: Iterable[Bank],
    direction: Direction,
    selection: Selection,
    *,
    scales: bool = False,
    memory: Memory | None = None,
) -> Plan:
    """The plan for a selection. A bank holds text back where one of its active rules acts at this level. `scales`:
    the policy has scaled thresholds for the levels that are degraded. `memory`: what is known of texts."""
    active = {
        index: rule
        for index, rule in enumerate(rules)
        if rule.on is direction and rule.when.holds(selection.models, selection.app)
    }
    acting = {index for index, rule in active.items() if rule.acts_at(selection.level)}
    used = [bank for bank in banks if not bank.rules.isdisjoint(active)]
    return Plan(
        direction,
        selection.level,
        active,
        holding=tuple(bank for bank in used if not bank.rules.isdisjoint(acting)),
        watching=tuple(bank for bank in used if bank.rules.isdisjoint(acting)),
        scaled=scales and selection.level >= Level.DEGRADED,
        quiet=memory.quiet(used) if memory is not None else None,
    )


class Judge:
    """Judges one text. Feeding it in any pieces gives the same findings as feeding it at once."""

    __slots__ = ("_behind", "_holding", "_length", "_settled", "_view", "_watching")

    def __init__(
        self, plan: Plan, field: str, context: Context = NO_CONTEXT, recall: Recall | None = None
    ) -> None:
        """`recall` is what is known of the text, where all of it is there before the first piece is fed."""
        self._view = view = View(plan, field, context, recall, [], {})
        self._length = 0
        self._settled = 0
        self._behind = False
        self._holding = Lane(view, plan.holding) if plan.holding else None
        self._watching = Lane(view, plan.watching) if plan.watching else None

    def feed(self, piece: str, *, final: bool = False, by_steps: bool = False) -> Ruling:
        """Take the next characters; with `final` the text ends here, and all of it is settled once nothing is
        waited for any more. With `by_steps`, what takes long is left for `go_on`."""
        acting: list[Finding] = []
        watched: list[Finding] = []
        # A long piece goes in by slices: detectors then never hold more than a slice's matches at once.
        last = max(0, len(piece) - 1) // SLICE_CHARS
        for number in range(last + 1):
            part = piece if last == 0 else piece[number * SLICE_CHARS : (number + 1) * SLICE_CHARS]
            ends = final and number == last
            self._length += len(part)
            self._behind = False
            if self._holding is not None:
                self._settled = self._holding.feed(part, ends, acting)
                self._behind = self._holding.behind
            else:
                self._settled = self._length
            if self._watching is not None:
                self._watching.feed(part, ends, watched)
                self._behind = self._behind or self._watching.behind
            while self._behind and not (by_steps and number == last):
                self._go_on(acting, watched)
        return self._ruling(acting, watched)

    def go_on(self) -> Ruling:
        """The next step of what the last piece left."""
        acting: list[Finding] = []
        watched: list[Finding] = []
        self._go_on(acting, watched)
        return self._ruling(acting, watched)

    def _go_on(self, acting: list[Finding], watched: list[Finding]) -> None:
        self._behind = False
        if self._holding is not None and self._holding.behind:
            self._settled = self._holding.go_on(acting)
            self._behind = self._holding.behind
        if self._watching is not None and self._watching.behind:
            self._watching.go_on(watched)
            self._behind = self._behind or self._watching.behind

    def tighten(self, plan: Plan) -> int:
        """Go on under a stricter plan of the same policy: what is told from now on is told by that, and what acts
        there holds the text back. Returns how far that is settled: no further than before."""
        self._view.plan = plan
        if self._watching is not None:
            if self._holding is None:
                self._holding = Lane(self._view, ())
            self._settled = min(self._settled, self._watching.hand_over(self._holding, plan.holding))
        return self._settled

    def poll(self) -> Ruling:
        """What the tickets among `waiting` brought since."""
        acting: list[Finding] = []
        watched: list[Finding] = []
        if self._holding is not None:
            self._settled = self._holding.poll(acting)
        if self._watching is not None:
            self._watching.poll(watched)
        return self._ruling(acting, watched)

    def give_up(self) -> Ruling:
        """Wait no longer: every bank that was not answered has failed."""
        acting: list[Finding] = []
        watched: list[Finding] = []
        if self._holding is not None:
            self._settled = self._holding.give_up(acting)
        if self._watching is not None:
            self._watching.give_up(watched)
        return self._ruling(acting, watched)

    @property
    def waiting(self) -> Sequence[Ticket]:
        """The tickets whose answers are yet to be polled."""
        holding = self._holding.waiting if self._holding is not None else ()
        watching = self._watching.waiting if self._watching is not None else ()
        return (*holding, *watching) if holding and watching else holding or watching

    @property
    def errors(self) -> tuple[tuple[str, str], ...]:
        """Every (rule, reason) that did not see the text to its end: its detector failed, or found too much."""
        return tuple(self._view.errors)

    @property
    def scores(self) -> Mapping[str, float]:
        """The highest score per label so far."""
        scores = dict(self._view.scores)
        for lane in (self._holding, self._watching):
            for reading in lane.readings if lane is not None else ():
                for label, score in reading.scan.scores.items():
                    if score > scores.get(label, -1.0):
                        scores[label] = score
        return scores

    def _ruling(self, acting: list[Finding], watched: list[Finding]) -> Ruling:
        if acting and watched:
            acting = sorted(
                acting + watched, key=lambda finding: (finding.start, finding.start - finding.end)
            )
        return Ruling(tuple(acting or watched), self._settled, self._behind)
