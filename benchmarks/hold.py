"""`python -m benchmarks.hold`: how long one exchange keeps the event loop, at worst.

The proxy runs in this process with the shipped rules; the backend and the client run in another. A task that does
nothing but come round counts the CPU time of the loop's thread between two of its turns (not wall time: the
machines are noisy). Reported is the longest such time while each kind of exchange passed, and the one at rest.
`--where` adds the places in the code that were seen most often in the longest.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Final

import aiohttp
from aiohttp import web

from benchmarks.hold_cases import body, cases, stream, whole
from benchmarks.overhead import ROOT, free_ports
from proxy.app import App
from proxy.collector import Collector
from proxy.settings import Address, Admin, BackendSettings, LogSettings, Settings

HOLD: Final = (sys.executable, "-m", "benchmarks.hold")
BOUND_MS: Final = 10.0
PLACE_FRAMES: Final = 5
SAMPLE_S: Final = 0.001


async def answer(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    case = str(asked["metadata"]["case"])
    if not asked["stream"]:
        return web.json_response(whole(case))
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"".join(stream(case)))
    return response


def serve_backend(port: int) -> None:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/chat/completions", answer)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


async def ask(url: str, case: str) -> None:
    """One exchange, from a process of its own so that its work is not the proxy's. Prints what was answered."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/chat/completions", json=body(case)) as reply,
    ):
        data = await reply.read()
        at = data.find(b'"error":{')
        print(reply.status, data[at : at + 120].decode("utf-8", "replace") if at >= 0 else "")


class Beat:
    """The longest the loop was kept between two turns of this task, in CPU seconds of its thread."""

    longest = 0.0
    since = 0.0

    async def run(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            if now - before > self.longest:
                self.longest = now - before
                self.when = (self.since, time.perf_counter())
            before, self.since = now, time.perf_counter()

    when = (0.0, 0.0)


class Sampler(threading.Thread):
    """Notes what the loop's thread is doing, now and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._thread = threading.get_ident()
        self._collecting = 0.0
        self.seen: list[tuple[float, str]] = []
        self.collected: list[tuple[float, float]] = []
        gc.callbacks.append(self._collector)

    def _collector(self, phase: str, info: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._collecting = now
        else:
            self.collected.append((now, now - self._collecting))

    def run(self) -> None:
        while True:
            time.sleep(SAMPLE_S)
            self.seen.append((time.perf_counter(), _place(sys._current_frames()[self._thread])))

    def most(self, begin: float, end: float) -> str:
        found = Counter(place for at, place in self.seen if begin <= at <= end).most_common(3)
        collecting = sum(took for at, took in self.collected if begin <= at <= end) * 1000
        places = "".join(f"\n    {count} x {place}" for place, count in found)
        return f"\n    {collecting:.1f} ms of garbage collection{places}"


def _place(frame: FrameType | None) -> str:
    out: list[str] = []
    while frame is not None and len(out) < PLACE_FRAMES:
        code = frame.f_code
        if "/proxy/" in code.co_filename or not out:
            out.append(f"{Path(code.co_filename).stem}.{code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(out)


async def measure(url: str, kinds: list[str], sampler: Sampler | None) -> None:
    beat = Beat()
    task = asyncio.create_task(beat.run())
    await asyncio.sleep(0.5)
    print(f"{'at rest':32}{beat.longest * 1000:11.1f} ms")
    over: list[str] = []
    for case in kinds:
        process = await asyncio.create_subprocess_exec(
            *HOLD, "ask", url, case, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2):  # a turn of the beat's own, so that to start a process counts as nobody's hold
            await asyncio.sleep(0)
        beat.longest = 0.0
        out, _ = await process.communicate()
        await asyncio.sleep(0.2)
        longest = beat.longest * 1000
        said = out.decode().strip()
        note = "" if said == "200" and process.returncode == 0 else f"  {said}"
        where = sampler.most(*beat.when) if sampler is not None and longest > BOUND_MS else ""
        print(f"{case:32}{longest:11.1f} ms{note}{where}", flush=True)
        if longest > BOUND_MS:
            over.append(f"{case} ({longest:.0f})")
    task.cancel()
    print(
        f"\n{len(kinds) - len(over)} of {len(kinds)} within {BOUND_MS:.0f} ms; over it: {', '.join(over) or 'none'}"
    )


async def main(kinds: list[str], *, where: bool) -> None:
    sampler = Sampler() if where else None
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
        if sampler is not None:
            sampler.start()
        try:
            front, recorder = app.front, app.recorder
            with closing(  # as `serve` has it
                Collector(lambda: front.in_flight + recorder.queue_depth, lambda: front.begun)
            ) as collector:
                collector.run()
                await measure(f"http://{bound.client}", kinds, sampler)
        finally:
            await app.stop()
            backend.terminate()
            await backend.wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["backend", port]:
            serve_backend(int(port))
        case ["ask", url, case]:
            asyncio.run(ask(url, case))
        case _:
            parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
            parser.add_argument("cases", nargs="*", help="such as ask/prose; all of them by default")
            parser.add_argument("--where", action="store_true", help="say where the longest holds were spent")
            args = parser.parse_args()
            asyncio.run(main(args.cases or cases(), where=args.where))
