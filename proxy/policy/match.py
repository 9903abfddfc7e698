"""One growing text under one policy: every active rule's verdict, piece by piece.

Banks of detectors run side by side over the text. Those that hold a rule which acts form the holding lane: a
finding of theirs is told once its start lies before the least `safe_upto` of the lane, so that findings come
by start, whatever the pieces were. The other banks watch: they hold nothing back, and their findings are told
as soon as they are final. With nothing known of clocks or sockets, the same text gives the same findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Final

from proxy.detect.base import NO_CONTEXT, Bank, Context, Scan, ScorerFailed
from proxy.model.finding import Finding, Match
from proxy.model.level import Action, Direction, Level
from proxy.policy.rule import Rule

ERROR_LABEL = "error"
"""The label of a finding that stands for a detector which failed."""

FINDINGS_MAX: Final = 10_000
"""Findings told of one text by the rules that hold it, and as many by those that watch. Past it the next one
that acts blocks the text, and the others are not told: a text made of findings must not fill the memory."""

SLICE_CHARS: Final = 8192
"""How much of a long piece is fed to the detectors at a time."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What of an exchange decides which rules are active and how strict they are."""

    level: Level
    models: frozenset[str]
    app: str | None


@dataclass(frozen=True, slots=True)
class Ruling:
    """One answer.

    `findings` became final with this piece, by start. Every finding that acts and starts before `settled` is
    known; no later character can add one there. With nothing enforced `settled` is the length so far.
    """

    findings: tuple[Finding, ...]
    settled: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a policy comes to for one direction and selection: active rules, and the banks that hold any."""

    direction: Direction
    level: Level
    active: Mapping[int, Rule]
    holding: tuple[Bank, ...]
    watching: tuple[Bank, ...]

    @property
    def idle(self) -> bool:
        return not self.active


def plan(rules: tuple[Rule, ...], banks: Iterable[Bank], direction: Direction, selection: Selection) -> Plan:
    """The plan for a selection. A bank holds text back where one of its active rules acts at this level."""
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
    )


class BrokenPromise(Exception):
    """A detector contradicted its own `safe_upto`. Caught by the judge, as any failure of a detector."""


@dataclass(slots=True, eq=False)
class _Reading:
    """One bank's scan of this text."""

    bank: Bank
    scan: Scan
    covered: dict[int, int]  # rule → the furthest end among its findings told so far
    safe_upto: int = 0

    def feed(self, piece: str, final: bool, length: int) -> tuple[Match, ...]:
        progress = self.scan.feed(piece, final=final)
        if not self.safe_upto <= progress.safe_upto <= length:
            raise BrokenPromise(f"safe_upto went from {self.safe_upto} to {progress.safe_upto} of {length}")
        for match in progress.matches:
            if not self.safe_upto <= match.start <= match.end <= length:
                raise BrokenPromise(f"a match at {match.start} after {self.safe_upto} was called safe")
        self.safe_upto = length if final else progress.safe_upto
        return progress.matches


@dataclass(frozen=True, slots=True, order=True)
class _Pending:
    """A match waiting for its turn: by start, longest first, then in the order of the rules."""

    start: int
    negative_length: int
    rule: int
    detector: str
    negative_score: float
    label: str
    cut: bool

    @property
    def end(self) -> int:
        return self.start - self.negative_length


@dataclass(slots=True)
class _View:
    """How one text's matches become findings; what its lanes share. (They hold no judge: a cycle would keep
    every text's scans until the collector comes by.)"""

    plan: Plan
    field: str
    context: Context
    errors: list[tuple[str, str]]

    def finding(self, detector: str, match: _Pending) -> Finding:
        """A match seen through its rule."""
        rule = self.plan.active[match.rule]
        action = rule.action_at(self.plan.level)
        if match.cut and rule.on_error is Action.BLOCK and self.plan.level is not Level.OPEN:
            action = Action.BLOCK
        return Finding(
            rule=rule.id,
            detector=detector,
            label=match.label,
            score=-match.negative_score,
            action=action,
            direction=self.plan.direction,
            field=self.field,
            start=match.start,
            end=match.end,
            mode=rule.mode,
            message=rule.message,
            severity=rule.severity,
        )

    def active(self, index: int) -> bool:
        return index in self.plan.active

    def failed(self, bank: Bank, error: Exception) -> list[int]:
        """Notes a detector's failure; gives the active rules whose `on_error` is to block."""
        # The error's own words could repeat the text that was judged, so only its kind is kept.
        kind = error.reason if isinstance(error, ScorerFailed) else type(error).__name__
        reason = f"{bank.detector}: {kind}"
        hit = sorted(index for index in bank.rules if index in self.plan.active)
        self.errors.extend((self.plan.active[index].id, reason) for index in hit)
        return [index for index in hit if self.plan.active[index].on_error is Action.BLOCK]


class Judge:
    """Judges one text. Feeding it in any pieces gives the same findings as feeding it at once."""

    __slots__ = ("_holding", "_length", "_settled", "_view", "_watching")

    def __init__(self, plan: Plan, field: str, context: Context = NO_CONTEXT) -> None:
        self._view = view = _View(plan, field, context, [])
        self._length = 0
        self._settled = 0
        self._holding = _Lane(view, plan.holding) if plan.holding else None
        self._watching = _Lane(view, plan.watching) if plan.watching else None

    def feed(self, piece: str, *, final: bool = False) -> Ruling:
        """Take the next characters; with `final` the text ends here, and all of it is settled."""
        acting: list[Finding] = []
        watched: list[Finding] = []
        # A long piece goes in by slices: detectors then never hold more than a slice's matches at once.
        last = max(0, len(piece) - 1) // SLICE_CHARS
        for number in range(last + 1):
            part = piece if last == 0 else piece[number * SLICE_CHARS : (number + 1) * SLICE_CHARS]
            ends = final and number == last
            self._length += len(part)
            if self._holding is not None:
                self._settled = self._holding.feed(part, ends, self._length, acting)
            else:
                self._settled = self._length
            if self._watching is not None:
                self._watching.feed(part, ends, self._length, watched)
        if acting and watched:
            acting = sorted(
                acting + watched, key=lambda finding: (finding.start, finding.start - finding.end)
            )
        return Ruling(tuple(acting or watched), self._settled)

    @property
    def errors(self) -> tuple[tuple[str, str], ...]:
        """Every (rule, reason) that did not see the text to its end: its detector failed, or found too much."""
        return tuple(self._view.errors)

    @property
    def scores(self) -> Mapping[str, float]:
        """The highest score per label so far."""
        scores: dict[str, float] = {}
        for lane in (self._holding, self._watching):
            for reading in lane.readings if lane is not None else ():
                for label, score in reading.scan.scores.items():
                    if score > scores.get(label, -1.0):
                        scores[label] = score
        return scores


class _Lane:
    """Banks whose findings are told in common order."""

    __slots__ = ("_blocked", "_count", "_pending", "_told", "_unopened", "_view", "readings")

    def __init__(self, view: _View, banks: tuple[Bank, ...]) -> None:
        self._view = view
        self._pending: list[tuple[_Pending, int, _Reading | None]] = []
        self._count = 0  # settles what two equal matches would leave open
        self._told = 0
        self._blocked = False  # one over the limit blocked the text
        self._unopened = banks
        self.readings: list[_Reading] = []

    def feed(self, piece: str, final: bool, length: int, found: list[Finding]) -> int:
        """Feed all banks, add what became final to `found`, and give how far the lane is settled."""
        if self._unopened:
            self._open(length)
        broken: list[_Reading] = []
        for reading in self.readings:
            try:
                matches = reading.feed(piece, final, length)
            except Exception as error:  # noqa: BLE001 - the declared boundary: a detector's failure is on_error
                self._fail(reading.bank, error, reading.safe_upto, length)
                broken.append(reading)
                continue
            for match in matches:
                if self._view.active(match.rule):
                    self._wait(match, reading)
        if broken:
            self.readings = [reading for reading in self.readings if reading not in broken]
        settled = min((reading.safe_upto for reading in self.readings), default=length)
        while self._pending and (final or self._pending[0][0].start < settled):
            pending, _, source = heappop(self._pending)
            self._tell(pending, source, found)
        return settled

    def _open(self, length: int) -> None:
        for bank in self._unopened:
            try:
                self.readings.append(_Reading(bank, bank.open(self._view.context), {}))
            except Exception as error:  # noqa: BLE001 - the same boundary
                self._fail(bank, error, 0, length)
        self._unopened = ()

    def _wait(self, match: Match, reading: _Reading) -> None:
        pending = _Pending(
            match.start,
            match.start - match.end,
            match.rule,
            reading.bank.detector,
            -match.score,
            match.label,
            match.cut,
        )
        self._push(pending, reading)

    def _push(self, pending: _Pending, reading: _Reading | None) -> None:
        self._count += 1
        heappush(self._pending, (pending, self._count, reading))

    def _fail(self, bank: Bank, error: Exception, at: int, length: int) -> None:
        """The rules of a bank that failed block from where it had settled the text, where they say so."""
        for index in self._view.failed(bank, error):
            pending = _Pending(at, at - length, index, bank.detector, -1.0, ERROR_LABEL, True)
            self._push(pending, None)

    def _tell(self, match: _Pending, reading: _Reading | None, found: list[Finding]) -> None:
        # A match inside another of the same rule and detector says nothing new. One that only overlaps does:
        # dropping it would leave its tail in a redacted text.
        if reading is not None:
            if match.end <= reading.covered.get(match.rule, -1) and not match.cut:
                return
            reading.covered[match.rule] = max(match.end, reading.covered.get(match.rule, -1))
        finding = self._view.finding(match.detector, match)
        self._told += 1
        if self._told <= FINDINGS_MAX:
            found.append(finding)
            return
        if self._told == FINDINGS_MAX + 1:
            self._view.errors.append((finding.rule, f"{match.detector}: more than {FINDINGS_MAX} findings"))
        if finding.acts and not self._blocked:
            self._blocked = True
            found.append(replace(finding, action=Action.BLOCK))
