"""Replies whose sentiment waits for the next look: it costs more than all else that an exchange's end does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from proxy.detect.sentiment import sentiment
from proxy.model.observation import Metric, Observation

SAID_MAX: Final = 1000
"""Replies that wait; of more between two looks these are the sample."""
READ_AT_ONCE: Final = 8
"""Of those, before others get their turn: some 2 ms."""


class Unread:
    """Belongs to one event loop. Not kept over a restart."""

    def __init__(self) -> None:
        self._said: list[Observation] = []

    def add(self, one: Observation) -> None:
        """An exchange whose reply may be read."""
        if one.said is not None and len(self._said) < SAID_MAX:
            self._said.append(one)

    def read(self) -> Iterator[list[Observation]]:
        """What they say, a few at a time, as samples of sentiment and of nothing else."""
        said, self._said = self._said, []
        for start in range(0, len(said), READ_AT_ONCE):
            yield [_sample(one) for one in said[start : start + READ_AT_ONCE]]


def _sample(one: Observation) -> Observation:
    return replace(one, values={Metric.SENTIMENT: sentiment(one.said or "")}, prompt=None, said=None)
