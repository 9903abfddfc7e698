"""`python -m benchmarks.hold`: how long one exchange keeps the event loop, at worst.

The proxy runs in this process with the shipped rules; the backend and the client run in another. A task that does
nothing but come round counts the CPU time of the loop's thread between two of its turns (not wall time: the
machines are noisy). Reported is the longest such time while each kind of body passed, and the one at rest.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

import aiohttp
from aiohttp import web

from benchmarks.overhead import ROOT, free_ports
from proxy.app import App
from proxy.settings import Address, Admin, BackendSettings, LogSettings, Settings

HOLD: Final = (sys.executable, "-m", "benchmarks.hold")
SIZE: Final = 250_000
PROSE: Final = "The parcel left our warehouse on Monday and should reach you within three days. "
DIGITS: Final = "212 555 0123 4 "
MAIL: Final = "write to jane.doe@example.com or "
WIDE: Final = "Ｗｉｄｅ ｔｅｘｔ ｗｉｔｈ accénts and юникод. "


def filled(part: str) -> str:
    return (part * (SIZE // len(part) + 1))[:SIZE]


def _turns(part: str, chars: int) -> list[object]:
    size = max(1, chars // len(part))
    return [
        {"role": "user" if turn % 2 == 0 else "assistant", "content": f"{turn} " + part * size}
        for turn in range(SIZE // (size * len(part)))
    ]


_ROWS: Final = [{"a": n, "b": "x@y.de"} for n in range(11_000)]
REQUESTS: Final = MappingProxyType(
    {
        "prose": [{"role": "user", "content": filled(PROSE)}],
        "digits": [{"role": "user", "content": filled(DIGITS)}],
        "digits without a gap": [{"role": "user", "content": filled("7")}],
        "mail": [{"role": "user", "content": filled(MAIL)}],
        "wide": [{"role": "user", "content": filled(WIDE)}],
        "many messages": _turns(PROSE, 60),
        "tool arguments": [
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "t",
                        "type": "function",
                        "function": {
                            "name": "f",
                            "arguments": json.dumps(_ROWS),
                        },
                    }
                ],
            }
        ],
        "many parts": [
            {"role": "user", "content": [{"type": "text", "text": "a b@c.de "} for _ in range(8_000)]}
        ],
    }
)
REPLIES: Final = ("prose", "digits", "digits without a gap", "mail", "wide")


def chunk(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(body)}\n\n".encode()


def content(kind: str) -> str:
    return str(REQUESTS[kind][0]["content"])  # type: ignore[index]


def stream(kind: str, size: int) -> Iterator[bytes]:
    text = content(kind)
    for at in range(0, len(text), size):
        yield chunk(text[at : at + size])
    yield chunk("").replace(b"null", b'"stop"') + b"data: [DONE]\n\n"


async def answer(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    how, _, kind = str(body["model"]).partition("/")
    if how in ("whole", "ask"):
        message = {"role": "assistant", "content": content(kind) if how == "whole" else "Yes."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]})
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"".join(stream(kind, 8 if how == "burst" else SIZE)))
    return response


def serve_backend(port: int) -> None:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/chat/completions", answer)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


async def ask(url: str, model: str, messages: object) -> None:
    """One exchange, from a process of its own so that its work is not the proxy's."""
    async with aiohttp.ClientSession() as session:
        body = {"model": model, "messages": messages, "stream": model.startswith(("burst", "delta"))}
        async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
            data = await reply.read()
            assert reply.status == 200, data[:300]


def client(url: str, model: str) -> None:
    how, _, kind = model.partition("/")
    asyncio.run(ask(url, model, REQUESTS[kind] if how == "ask" else [{"role": "user", "content": "hi"}]))


class Beat:
    """The longest the loop was kept between two turns of this task, in CPU seconds of its thread."""

    longest = 0.0

    async def run(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest = max(self.longest, now - before)
            before = now


async def measure(url: str) -> None:
    beat = Beat()
    task = asyncio.create_task(beat.run())
    cases = [f"ask/{kind}" for kind in REQUESTS]
    cases += [f"{how}/{kind}" for how in ("whole", "burst", "delta") for kind in REPLIES]
    await asyncio.sleep(0.5)
    rest = beat.longest
    print(f"{'at rest':32}{rest * 1000:9.1f} ms")
    for case in cases:
        beat.longest = 0.0
        process = await asyncio.create_subprocess_exec(*HOLD, "ask", url, case, cwd=ROOT)
        status = await process.wait()
        await asyncio.sleep(0.2)
        print(f"{case:32}{beat.longest * 1000:9.1f} ms" + ("" if status == 0 else "  FAILED"), flush=True)
    task.cancel()


async def main() -> None:
    (port,) = free_ports(1)
    backend = await asyncio.create_subprocess_exec(*HOLD, "backend", str(port), cwd=ROOT)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            listen=Address("127.0.0.1", 0),
            data_dir=Path(folder) / "data",
            rules_dir=ROOT / "rules",
            admin=Admin(listen=Address("127.0.0.1", 0)),
            backends=MappingProxyType({"main": BackendSettings(f"http://127.0.0.1:{port}", "openai")}),
            default_backend="main",
            log=LogSettings(),
        )
        app = App(settings)
        bound = await app.start()
        try:
            await measure(f"http://{bound.client}")
        finally:
            await app.stop()
            backend.terminate()
            await backend.wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["backend", port]:
            serve_backend(int(port))
        case ["ask", url, case]:
            client(url, case)
        case _:
            asyncio.run(main())
