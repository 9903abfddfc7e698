"""What detectors and rules say about a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from proxy.model.level import Action, Direction, Mode


@dataclass(frozen=True, slots=True)
class Match:
    """What a detector reports for one rule: a range of the raw text, half-open, in characters."""

    rule: int  # the rule's index in its policy
    label: str  # the entity, score label or kind: EMAIL_ADDRESS, toxicity, phrase
    score: float  # 0 to 1
    start: int
    end: int
    cut: bool = False  # it reached the detector's bound and might have gone on: the rule's on_error decides


class Hit(NamedTuple):
    """What findings are counted by."""

    rule: str
    direction: Direction
    action: Action
    mode: Mode


@dataclass(frozen=True, slots=True)
class Finding:
    """A match seen through its rule: what was found, where, and what the rule does about it."""

    rule: str
    detector: str
    label: str
    score: float
    action: Action
    direction: Direction
    field: str  # where the text stands: messages[2].content, choices[0].message.content
    start: int
    end: int
    mode: Mode = Mode.ENFORCE
    message: str = ""  # what the client reads in place of a blocked reply
    severity: str = "medium"
    unlogged: bool = False  # what it covers is not to stand on the log

    @property
    def acts(self) -> bool:
        """Whether the finding changes what is delivered."""
        return self.mode is Mode.ENFORCE and self.action is not Action.FLAG
