"""What every detector promises.

A text grows piece by piece. A detector answers for the text so far with its matches and with
`safe_upto`: the offset before which no later character can change its answer. Matches are final: each is
reported once, when its start lies before `safe_upto`. Feeding a text in any pieces yields the same matches
as feeding it at once: that is the property on which streaming rests, and it is tested for every detector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.model.finding import Match

HELD_CHARS_MAX = 4096
"""The most characters that any detector may leave open. A bound is part of a detector's meaning, not of the
stream: what reaches it is judged as if the text had ended there, whatever the pieces were."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One answer: the matches that became final with this piece, by start, and how far the text is settled."""

    matches: tuple[Match, ...]
    safe_upto: int


class Scan(Protocol):
    """One bank reading one growing text. Work is linear: text before `safe_upto` less a fixed context is
    never read again."""

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        """Take the next characters. With `final` the text ends here and `safe_upto` is its length."""
        ...

    @property
    def scores(self) -> Mapping[str, float]:
        """The highest score per label so far; empty for detectors that do not score."""
        ...


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

    def open(self) -> Scan:
        """A scan of a new text."""
        ...
