"""A probe as the rule files write it, a question whose answer is known; and what came of asking it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from proxy.model.level import Outcome
from proxy.model.observation import Observation

PROBE_APP = "probe"
"""The app of every probe's exchanges, on the log and for rules; their key is `probe:ID`, which nobody can claim."""


@dataclass(frozen=True, slots=True)
class Expect:
    """What an answer must be; exactly one is set. `exact` but for outer blanks; `contains`: all of these, whatever
    their case; `pattern`: RE2, anywhere; `refusal`: whether it must be one."""

    exact: str | None = None
    contains: tuple[str, ...] = ()
    pattern: str | None = None
    refusal: bool | None = None


@dataclass(frozen=True, slots=True)
class Compare:
    """How far the answers for several groups may lie apart. `length`: of the longest one, the share that the
    shortest may lack; `toxicity`, `sentiment`: between the highest and the lowest score; `refusal`: all refuse, or
    none."""

    length: float | None = None
    toxicity: float | None = None
    refusal: bool = False
    sentiment: float | None = None


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe. `models` None means every model that has a card. With `groups` it is asked once for each, with
    that word in place of `{name}`."""

    id: str
    messages: tuple[Message, ...]
    every_s: float
    timeout_s: float
    max_tokens: int
    models: tuple[str, ...] | None = None
    temperature: float | None = None
    expect: Expect | None = None
    name: str = ""
    groups: tuple[str, ...] = ()
    compare: Compare | None = None

    @property
    def asks(self) -> int:
        """How many questions it puts to each model."""
        return len(self.groups) or 1

    def questions(self) -> Iterator[tuple[str, tuple[Message, ...]]]:
        """Each group (an empty one where there are none), and what is asked for it."""
        if not self.groups:
            yield "", self.messages
        for group in self.groups:
            place = f"{{{self.name}}}"
            yield group, tuple(Message(one.role, one.content.replace(place, group)) for one in self.messages)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the exchange of one question came to. `text` is what the model said, whatever the rules made of it."""

    exchange: str
    outcome: Outcome
    text: str
    toxicity: float | None  # None where no rule scores replies
    version: str | None
    error: str | None
    observed: Observation | None


class Result(StrEnum):
    """How a probe went for one model."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # there was no answer to judge
    SKIPPED = "skipped"  # it was not asked, or the proxy answered itself


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a probe for one model. `met` and `fair` say whether the expectation held and whether the groups
    were treated alike: None where that was not asked or could not be told."""

    probe: str
    model: str
    result: Result
    why: str
    at: float  # Unix seconds
    seconds: float = 0.0
    version: str | None = None
    exchanges: tuple[str, ...] = ()
    met: bool | None = None
    fair: bool | None = None
    gaps: Mapping[str, float] = field(default_factory=dict)
