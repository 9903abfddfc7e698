"""Where one text ends and the next begins, for a reader who puts both together.

A reply may come as several blocks of text, or parts of one item, and clients join them: a value split over
two of them must be found. Each text is judged by itself, as ever; a seam judges the end of one and the
beginning of the next once more, as one text, and tells only what lies across. As long as such a finding may
still begin, the seam holds both back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from proxy.detect.base import Ticket
from proxy.model.finding import Finding
from proxy.policy.match import Judge, Plan, Ruling
from proxy.policy.redact import placeholder
from proxy.policy.view import ERROR_LABEL
from proxy.request.pieces import readable


class Side(Protocol):
    """A text at a seam."""

    errors: set[tuple[str, str]]

    def hold(self, upto: int | None) -> None: ...

    def found(self, finding: Finding, start: int, end: int, text: str) -> None: ...


class Seam:
    """One text's end, and what followed it until that was settled: mostly a few words of one text, seldom several
    short ones."""

    def __init__(self, first: Side, at: int, judge: Judge) -> None:
        """The seam reads from character `at` of the first text on."""
        self._errors = first.errors
        self._judge = judge
        self._sides: list[tuple[Side, int]] = [(first, -at)]  # and where its character 0 is, here
        self._length = 0
        self._over = False  # nothing across can begin any more
        self._ending = False
        self._failures: list[Finding] = []  # of banks that failed before anything followed

    @property
    def open(self) -> bool:
        """Whether something across the latest end may still be found."""
        return not self._over

    @property
    def waiting(self) -> Sequence[Ticket]:
        return () if self._over else self._judge.waiting

    def feed(self, side: Side, piece: str) -> None:
        """Text of that side; a new one begins behind all before."""
        if self._over or self._ending:
            return
        if side is not self._sides[-1][0]:
            self._sides.append((side, self._length))
            for failure in self._failures:
                self._tell(failure)
            self._failures.clear()
        self._length += len(piece)
        self._take(self._judge.feed(readable(piece)))

    def end(self) -> None:
        """Nothing follows any more."""
        if self._over or self._ending:
            return
        self._ending = True
        if len(self._sides) > 1:
            self._take(self._judge.feed("", final=True))
        else:
            self.leave()

    def tighten(self, plan: Plan) -> None:
        """As a text."""
        self._judge.tighten(plan)

    def poll(self, *, last: bool) -> None:
        """As a text's."""
        if not self._over and self._judge.waiting:
            self._take(self._judge.give_up() if last else self._judge.poll())

    def _take(self, ruling: Ruling) -> None:
        followed = len(self._sides) > 1
        for finding in ruling.findings:
            if followed:
                self._tell(finding)
            elif finding.label == ERROR_LABEL:
                self._failures.append(finding)
        if followed:
            self._errors.update(self._judge.errors)
        latest = self._sides[-1][1]
        past = followed and ruling.settled >= latest
        if past or (self._ending and not self._judge.waiting):
            self.leave()
            return
        for side, start in self._sides:
            side.hold(max(0, ruling.settled - start))

    def _tell(self, finding: Finding) -> None:
        text = placeholder(finding.label)
        failed = finding.label == ERROR_LABEL
        starts = [start for _, start in self._sides]
        across = any(finding.start < start < finding.end for start in starts[1:])
        for number, (side, start) in enumerate(self._sides):
            end = starts[number + 1] if number + 1 < len(starts) else self._length
            if across and finding.start < end and finding.end > start:
                side.found(finding, max(finding.start, start) - start, min(finding.end, end) - start, text)
                text = ""
            elif failed and start <= finding.start <= end:
                side.found(finding, finding.start - start, finding.start - start, "")
                failed = False

    def leave(self) -> None:
        """Hold nothing any longer, whatever may still lie across."""
        self._over = True
        for side, _ in self._sides:
            side.hold(None)
        self._sides.clear()  # its texts hold it: a cycle would keep them until the collector comes by
