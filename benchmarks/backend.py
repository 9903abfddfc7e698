"""A fast fake backend for measurements: OpenAI chat completions from prepared bytes, on a raw protocol.

    python -m benchmarks.backend PORT [AFTER_S]

It costs as little as Python can, so that the process under test is what is measured. A request that asks for a
stream gets a frame that names the role, as OpenAI's streams begin, and STREAM_CHUNKS frames with a token each,
FRAME_S apart, so that each arrives on its own as a model's tokens do. With AFTER_S whole replies come so many
seconds after their requests, and each says what none before it said.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final, cast

import uvloop

from benchmarks.load import prose

STREAM_CHUNKS: Final = 100
FRAME_S: Final = 0.005
REPLY_WORDS: Final = 30
TOKENS: Final = ("The", " quick", " brown", " fox", " jumps", " over", " the", " lazy", " dog", ".", " Then")
WHOLE_TEXT: Final = (
    "A guardrail stands between an application and its model. It reads every request before the model does, "
    "and every reply before the user does. Most of what passes is ordinary."
)


def _envelope(kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-bench", "object": kind, "created": 1_767_225_600, "model": "bench"}


def _whole(text: str = WHOLE_TEXT) -> bytes:
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 20, "completion_tokens": 40, "total_tokens": 60}
    body = json.dumps(_envelope("chat.completion") | {"choices": choices, "usage": usage}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _frame(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    data = (
        b"data: " + json.dumps(_envelope("chat.completion.chunk") | {"choices": [choice]}).encode() + b"\n\n"
    )
    return b"%x\r\n%b\r\n" % (len(data), data)


WHOLE: Final = _whole()
STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
FRAMES: Final = (
    _frame({"role": "assistant", "content": ""}),
    *(_frame({"content": TOKENS[n % len(TOKENS)]}) for n in range(STREAM_CHUNKS)),
    _frame({}, "stop") + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n",
)


class Backend(asyncio.Protocol):
    """Answers one request after the other; expects a content-length on each."""

    def __init__(self, after_s: float | None) -> None:
        self._after_s = after_s
        self._read = bytearray()
        self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self._loop = asyncio.get_running_loop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._read[:end]).lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._read) < end + 4 + length:
                return
            body = bytes(self._read[end + 4 : end + 4 + length])
            del self._read[: end + 4 + length]
            if b'"stream": true' in body or b'"stream":true' in body:
                self._transport.write(STREAM_HEAD)
                self._send(0)
            elif self._after_s is None:
                self._transport.write(WHOLE)
            else:
                self._loop.call_later(self._after_s, self._answer, _whole(prose(REPLY_WORDS)))

    def _answer(self, reply: bytes) -> None:
        if not self._gone:
            self._transport.write(reply)

    def _send(self, index: int) -> None:
        if self._gone:
            return
        self._transport.write(FRAMES[index])
        if index + 1 < len(FRAMES):
            self._loop.call_later(FRAME_S, self._send, index + 1)


async def main(port: int, after_s: float | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Backend(after_s), "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]) if sys.argv[2:] else None))
