"""Banks that read one text side by side, and whose findings are told in common order.

A lane is settled as far as its slowest bank. What a bank found becomes a finding once its start lies before
that: by start, the longest first, then in the order of the rules, whatever the pieces were and whichever
bank answered first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Final

from proxy.detect.base import Bank, InlineScan, Progress, Scan, ScorerFailed, SteppedScan, Ticket
from proxy.model.finding import Finding, Match
from proxy.model.level import Action
from proxy.policy.memory import Recall, Recalled
from proxy.policy.view import ERROR_LABEL, Pending, View

SCALED_DETECTOR: Final = "toxicity"
"""Its thresholds are scaled from the level degraded on. Its banks hold each rule twice: as itself with its own
thresholds, and as `scaled_rule` with the others."""

FINDINGS_MAX: Final = 10_000
"""Findings told of one text by the rules that hold it, and as many by those that watch. Past it the next one
that acts blocks the text, and the others are not told: a text made of findings must not fill the memory."""


def scaled_rule(rule: int) -> int:
    """What a bank calls the rule of that index with its thresholds scaled."""
    return ~rule


def unscaled(rule: int) -> int:
    return ~rule if rule < 0 else rule


class BrokenPromise(Exception):
    """A detector contradicted its own `safe_upto`. Caught by the lane, as any failure of a detector."""


@dataclass(slots=True, eq=False)
class Reading:
    """One bank's scan of this text."""

    bank: Bank
    scan: Scan
    keeps: bool  # whether what it says is to be remembered
    safe_upto: int = 0
    covered: dict[int, int] = field(
        default_factory=dict
    )  # rule → the furthest end among its findings told so far
    said: list[Match] = field(default_factory=list)  # where it is to be remembered
    stepped: SteppedScan | None = None  # the scan, where it may leave work for later

    def take(self, progress: Progress, length: int, *, final: bool) -> tuple[Match, ...]:
        """The matches of an answer. Raises BrokenPromise."""
        if not self.safe_upto <= progress.safe_upto <= length:
            raise BrokenPromise(f"safe_upto went from {self.safe_upto} to {progress.safe_upto} of {length}")
        for match in progress.matches:
            if not self.safe_upto <= match.start <= match.end <= length:
                raise BrokenPromise(f"a match at {match.start} after {self.safe_upto} was called safe")
        behind = self.stepped is not None and self.stepped.behind
        self.safe_upto = length if final and not behind and not self.scan.waiting else progress.safe_upto
        if self.keeps:
            self.said.extend(progress.matches)
        return progress.matches


class Lane:
    """Banks whose findings are told in common order."""

    __slots__ = (
        "_blocked", "_count", "_final", "_late", "_length", "_pending", "_stepped", "_told", "_unopened", "_view",
        "behind", "readings",
    )  # fmt: skip

    def __init__(self, view: View, banks: tuple[Bank, ...]) -> None:
        self._view = view
        self._pending: list[tuple[Pending, int, Reading | None]] = []
        self._count = 0  # settles what two equal matches would leave open
        self._told = 0
        self._length = 0
        self._final = False
        self._blocked = False  # one over the limit blocked the text
        self._unopened = banks
        self._late: list[Reading] = []  # those that may have to wait for a scorer
        self._stepped: list[Reading] = []  # those that may leave work for later
        self.behind = False  # one has: nothing is to be fed before it has gone on
        self.readings: list[Reading] = []

    @property
    def waiting(self) -> Sequence[Ticket]:
        """The tickets that keep the lane from being settled further: of each scan the first, for answers are taken
        in order. (Who waits for any would not sleep while a later one is answered and the first is not.)"""
        if not self._late:
            return ()
        return [ticket for reading in self._late for ticket in reading.scan.waiting[:1]]

    def feed(self, piece: str, final: bool, found: list[Finding]) -> int:
        """Feed all banks, add what became final to `found`, and give how far the lane is settled."""
        self._length += len(piece)
        self._final = final
        if self._unopened:
            self._open()
        broken: list[Reading] = []
        for reading in self.readings:
            try:
                matches = reading.take(reading.scan.feed(piece, final=final), self._length, final=final)
            except Exception as error:  # noqa: BLE001 - the declared boundary: a detector's failure is on_error
                self._fail(reading.bank, error, reading.safe_upto)
                broken.append(reading)
                continue
            for match in matches:
                self._wait(match, reading)
        return self._settle(broken, found)

    def go_on(self, found: list[Finding]) -> int:
        """As `feed`, with the next step of what is left of the last piece."""
        broken: list[Reading] = []
        for reading in self._stepped:
            if reading.stepped is None or not reading.stepped.behind:
                continue
            try:
                for match in reading.take(reading.stepped.go_on(), self._length, final=self._final):
                    self._wait(match, reading)
            except Exception as error:  # noqa: BLE001 - the same boundary
                self._fail(reading.bank, error, reading.safe_upto)
                broken.append(reading)
        return self._settle(broken, found)

    def poll(self, found: list[Finding]) -> int:
        """As `feed`, with what scorers answered since."""
        broken: list[Reading] = []
        for reading in self._late:
            try:
                while (waiting := reading.scan.waiting) and waiting[0].done():
                    for match in reading.take(reading.scan.poll(), self._length, final=self._final):
                        self._wait(match, reading)
            except Exception as error:  # noqa: BLE001 - the same boundary
                self._fail(reading.bank, error, reading.safe_upto)
                broken.append(reading)
        return self._settle(broken, found)

    def give_up(self, found: list[Finding]) -> int:
        """Wait no longer: what was not answered by now has failed."""
        broken = [reading for reading in self._late if reading.scan.waiting]
        for reading in broken:
            self._fail(reading.bank, ScorerFailed("timeout"), reading.safe_upto)
        return self._settle(broken, found)

    def hand_over(self, other: Lane, banks: Sequence[Bank]) -> int:
        """Have these banks read on in another lane of the text. Returns how far they are settled."""
        moved = [reading for reading in self.readings if reading.bank in banks]
        other._length, other._final = self._length, self._final
        other._count = max(other._count, self._count)
        other._unopened += tuple(bank for bank in self._unopened if bank in banks)
        self._unopened = tuple(bank for bank in self._unopened if bank not in banks)
        for lane, source in (
            (other.readings, self.readings),
            (other._late, self._late),
            (other._stepped, self._stepped),
        ):
            lane.extend(reading for reading in source if reading in moved)
        other.behind = other.behind or self.behind
        self._drop(moved)
        waits, self._pending = self._pending, []
        for entry in waits:
            heappush(other._pending if entry[2] in moved else self._pending, entry)
        return min([reading.safe_upto for reading in moved], default=self._length)

    def _settle(self, broken: list[Reading], found: list[Finding]) -> int:
        if broken:
            for reading in broken:
                self._view.scored(reading.scan.scores)
            self._drop(broken)
        self.behind = False
        for reading in self._stepped:
            if reading.stepped is not None and reading.stepped.behind:
                self.behind = True
        settled = min([reading.safe_upto for reading in self.readings], default=self._length)
        over = self._final and settled == self._length and not self.behind and not self.waiting
        while self._pending and (over or self._pending[0][0].start < settled):
            pending, _, source = heappop(self._pending)
            self._tell(pending, source, found)
        if over and self._view.recall is not None:
            self._remember(self._view.recall)
        return settled

    def _drop(self, gone: Sequence[Reading]) -> None:
        self.readings = [reading for reading in self.readings if reading not in gone]
        self._late = [reading for reading in self._late if reading not in gone]
        self._stepped = [reading for reading in self._stepped if reading not in gone]

    def _open(self) -> None:
        view = self._view
        for bank in self._unopened:
            try:
                known = view.recall.known(bank, view.context) if view.recall is not None else None
                if known is not None and not known.matches:  # it has nothing to say, as nearly always
                    view.scored(known.scores)
                    continue
                scan = bank.open(view.context) if known is None else Recalled(known)
                reading = Reading(bank, scan, view.recall is not None and known is None)
            except Exception as error:  # noqa: BLE001 - the same boundary
                self._fail(bank, error, 0)
                continue
            self.readings.append(reading)
            if isinstance(scan, InlineScan):
                if view.recall is not None:
                    scan.unhurried()
                continue
            if isinstance(scan, SteppedScan):
                scan.by_steps, reading.stepped = True, scan
                self._stepped.append(reading)
            else:
                self._late.append(reading)
        self._unopened = ()

    def _remember(self, recall: Recall) -> None:
        for reading in self.readings:
            if reading.keeps:
                reading.keeps = False
                recall.keep(reading.bank, self._view.context, reading.said, reading.scan.scores)

    def _wait(self, match: Match, reading: Reading) -> None:
        scaled = match.rule < 0
        rule = unscaled(match.rule)
        if rule not in self._view.plan.active:
            return
        pending = Pending(
            match.start,
            match.start - match.end,
            rule,
            reading.bank.detector,
            -match.score,
            match.label,
            match.cut,
            scaled,
        )
        self._push(pending, reading)

    def _push(self, pending: Pending, reading: Reading | None) -> None:
        self._count += 1
        heappush(self._pending, (pending, self._count, reading))

    def _fail(self, bank: Bank, error: Exception, at: int) -> None:
        """The rules of a bank that failed block from where it had settled the text, where they say so. Their
        finding is a place, not a range: how much was read by then is chance."""
        for index in self._view.failed(bank, error):
            self._push(Pending(at, 0, index, bank.detector, -1.0, ERROR_LABEL, True), None)

    def _tell(self, match: Pending, reading: Reading | None, found: list[Finding]) -> None:
        # A match inside another of the same rule and detector says nothing new. One that only overlaps does:
        # dropping it would leave its tail in a redacted text.
        if reading is not None:
            if match.detector == SCALED_DETECTOR and match.scaled is not self._view.plan.scaled:
                return
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
