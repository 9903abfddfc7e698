"""Which texts of a reply stand one behind the other, so that its reader may put them together."""

from __future__ import annotations

from proxy.model.text import Kind
from proxy.request.judged import JudgedText


class Order:
    """The latest text of each choice."""

    def __init__(self) -> None:
        self._last: dict[int, JudgedText] = {}

    def opened(self, text: JudgedText) -> JudgedText | None:
        """A text begins; the one before it, which may end here, is returned. One of another chain ends the run of
        those that are read together; names and notes (OTHER) may stand between."""
        channel = text.channel
        if channel.kind is Kind.OTHER:
            return None
        before = self._last.get(channel.choice)
        if before is not None:
            if channel.chain and before.channel.chain == channel.chain:
                text.follow(before)
            else:
                before.unfollowed()
        self._last[channel.choice] = text
        return before

    def ended(self) -> None:
        """No text follows any more."""
        for text in self._last.values():
            text.unfollowed()
        self._last.clear()
