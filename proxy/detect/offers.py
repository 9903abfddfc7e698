"""What rules may count on: what a policy is compiled with, beside its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.detect.base import Scorer
from proxy.subjects import SubjectName

LEXICAL_LABELS = frozenset({"toxicity"})
"""What the word model that ships gives."""


@dataclass(frozen=True, slots=True)
class Offers:
    """The scorers that this installation has, and the backends of its settings.

    `ner` finds named entities; where it is None, `ner_missing` says what to do about it. `toxicity` scores
    `toxicity_labels`; where it is None the word model does, and `toxicity_missing` says what others would need.
    `backends` are all of the settings, each with why it cannot answer in place of a killed model, or None where it
    can; `unmatched` tells of a caller's name why no exchange can carry it, or None; `alerts` are the names of the
    alert targets. All three are None as a whole where no settings are known.
    """

    ner: Scorer | None = None
    ner_missing: str = "install the extra `ner`"
    toxicity: Scorer | None = None
    toxicity_labels: frozenset[str] = LEXICAL_LABELS
    toxicity_missing: str = "it needs the detoxify engine"
    backends: Mapping[str, str | None] | None = None
    unmatched: Callable[[SubjectName], str | None] | None = None
    alerts: frozenset[str] | None = None


NO_SCORERS = Offers()
"""Rules by themselves: what needs a process is refused."""
