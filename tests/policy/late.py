"""A bank whose answers come later: it has every sentence scored elsewhere, and whoever tests it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from proxy.detect.base import Context, Progress, Scan, Scored, ScorerFailed, Ticket
from proxy.model.finding import Match


@dataclass(eq=False)
class Question:
    """One text put to the desk, and its ticket."""

    text: str
    answer: Sequence[Scored] | ScorerFailed | None = None
    callbacks: list[Callable[[object], object]] = field(default_factory=list)

    def done(self) -> bool:
        return self.answer is not None

    def result(self) -> Sequence[Scored]:
        assert self.answer is not None
        if isinstance(self.answer, ScorerFailed):
            raise self.answer
        return self.answer

    def add_done_callback(self, tell: Callable[[object], object], /) -> object:
        if self.done():
            return tell(self)
        self.callbacks.append(tell)
        return None


@dataclass
class Desk:
    """A scorer by hand: it finds one word, and fails at sentences that hold another."""

    word: str = "bad"
    fails_at: str = "crash"
    open: list[Question] = field(default_factory=list)
    asked: int = 0
    prompt: bool = False  # whether it answers at once
    name: str = "desk"

    def ask(self, text: str) -> Ticket:
        question = Question(text)
        self.open.append(question)
        self.asked += 1
        if self.prompt:
            self.answer(-1)
        return question

    def answer(self, index: int = 0) -> None:
        """Answer one of the open questions."""
        question = self.open.pop(index % len(self.open))
        text = question.text
        if self.fails_at in text:
            question.answer = ScorerFailed("crashed")
        else:
            starts = [at for at in range(len(text)) if text.startswith(self.word, at)]
            question.answer = [Scored("bad", 0.9, at, at + len(self.word)) for at in starts]
        for tell in question.callbacks:
            tell(question)

    def answer_all(self) -> None:
        while self.open:
            self.answer()


class _LateScan:
    def __init__(self, bank: LateBank) -> None:
        self._bank = bank
        self._text = ""
        self._asked: list[tuple[int, Ticket]] = []  # where each sentence begins
        self._from = 0  # where the sentence that is still open begins
        self._told = 0
        self.scores: Mapping[str, float] = {}

    @property
    def waiting(self) -> Sequence[Ticket]:
        return [ticket for _, ticket in self._asked]

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        self._text += piece
        while (end := self._text.find(".", self._from) + 1) or (final and self._from < len(self._text)):
            end = end or len(self._text)
            self._asked.append((self._from, self._bank.desk.ask(self._text[self._from : end])))
            self._from = end
        return self.poll()

    def poll(self) -> Progress:
        found: list[Match] = []
        while self._asked and self._asked[0][1].done():
            start, ticket = self._asked[0]
            try:
                answer = ticket.result()
            except ScorerFailed:
                if found or start > self._told:
                    break  # what stands before it is told first
                raise
            for scored in answer:
                found.append(
                    Match(
                        self._bank.rule, scored.label, scored.score, start + scored.start, start + scored.end
                    )
                )
                self.scores = {"bad": max(scored.score, self.scores.get("bad", 0.0))}
            self._asked.pop(0)
        self._told = self._asked[0][0] if self._asked else self._from
        return Progress(tuple(found), self._told)


@dataclass(frozen=True)
class LateBank:
    desk: Desk
    rule: int = 0
    detector: str = "toxicity"
    reads_context: bool = False

    @property
    def rules(self) -> frozenset[int]:
        return frozenset({self.rule})

    def open(self, context: Context, /) -> Scan:
        return _LateScan(self)

    def __hash__(self) -> int:
        return id(self)
