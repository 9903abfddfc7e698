"""What the whole replies of chat completions and of legacy completions share: a list of `choices`.

Their streams are in openai_choices.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from proxy import jsonio
from proxy.model.record import Json
from proxy.model.text import Path
from proxy.wire.base import RequestView
from proxy.wire.common import JsonWire, choice_index, odd_names
from proxy.wire.openai_choices import DONE, FRAME_KEYS, FRAME_NAMES, ChoicesReader
from proxy.wire.shape import mapping, sequence
from proxy.wire.splice import splice

_NO_USAGE: Mapping[str, Json] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


class ChoicesWire(JsonWire):
    """A wire whose replies are choices. Subclasses read them, and render one of the proxy's own."""

    object_name = ""
    reader_type: ClassVar[type[ChoicesReader]]

    def filtered(self, index: int, message: str) -> Json:
        """A whole choice of the proxy's own, in filtered form."""
        raise NotImplementedError

    def block_reply(self, raw: bytes, body: Json, messages: Mapping[int, str]) -> bytes:
        reply = mapping(body)
        left = dict(messages)
        choices: list[Json] = []
        changes: dict[Path, bytes | None] = {}
        for position, entry in enumerate(sequence(reply.get("choices"))):
            index = choice_index(mapping(entry), position)
            if index in messages:
                left.pop(index, None)
                entry = self.filtered(index, messages[index])
                changes[("choices", position)] = jsonio.dumps(entry)
            choices.append(entry)
        if left:  # the finding stood outside of every choice
            choices.extend(self.filtered(index, message) for index, message in left.items())
            changes = {("choices",): jsonio.dumps(choices)}
        if 0 in messages:
            changes.update({(key,): None for key in reply if key not in FRAME_KEYS})
            changes.update(odd_names(reply, FRAME_NAMES))
        return splice(raw, changes)

    def static_reply(self, request: RequestView, message: str, *, id: str, created: int) -> bytes:
        return jsonio.dumps(
            {
                "id": f"{self.reader_type.id_prefix}{id}",
                "object": self.object_name,
                "created": created,
                "model": request.model or "",
                "choices": [self.filtered(index, message) for index in range(request.choices)],
                "usage": _NO_USAGE,
            }
        )

    def static_stream(self, request: RequestView, message: str, *, id: str, created: int) -> bytes:
        reader = self.reader(request, id=id, created=created)
        out = reader.interrupt(message)
        if request.usage_chunk:
            out = out.removesuffix(DONE) + reader.usage_chunk(_NO_USAGE) + DONE
        return out

    def reader(self, request: RequestView, *, id: str, created: int) -> ChoicesReader:
        return self.reader_type(request, id=id, created=created)
