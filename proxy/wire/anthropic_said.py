"""What the client of a streamed message has seen, and the frames that end it in the proxy's own words.

The official client keeps the blocks in a list: nothing may stand before message_start, indices count up, a
delta must fit its block, and message_stop is the end.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy import jsonio
from proxy.model.record import Json
from proxy.wire.common import reply_index
from proxy.wire.errors import error_frame
from proxy.wire.plain import is_figure
from proxy.wire.shape import integer, mapping, sequence, string
from proxy.wire.sse import encode


class Said:
    """The message as far as the client has seen it."""

    def __init__(self, id: str, model: str) -> None:
        self._id = id
        self._model = model
        self._started = False
        self._block: tuple[int, str] | None = None  # the open block: index and type
        self._next = 0  # the index of the next new block
        self._told = False  # message_delta is out
        self._stopped = False
        self._used = 0  # output tokens, as far as it was told

    def saw(self, body: Mapping[str, Json]) -> None:
        """The client gets this event now."""
        kind = body.get("type")
        if kind == "content_block_start":
            block = reply_index(body, "index")
            self._block = (block, string(mapping(body.get("content_block")).get("type")) or "")
            self._next = max(self._next, block + 1)
        elif kind == "content_block_stop":
            self._block = None
        elif kind == "message_start":
            self._started = True
            message = mapping(body.get("message"))
            self._next = max(self._next, len(sequence(message.get("content"))))
            used = mapping(message.get("usage")).get("output_tokens")
            self._used = integer(used) if is_figure(used) else 0
        elif kind == "message_delta":
            self._told = True
        elif kind in ("message_stop", "error"):
            self._stopped = True

    def filtered(self, message: str) -> bytes:
        """Close what is open, say the message in a text block, and end the message as a refusal."""
        if self._stopped:
            return b""
        out: list[bytes] = []
        if not self._started:
            out.append(_event("message_start", message=message_object(self._id, self._model)))
        if not self._told:
            out.extend(self._say(message))
            delta: Json = {"stop_reason": "refusal", "stop_sequence": None}
            out.append(_event("message_delta", delta=delta, usage={"output_tokens": self._used}))
        elif self._block is not None:
            out.append(_event("content_block_stop", index=self._block[0]))
        out.append(_event("message_stop"))
        self._started = self._told = self._stopped = True
        return b"".join(out)

    def failed(self, code: str, message: str) -> bytes:
        """The error event; nothing follows it."""
        self._stopped = True
        return error_frame("anthropic", code, message)

    def _say(self, message: str) -> list[bytes]:
        """The message in the open text block, or in one of its own behind the block that is open; closed."""
        out: list[bytes] = []
        if self._block is not None and self._block[1] != "text":
            out.append(_event("content_block_stop", index=self._block[0]))
            self._block = None
        if self._block is None:
            self._block = (self._next, "text")
            self._next += 1
            block: Json = {"type": "text", "text": ""}
            out.append(_event("content_block_start", index=self._block[0], content_block=block))
        index = self._block[0]
        out.append(_event("content_block_delta", index=index, delta={"type": "text_delta", "text": message}))
        out.append(_event("content_block_stop", index=index))
        self._block = None
        return out


def message_object(id: str, model: str) -> dict[str, Json]:
    """A message of the proxy's own, still without content."""
    return {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


def _event(kind: str, **values: Json) -> bytes:
    return encode(jsonio.dumps({"type": kind, **values}), kind)
