"""Load from a process of its own, and a check that every reply came whole.

python -m benchmarks.load URL COUNT AT_ONCE KIND [HEADERS as JSON]   → one JSON line on standard output

Kinds: `whole`, a small request; `stream`, the same for a streamed reply; `new`, a small request whose question no
request before asked; `long`, a context of 100 KB that none held; `turns`, conversations of TURNS turns, each
request with all that was said before it.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Final, Literal, cast
from urllib.parse import urlsplit

import uvloop

REPLY_S_MAX = 30.0
LONG_CHARS: Final = 100_000
TURNS: Final = 30
TURN_WORDS: Final = 60
QUESTION_WORDS: Final = 15
WORDS: Final = (
    "the", "of", "and", "a", "to", "in", "is", "that", "for", "it", "was", "with", "as", "on", "be", "at",
    "by", "this", "which", "from", "or", "have", "an", "are", "not", "but", "had", "they", "river", "garden",
    "winter", "story", "friend", "letter", "market", "window", "paper", "summer", "mountain", "bridge",
    "evening", "question", "answer", "walk", "read", "write", "find", "carry", "open", "close", "begin",
    "remember", "travel", "listen", "follow", "bring", "keep", "hold",
)  # fmt: skip

Kind = Literal["whole", "stream", "new", "long", "turns"]
Message = dict[str, str]

SYSTEM: Final[Message] = {"role": "system", "content": "You are a helpful assistant of a bookshop."}
QUESTION: Final[Message] = {
    "role": "user",
    "content": "Which of your books would you give to a friend who likes long walks?",
}


@dataclass(frozen=True, slots=True)
class Load:
    """What one run found. Latencies in milliseconds, to the whole reply's end, and to its body's first byte."""

    count: int
    at_once: int
    seconds: float
    p50_ms: float
    p99_ms: float
    first_p50_ms: float


def prose(words: int) -> str:
    """Sentences that are new each time: nothing that was remembered helps."""
    drawn = random.choices(WORDS, k=words)
    sentences = (" ".join(drawn[at : at + 12]).capitalize() for at in range(0, words, 12))
    return ". ".join(sentences) + "."


def contexts(kind: Kind) -> Iterator[list[Message]]:
    """The messages of one caller's requests, without end."""
    while True:
        if kind == "long":
            yield [SYSTEM, {"role": "user", "content": prose(LONG_CHARS // 4)[:LONG_CHARS]}]
        elif kind == "new":
            yield [SYSTEM, {"role": "user", "content": prose(QUESTION_WORDS)}]
        elif kind == "turns":
            messages = [SYSTEM]
            for _ in range(TURNS):
                messages.append({"role": "user", "content": prose(TURN_WORDS)})
                yield messages
                messages.append({"role": "assistant", "content": prose(TURN_WORDS)})
        else:
            yield [SYSTEM, QUESTION]


def request_bytes(host: str, headers: Mapping[str, str], kind: Kind, messages: list[Message]) -> bytes:
    """One chat request."""
    body = json.dumps({"model": "bench", "messages": messages, "stream": kind == "stream"}).encode()
    given = {"authorization": "Bearer none"} | dict(headers)
    more = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


async def read_reply(reader: asyncio.StreamReader) -> tuple[bytes, float]:
    """One reply's body, and when its first byte came. Raises RuntimeError unless it is a whole 200."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200 "):
        raise RuntimeError(head.split(b"\r\n", 1)[0].decode("latin-1"))
    if b"transfer-encoding: chunked" not in head:
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        body = bytearray(await reader.readexactly(1))
        first = time.perf_counter()
        return bytes(body + await reader.readexactly(length - 1)), first
    first, body = 0.0, bytearray()
    while size := int(await reader.readuntil(b"\r\n"), 16):
        first = first or time.perf_counter()
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return bytes(body), first


async def run(url: str, count: int, at_once: int, headers: Mapping[str, str], kind: Kind) -> Load:
    """That many requests, so many at a time on kept connections. Raises RuntimeError for any that failed."""
    host = urlsplit(url).netloc
    name, port = host.split(":")
    remaining = iter(range(count))
    latencies: list[float] = []
    firsts: list[float] = []
    end = b"data: [DONE]\n\n" if kind == "stream" else b"}"

    async def work() -> None:
        reader, writer = await asyncio.open_connection(name, int(port))
        for _, messages in zip(remaining, contexts(kind), strict=False):
            request = request_bytes(host, headers, kind, messages)
            began = time.perf_counter()
            writer.write(request)
            async with asyncio.timeout(REPLY_S_MAX):
                body, first = await read_reply(reader)
            latencies.append(time.perf_counter() - began)
            firsts.append(first - began)
            if not body.endswith(end):
                raise RuntimeError(f"a reply was cut: {body[-80:]!r}")
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    seconds = time.perf_counter() - began
    latencies.sort()
    return Load(
        count=len(latencies),
        at_once=at_once,
        seconds=seconds,
        p50_ms=latencies[len(latencies) // 2] * 1000,
        p99_ms=latencies[int(len(latencies) * 0.99)] * 1000,
        first_p50_ms=median(firsts) * 1000,
    )


if __name__ == "__main__":
    url, count, at_once, kind, *more = sys.argv[1:]
    headers = json.loads(more[0]) if more else {}
    found = uvloop.run(run(url, int(count), int(at_once), headers, cast(Kind, kind)))
    print(json.dumps(asdict(found)))
