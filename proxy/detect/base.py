"""What every detector promises.

A text grows piece by piece. A detector answers for the text so far with its matches and with
`safe_upto`: the offset before which no later character can change its answer. Matches are final: each is
reported once, when its start lies before `safe_upto`. Feeding a text in any pieces yields the same matches
as feeding it at once: that is the property on which streaming rests, and it is tested for every detector.

Most detectors answer at once. One that needs a worker process puts questions to a `Scorer`, holds its text at
what is settled without their answers, and goes on when it is polled after a ticket was answered.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from proxy.model.finding import Match

T = TypeVar("T")

Steps = Generator[int, None, T]
"""Work by steps: yields what each of them weighed, and returns what came of all."""

HELD_CHARS_MAX = 4096
"""The most characters that any detector may leave open. A bound is part of a detector's meaning, not of the
stream: what reaches it is judged as if the text had ended there, whatever the pieces were."""


class Progress(NamedTuple):
    """One answer: the matches that became final with this piece, by start, and how far the text is settled."""

    matches: tuple[Match, ...]
    safe_upto: int


@dataclass(frozen=True, slots=True)
class Context:
    """What a detector may know of the exchange beside the text that it reads."""

    prompts: tuple[str, ...] = ()  # the request's system and developer texts, in body order
    messages: int = 0  # messages in the request's context window
    characters: int = 0  # characters of all the request's texts


NO_CONTEXT = Context()
"""A text by itself, as the commands judge it."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer of a scorer about the text that it was asked: a label, from 0 to 1, and the range that it is
    about, half-open, in characters."""

    label: str
    score: float
    start: int
    end: int


class ScorerFailed(Exception):
    """A scorer gave no usable answer. Caught by the judge, as any failure of a detector."""

    def __init__(self, reason: Literal["crashed", "timeout", "full", "bad_output"]) -> None:
        super().__init__(reason)
        self.reason = reason


class Ticket(Protocol):
    """A question put to a scorer outside this thread; its answer comes later. `asyncio.Future` fits. Each has
    a deadline of its scorer's, so that waiting for it is bounded."""

    def done(self) -> bool: ...

    def result(self) -> Sequence[Scored]:
        """The answer, once it is done. Raises ScorerFailed."""
        ...

    def add_done_callback(self, tell: Callable[[object], object], /) -> object:
        """Have `tell` called once it is done."""
        ...


class Scorer(Protocol):
    """What answers a bank's questions in worker processes."""

    @property
    def name(self) -> str:
        """ner, detoxify"""
        ...

    def ask(self, text: str) -> Ticket:
        """Put a text to it. A full queue is told by the ticket, too."""
        ...


class Scan(Protocol):
    """One bank reading one growing text. Work is linear: text before `safe_upto` less a fixed context is
    never read again.

    A scan takes its tickets' answers in the order in which it asked. It raises ScorerFailed from `feed` or `poll`
    when the first of them failed, and only once all before it is told: so what was settled by then does not hang
    on the order in which scorers answer."""

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        """Take the next characters. With `final` the text ends here, and `safe_upto` is its length unless
        tickets are open."""
        ...

    def poll(self) -> Progress:
        """What tickets answered since; called while `waiting` holds any, also after the text's end."""
        ...

    @property
    def waiting(self) -> Sequence[Ticket]:
        """The tickets that have yet to be answered or taken, in the order in which they were asked; none for a
        scan that answers at once."""
        ...

    @property
    def scores(self) -> Mapping[str, float]:
        """The highest score per label so far; empty for detectors that do not score."""
        ...


class _WithoutTickets:
    __slots__ = ()

    @property
    def waiting(self) -> Sequence[Ticket]:
        return ()

    def poll(self) -> Progress:
        raise AssertionError("nothing is asked of a scan without tickets")


class InlineScan(_WithoutTickets):
    """A scan that answers at once: what it has read, it has judged."""

    __slots__ = ()

    def unhurried(self) -> None:
        """Told before the first piece: all of the text is there, and nothing of it goes out before its end. What
        costs less for more text at once may wait for more."""


class SteppedScan(_WithoutTickets):
    """One that answers at once too, but may leave some of its work for later where it is asked to go `by_steps`: it
    is `behind` then, and holds what it has yet to judge, the text's end too, until it was told to go on often
    enough."""

    __slots__ = ("behind", "by_steps")

    behind: bool
    by_steps: bool

    @property
    def scores(self) -> Mapping[str, float]:
        raise NotImplementedError

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        raise NotImplementedError

    def go_on(self) -> Progress:
        """As `feed`, with the next step of what was fed before."""
        raise NotImplementedError


def at_once(work: Steps[T]) -> T:
    """What comes of work whose steps nobody counts."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: T = done.value
            return result


class Bank(Protocol):
    """One kind of detector holding the entries of many rules, compiled to run over a text in one pass."""

    @property
    def detector(self) -> str:
        """The detector's name in rule files: phrases, regex, pii, secrets, toxicity."""
        ...

    @property
    def rules(self) -> frozenset[int]:
        """The indices of the rules whose entries it holds."""
        ...

    @property
    def reads_context(self) -> bool:
        """Whether its answer hangs on the context: one text may then have several."""
        ...

    def open(self, context: Context, /) -> Scan:
        """A scan of a new text."""
        ...


@runtime_checkable
class Glancing(Bank, Protocol):
    """A bank that can tell of some whole texts at a glance that it has nothing to say of them."""

    def glance(self, text: str, /) -> Iterable[bool]:
        """Whether it is certain that a scan of the whole text would find and score nothing: where all of these are
        true. Each comes of one step, and all together take some 10 to 30 ns a character."""
        ...
