"""What the frames of a stream of `choices` tell about their reply, gathered as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.model.record import Json
from proxy.model.text import Channel, ToolCall
from proxy.wire.base import ReplyFacts
from proxy.wire.common import choice_index
from proxy.wire.shape import is_plain, mapping, sequence, string


class ChoicesFacts:
    """The facts so far, and what a frame of the proxy's own repeats of the backend's (`meta`)."""

    def __init__(self, meta: dict[str, Json]) -> None:
        self.meta = meta  # made up until the first frame brings the backend's own
        self._known = False
        self._tools: dict[Channel, ToolCall] = {}
        self._logprobs: list[Json] = []
        self.facts = ReplyFacts(tools=self._tools)

    def see(self, body: Mapping[str, Json], *, finishes: bool) -> None:
        """Facts are built anew only when one of them changed: most frames bring none. `finishes`: a choice of the
        frame has a finish reason."""
        if (
            self._known
            and not finishes
            and body.get("usage") is None
            and body.get("system_fingerprint") == self.facts.fingerprint
            and bool(self._logprobs) == (self.facts.logprobs is not None)
        ):
            return
        if not self._known and body.get("id"):
            self._known = True
            for key in ("id", "created", "model", "system_fingerprint", "service_tier"):
                if body.get(key) is not None and is_plain(body[key]):
                    self.meta[key] = body[key]
        facts = self.facts
        finish = facts.finish_reason
        for position, choice in enumerate(sequence(body.get("choices"))):
            entry = mapping(choice)
            reason = entry.get("finish_reason")
            if reason and choice_index(entry, position) == 0:
                finish = string(reason) or finish
        usage = body.get("usage")
        fingerprint = string(body.get("system_fingerprint")) or facts.fingerprint
        model = string(body.get("model")) or facts.model
        id = string(body.get("id")) or facts.id
        self.facts = ReplyFacts(
            model, fingerprint, id, finish, usage or facts.usage, self._logprobs or None, self._tools
        )

    def name_tool(self, channel: Channel, id: Json, name: Json) -> None:
        """Remember whose arguments the channel holds; id and name come once, in the first fragment."""
        known = self._tools.get(channel)
        id, name = string(id), string(name)
        if known is None or (id and not known.id) or (name and not known.name):
            self._tools[channel] = ToolCall(
                (known.id if known else None) or id, (known.name if known else None) or name
            )

    def take_logprobs(self, index: int, entries: Sequence[Json]) -> None:
        if index == 0:
            self._logprobs.extend(entries)
