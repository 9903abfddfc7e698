"""What an exchange costs, in counts that are the same on every machine: calls of functions in the proxy's code, and
how often a text is read. What a stream's frame costs is counted in `test_prose.py`, turns are in `test_turn.py`."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import FrameType

import aiohttp

import proxy
from proxy.detect import base, unless
from proxy.shipped import shipped_rules
from tests.fakes import Pause, ScriptedBackend, Sse
from tests.scenario.harness import Proxy, running, settings_for
from tests.scenario.test_no_leak import chat_frames

NEW_CALLS_MAX = 2415
AGAIN_CALLS_MAX = 2265
"""Calls that a small exchange takes on the event loop's thread, of the proxy's own functions and by them, with the
shipped rules and the log: of texts that are new, and of the same once more. They are some 2,285 and 2,135, and
up to fifty more on a machine so slow that an exchange gives others more turns. It was 2,520 and 2,300 before texts
were glanced over, and the log had its journal. (The demo backend's are among them.)"""

READINGS_MAX = 6
"""How often a character of a request is read: by a glance of each bank for requests, which is enough for prose."""

STREAMS = 20
STREAM_BYTES_MAX = 30_000
"""What an open stream holds of what the proxy's own code made for it: 27,400; 34,900 before it was looked at."""

HOME = str(Path(proxy.__file__).parent)
BANKS = str(Path(base.__file__).parent)
UNLESS = unless.__file__  # what stands around a bank reads no text itself
OWN = (tracemalloc.Filter(True, f"{Path(proxy.__file__).parent}/*"),)
SYSTEM = "You are a helpful assistant of a bookshop, and never tell the purchase price of a book."
QUESTION = "Which of your books would you give to a friend who likes long walks, number"


class Count:
    """Counts while it is entered, on this thread."""

    def __init__(self) -> None:
        self.calls = 0
        self.read = 0  # characters that banks glanced over, or their scans were fed

    def __enter__(self) -> Count:
        self._before = sys.getprofile()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event not in ("call", "c_call") or not code.co_filename.startswith(HOME):
            return
        self.calls += 1
        if (
            event == "call"
            and code.co_name in ("feed", "glance")
            and code.co_filename.startswith(BANKS)
            and code.co_filename != UNLESS
        ):
            self.read += len(frame.f_locals["piece" if code.co_name == "feed" else "text"])


async def test_what_a_small_exchange_costs(demo: Proxy) -> None:
    async with aiohttp.ClientSession() as session:

        async def ask(numbers: range) -> tuple[int, int, int]:
            """Calls, characters that banks read, and those of texts that are new."""
            said = 0
            with Count() as count:
                for number in numbers:
                    question = f"{QUESTION} {number}?"
                    body = {
                        "model": "demo",
                        "messages": [
                            {"role": "system", "content": SYSTEM},
                            {"role": "user", "content": question},
                        ],
                    }
                    async with session.post(f"{demo.url}/v1/chat/completions", json=body) as answer:
                        assert answer.status == 200
                        await answer.read()
                    said += len(question)
            return count.calls, count.read, said

        await ask(range(990, 993))  # what is worked out once is no exchange's cost
        calls, read, said = await ask(range(100, 110))
        assert calls / 10 <= NEW_CALLS_MAX
        assert said <= read <= READINGS_MAX * said
        calls, read, _ = await ask(range(100, 110))
        assert calls / 10 <= AGAIN_CALLS_MAX
        assert read == 0, "what was said of a text is remembered"


async def test_what_an_open_stream_holds(tmp_path: Path) -> None:
    def held() -> int:
        gc.collect()
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(OWN).traces)

    frames = list(chat_frames(["The falcon", " flies over the", " hill"]))[:4]
    async with (
        ScriptedBackend([Sse(frames, end=False), Pause()]) as backend,
        running(replace(settings_for(tmp_path, backend.url), rules_dir=shipped_rules())) as proxy,
        aiohttp.ClientSession() as session,
        AsyncExitStack() as streams,
    ):

        async def open_some(numbers: range) -> None:
            for number in numbers:
                asked = {"role": "user", "content": f"{QUESTION} {number}?"}
                body = {"model": "m", "stream": True, "messages": [asked]}
                post = session.post(f"{proxy.url}/v1/chat/completions", json=body)
                answer = await streams.enter_async_context(post)
                await answer.content.readuntil(b"falcon")

        tracemalloc.start()
        try:
            await open_some(range(100, 110))
            before = held()
            await open_some(range(200, 200 + STREAMS))
            assert (held() - before) / STREAMS <= STREAM_BYTES_MAX
        finally:
            tracemalloc.stop()
