"""The two other sides of `benchmarks.dial`: a backend that goes on speaking, and the clients that listen.

    python -m benchmarks.dial_streams backend PORT TOKENS_PER_S
    python -m benchmarks.dial_streams clients PORT STREAMS [NAME_TO_BE_CUT …]

The clients print `speaking` once each stream has brought text, and at the end one JSON line with moments of
time.monotonic(). They note when bytes came and look into them only afterwards.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle, islice
from types import MappingProxyType
from typing import Final, cast

import uvloop
from aiohttp import web

from proxy.demo import anthropic, openai_chat, openai_responses
from proxy.demo.script import Ask, Scene

SAID: Final = (" The", " falcon", " flies", ".")
SPEAKS_S: Final = 90
"""How long a stream would go on."""
LISTENS_S: Final = 30.0
"""How long the clients wait for a turn and its effects."""
AFTER_S: Final = 1.0
"""How long they go on listening then."""
CLEAR, EDITED = b"falcon", b"<PHRASE>"

Frames = Callable[[Ask, Scene, str, int], Iterator[bytes]]
FRAMES: Final[Mapping[str, Frames]] = MappingProxyType(
    {
        "/v1/chat/completions": openai_chat.chat_frames,
        "/v1/completions": openai_chat.completion_frames,
        "/v1/responses": openai_responses.frames,
        "/v1/messages": anthropic.frames,
    }
)
ASKED: Final[Mapping[str, dict[str, object]]] = MappingProxyType(
    {
        "/v1/chat/completions": {"messages": [{"role": "user", "content": "Tell me about birds."}]},
        "/v1/completions": {"prompt": "Tell me about birds."},
        "/v1/responses": {"input": "Tell me about birds."},
        "/v1/messages": {
            "messages": [{"role": "user", "content": "Tell me about birds."}],
            "max_tokens": 90_000,
        },
    }
)


async def backend(port: int, tokens_per_s: float) -> None:
    scene = Scene(tokens=tuple(islice(cycle(SAID), int(SPEAKS_S * tokens_per_s))))
    whole = openai_chat.chat(Ask("m", "birds"), Scene(tokens=("Hello.",)), "c", 1)
    frames = {
        path: tuple(make(Ask("m", "birds", stream=True), scene, "c", 1)) for path, make in FRAMES.items()
    }

    async def speak(request: web.Request) -> web.StreamResponse:
        if not (await request.json()).get("stream"):
            return web.json_response(whole)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            for frame in frames[request.path]:
                await response.write(frame)
                await asyncio.sleep(1 / tokens_per_s)
        except ConnectionError:
            pass  # its reader was told to leave
        return response

    async def ready(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/readyz", ready)
    for path in FRAMES:
        app.router.add_post(path, speak)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=512).start()
    await asyncio.Event().wait()


class Stream(asyncio.Protocol):
    """One stream: what came, and when."""

    def __init__(self, path: str, name: str, cut: bool, noted: asyncio.Event) -> None:
        self.path, self.name, self.cut = path, name, cut
        self.came: list[tuple[float, bytes]] = []
        self.ended: float | None = None
        self.speaks = self.edited = False
        self._noted = noted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        body = json.dumps({"model": "m", "stream": True, **ASKED[self.path]}).encode()
        extra = "anthropic-version: 2023-06-01\r\n" if self.path == "/v1/messages" else ""
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {self.name}-key\r\n{extra}"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        cast(asyncio.Transport, transport).write(head.encode() + body)

    def data_received(self, data: bytes) -> None:
        self.came.append((time.monotonic(), data))
        if not self.speaks and CLEAR in data:
            self.speaks = True
            self._noted.set()
        if not self.edited and EDITED in data:
            self.edited = True
            self._noted.set()
        if data.endswith(b"0\r\n\r\n"):  # no frame ends so
            self.ended = time.monotonic()
            self._noted.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.ended is None:
            self.came.append((time.monotonic(), b"(cut)"))
        self._noted.set()

    @property
    def turned(self) -> bool:
        """Whether the turn has reached it."""
        return self.ended is not None if self.cut else self.edited


async def until(streams: list[Stream], noted: asyncio.Event, holds: Callable[[Stream], bool]) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(LISTENS_S):
        while not all(map(holds, streams)):
            noted.clear()
            await noted.wait()


async def clients(port: int, count: int, to_be_cut: frozenset[str]) -> None:
    loop, noted = asyncio.get_running_loop(), asyncio.Event()
    streams: list[Stream] = []
    for number in range(count):
        path = tuple(ASKED)[number % len(ASKED)]
        name = ("shop", "other")[number // len(ASKED) % 2]
        stream = Stream(path, name, name in to_be_cut, noted)
        streams.append(stream)
        await loop.create_connection(lambda stream=stream: stream, "127.0.0.1", port)  # type: ignore[misc]
    try:
        await until(streams, noted, lambda stream: stream.speaks)
        print("speaking", flush=True)
        await until(streams, noted, lambda stream: stream.turned)
    except TimeoutError:
        late = [stream for stream in streams if not (stream.turned if streams[0].speaks else stream.speaks)]
        tail = late[0].came[-1:] if late else []
        sys.exit(
            f"{len(late)} of {count} streams are as they were, as {late[0].path if late else ''}: {tail!r}"
        )
    await asyncio.sleep(AFTER_S)
    print(json.dumps(found(streams)), flush=True)


def found(streams: list[Stream]) -> dict[str, list[float]]:
    """Raises SystemExit where a stream did not do what the turn asks for."""
    stay = [stream for stream in streams if not stream.cut]
    for stream in streams:
        said = b"".join(data for _, data in stream.came)
        if not said.startswith(b"HTTP/1.1 200") or (stream.ended is not None) is not stream.cut:
            sys.exit(f"a stream on {stream.path} went {said[-400:]!r}")
        if stream.cut and b"offline" not in said[-3000:] and b"switched off" not in said[-3000:]:
            sys.exit(f"a stream on {stream.path} was cut without a word: {said[-400:]!r}")
    return {
        "cut": [stream.ended for stream in streams if stream.ended is not None],
        "stricter": [next(at for at, data in stream.came if EDITED in data) for stream in stay],
        "looser": [max(at for at, data in stream.came if CLEAR in data) for stream in stay],
    }


if __name__ == "__main__":
    role, port, number, *rest = sys.argv[1:]
    if role == "backend":
        uvloop.run(backend(int(port), float(number)))
    else:
        uvloop.run(clients(int(port), int(number), frozenset(rest)))
