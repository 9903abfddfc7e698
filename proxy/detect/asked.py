"""Banks whose sentences are scored in worker processes: named entities, and toxicity by a transformer.

Each sentence is one question to a scorer. A scan has ASKED_MAX of them open at a time, in order; its text is
settled up to the first sentence without an answer, and the open sentence is held. The text is read in the
folded view, so that invisible characters and other widths hide nothing from the model.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from proxy.detect.base import Context, Progress, Scored, Scorer, ScorerFailed, Ticket
from proxy.detect.entities import NER_ENTITIES
from proxy.detect.normalise import Reader, View, folded
from proxy.detect.pii import PiiEntry
from proxy.detect.sentences import Sentence, Sentences
from proxy.detect.toxicity import ToxicityEntry
from proxy.model.finding import Match

ASKED_MAX: Final = 4
"""Questions that one text has open at a time: enough to keep workers busy, too few to fill their queue."""

WAITING_CHARS_MAX: Final = 1_048_576
"""The most text of one scan that may wait for its questions' turn; past it the scorer counts as full."""

ASKED_ENTITIES: Final = NER_ENTITIES | {"DATE_TIME"}
"""What the language model finds. DATE_TIME has patterns too; the model's dates ("last Monday") count in rules
that name an entity which only the model finds."""

Read: TypeAlias = Callable[[Sentence, Sequence[Scored]], Iterator[Match]]
"""Makes the answer about a sentence into matches, by start."""


class NerBank:
    """The personal-data rules, as far as a language model finds their entities."""

    detector = "pii"
    reads_context = False

    def __init__(self, entries: Sequence[PiiEntry], scorer: Scorer) -> None:
        self.rules = frozenset(entry.rule for entry in entries)
        self.scorer = scorer
        self._view = folded()
        self._wanted = tuple((entry.rule, entry.entities, entry.min_score) for entry in entries)

    def open(self, _: Context, /) -> _AskedScan:
        return _AskedScan(self._view, self.scorer, self._read, {})

    def _read(self, sentence: Sentence, answer: Sequence[Scored]) -> Iterator[Match]:
        end = len(sentence.text)
        for scored in sorted(answer, key=lambda one: (one.start, -one.end, one.label)):
            touches = sentence.forced and scored.end == end
            for rule, entities, least in self._wanted:
                if scored.label in entities and scored.score >= least:
                    first, last = sentence.raw_range(scored.start, scored.end)
                    yield Match(rule, scored.label, scored.score, first, last, touches)


class TransformerBank:
    """The toxicity rules, each sentence scored by a transformer. A finding is its whole sentence."""

    detector = "toxicity"
    reads_context = False

    def __init__(self, entries: Sequence[ToxicityEntry], scorer: Scorer) -> None:
        self.rules = frozenset(entry.rule for entry in entries)
        self.scorer = scorer
        self._view = folded()
        self._thresholds = tuple(
            (entry.rule, label, threshold)
            for entry in entries
            for label, threshold in entry.thresholds.items()
        )

    def open(self, _: Context, /) -> _AskedScan:
        scores: dict[str, float] = {}

        def read(sentence: Sentence, answer: Sequence[Scored]) -> Iterator[Match]:
            said = {scored.label: scored.score for scored in answer}
            for label, score in said.items():
                scores[label] = max(score, scores.get(label, 0.0))
            for rule, label, threshold in self._thresholds:
                if (score := said.get(label, 0.0)) >= threshold:
                    yield Match(rule, label, score, sentence.start, sentence.end)

        return _AskedScan(self._view, self.scorer, read, scores)


class _Full:
    """The ticket of a question that was never put."""

    def done(self) -> bool:
        return True

    def result(self) -> Sequence[Scored]:
        raise ScorerFailed("full")

    def add_done_callback(self, tell: Callable[[object], object], /) -> object:
        return tell(self)


_FULL: Final = _Full()


class _AskedScan:
    """One text."""

    __slots__ = (
        "_chars",
        "_over",
        "_questions",
        "_read",
        "_scorer",
        "_scores",
        "_sentences",
        "_told",
        "_unasked",
    )

    def __init__(self, view: View, scorer: Scorer, read: Read, scores: Mapping[str, float]) -> None:
        self._sentences = Sentences(Reader(view))
        self._scorer = scorer
        self._read = read
        self._scores = scores
        self._questions: deque[tuple[Sentence, Ticket]] = deque()
        self._unasked: deque[Sentence] = deque()
        self._chars = 0  # of what is unasked
        self._over: Sentence | None = None  # more text came than may wait: from here on it is not asked about
        self._told = 0  # the last `safe_upto`

    @property
    def scores(self) -> Mapping[str, float]:
        return self._scores

    @property
    def waiting(self) -> Sequence[Ticket]:
        return [ticket for _, ticket in self._questions]

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        for sentence in self._sentences.push(piece, final=final):
            if self._over is None and any(map(str.isalpha, sentence.text)):
                self._unasked.append(sentence)
                self._chars += len(sentence.text)
                if self._chars > WAITING_CHARS_MAX:
                    self._over = self._unasked[0]
                    self._unasked = deque((self._over,))
        return self._go_on()

    def poll(self) -> Progress:
        return self._go_on()

    def _go_on(self) -> Progress:
        """Take the answers that came, in order, and ask on. What stands before one that failed is told first."""
        matches: list[Match] = []
        while True:
            self._ask()
            if not self._questions:
                return self._tell(matches, self._sentences.open_at)
            sentence, ticket = self._questions[0]
            if not ticket.done():
                return self._tell(matches, sentence.start)
            try:
                answer = ticket.result()
            except ScorerFailed:
                if matches or sentence.start > self._told:
                    return self._tell(matches, sentence.start)
                raise
            self._questions.popleft()
            matches.extend(self._read(sentence, answer))

    def _ask(self) -> None:
        while self._unasked and len(self._questions) < ASKED_MAX:
            sentence = self._unasked.popleft()
            self._chars -= len(sentence.text)
            ticket = _FULL if sentence is self._over else self._scorer.ask(sentence.text)
            self._questions.append((sentence, ticket))

    def _tell(self, matches: list[Match], safe_upto: int) -> Progress:
        self._told = safe_upto
        return Progress(tuple(matches), safe_upto)
