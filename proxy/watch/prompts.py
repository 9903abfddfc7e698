"""What callers said lately: whether they ask something new each time, or the same again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

PROMPTS_MAX: Final = 50_000
"""Prompts of all callers that are remembered, by their hashes; then those not said for the longest time are new
again."""


class Prompts:
    """Belongs to one event loop. Not kept over a restart: then each prompt is new once more."""

    def __init__(self) -> None:
        self._said: OrderedDict[tuple[str, int], None] = OrderedDict()

    def new(self, prompt: tuple[str, int]) -> bool:
        """Whether this caller did not say this lately; from now on they did."""
        if prompt in self._said:
            self._said.move_to_end(prompt)
            return False
        self._said[prompt] = None
        if len(self._said) > PROMPTS_MAX:
            self._said.popitem(last=False)
        return True
