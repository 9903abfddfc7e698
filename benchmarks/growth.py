"""How cost grows: with phrases, the length of a context, the turns of a conversation, open streams, and records.

    python -m benchmarks.growth [CURVE …]

CURVES: phrases, context, turns, streams, records; all of them without one. Each prints, for every size, what one
unit costs (CPU of the proxy's process tree, or its memory), and the slope: the exponent of the growth of the whole
cost, 1 where it is linear, by least squares over the logarithms. `--plot` prints Mermaid charts as well.

The proxy is as shipped, with the durable log; `phrases` alone is measured within this process. Every text is new.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import string
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Final

import uvloop

from benchmarks.load import SYSTEM, TURN_WORDS, WORDS, Message, prose, read_reply, request_bytes
from benchmarks.overhead import PYTHON, Target, free_ports, started
from benchmarks.process import cpu_s, memory_mb, rest, running
from proxy.detect.base import NO_CONTEXT
from proxy.detect.phrases import PhraseBank, PhraseEntry

ROUNDS: Final = 5
PHRASES: Final = (10, 100, 1_000, 10_000)
PHRASE_WORDS: Final = 3
TEXT_WORDS: Final = 4_000
PIECE_CHARS: Final = 512
CONTEXTS: Final = (1_000, 10_000, 100_000, 1_000_000)
CONTEXT_CHARS: Final = 2_000_000  # so many are sent for each size, at least twice
TURNS: Final = (1, 10, 20, 30, 60)
CONVERSATIONS: Final = 6
STREAMS: Final = (1, 10, 100, 1_000)
RECORDS: Final = (1_000, 2_000, 4_000, 8_000)
BATCH: Final = 16
WAIT_S: Final = 120.0
ALL_SPEAK_S: Final = 80.0  # they speak for 90 s
TOKENS_PER_S: Final = "0.2"
SAID: Final = b'"content":" The"'


@dataclass(frozen=True, slots=True)
class Curve:
    """What one unit costs at each size. `whole` is what all units of that size cost together, for the slope."""

    title: str
    size: str
    unit: str
    points: tuple[tuple[int, float], ...]  # size, cost of a unit
    whole: tuple[tuple[int, float], ...]

    @property
    def slope(self) -> float:
        """By least squares over the logarithms."""
        xs = [math.log(size) for size, _ in self.whole]
        ys = [math.log(cost) for _, cost in self.whole]
        x, y = sum(xs) / len(xs), sum(ys) / len(ys)
        return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)

    def table(self) -> str:
        """As Markdown."""
        sizes = " | ".join(f"{size:,}" for size, _ in self.points)
        costs = " | ".join(f"{cost:.3g}" for _, cost in self.points)
        rule = "| --- " * (len(self.points) + 1)
        return (
            f"{self.title}: slope {self.slope:.2f}\n\n| {self.size} | {sizes} |\n{rule}|\n"
            f"| {self.unit} | {costs} |\n"
        )

    def plot(self) -> str:
        """As a Mermaid chart: flat where the whole is linear."""
        sizes = ", ".join(f'"{size:,}"' for size, _ in self.points)
        costs = ", ".join(f"{cost:.4g}" for _, cost in self.points)
        top = max(cost for _, cost in self.points) * 1.25
        return (
            f'```mermaid\nxychart-beta\n  title "{self.title}, slope {self.slope:.2f}"\n'
            f'  x-axis "{self.size}" [{sizes}]\n  y-axis "{self.unit}" 0 --> {top:.3g}\n  line [{costs}]\n```\n'
        )


@contextmanager
def proxy() -> Iterator[Target]:
    """The proxy as shipped before the fast backend."""
    (at_backend,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        command = [PYTHON, "-m", "benchmarks.backend", str(at_backend)]
        stack.enter_context(running(command, f"http://127.0.0.1:{at_backend}/readyz"))
        yield started(stack, Path(folder) / "proxy", at_backend, frozenset())


class Caller:
    """One kept connection to the proxy."""

    async def open(self, target: Target) -> Caller:
        self._host = target.url.removeprefix("http://")
        name, port = self._host.split(":")
        self._reader, self._writer = await asyncio.open_connection(name, int(port))
        return self

    async def ask(self, messages: list[Message]) -> None:
        """Raises RuntimeError unless the reply is a whole 200."""
        self._writer.write(request_bytes(self._host, {}, "whole", messages))
        async with asyncio.timeout(WAIT_S):
            await read_reply(self._reader)

    async def listen(self) -> None:
        """Ask for a stream, and read until it has said something."""
        self._writer.write(request_bytes(self._host, {}, "stream", [SYSTEM, user(prose(15))]))
        read = b""
        while SAID not in read:
            data = await self._reader.read(65_536)
            if not data or not (read + data).startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"no stream: {(read + data)[:300]!r}")
            read += data

    def close(self) -> None:
        self._writer.close()


def user(text: str) -> Message:
    return {"role": "user", "content": text}


async def phrases() -> Curve:
    """A bank alone: the same texts through banks of more and more phrases, which begin as the texts do."""
    draw = random.Random(1)

    def phrase() -> str:
        made = "".join(draw.choices(string.ascii_lowercase, k=draw.randint(4, 9)))
        return " ".join((*draw.choices(WORDS, k=PHRASE_WORDS - 1), made))

    everything = [phrase() for _ in range(PHRASES[-1])]
    banks = {count: PhraseBank([PhraseEntry(0, tuple(everything[:count]))]) for count in PHRASES}
    costs: dict[int, list[float]] = {count: [] for count in PHRASES}
    for _ in range(ROUNDS):
        text = prose(TEXT_WORDS)
        for count in PHRASES:
            scan = banks[count].open(NO_CONTEXT)
            began = time.process_time()
            for at in range(0, len(text), PIECE_CHARS):
                scan.feed(text[at : at + PIECE_CHARS])
            scan.feed("", final=True)
            costs[count].append((time.process_time() - began) / len(text) * 1e6)
    points = tuple((count, median(costs[count])) for count in PHRASES)
    return Curve("Phrases of one policy", "phrases", "µs a character", points, points)


async def context() -> Curve:
    with proxy() as target:
        caller = await Caller().open(target)
        await caller.ask([SYSTEM, user(prose(50))])
        points = []
        for chars in CONTEXTS:
            count = max(2, CONTEXT_CHARS // chars // 4)
            texts = [prose(chars // 4)[:chars] for _ in range(count)]
            before = rest(target.pid)
            for text in texts:
                await caller.ask([SYSTEM, user(text)])
            points.append((chars, (rest(target.pid) - before) / count * 1000))
        caller.close()
    each = tuple((chars, ms / chars * 1000) for chars, ms in points)
    return Curve("Length of a new context", "characters", "µs a character", each, tuple(points))


async def turns() -> Curve:
    """Each turn's request holds all that was said before it; what is new in each is as long as in every other."""
    with proxy() as target:
        caller = await Caller().open(target)
        await caller.ask([SYSTEM, user(prose(50))])
        spent = dict.fromkeys(range(1, TURNS[-1] + 1), 0.0)
        for _ in range(CONVERSATIONS):
            messages = [SYSTEM]
            for turn in spent:
                messages.append(user(prose(TURN_WORDS)))
                before = cpu_s(target.pid)
                await caller.ask(messages)
                messages.append({"role": "assistant", "content": prose(TURN_WORDS)})
                spent[turn] += cpu_s(target.pid) - before
        caller.close()
    # The log works behind the replies: a turn's own figure is the mean of five around it.
    each = tuple(
        (turn, sum(spent[n] for n in near) / len(near) / CONVERSATIONS * 1000)
        for turn in TURNS
        if (near := [n for n in range(turn - 2, turn + 3) if n in spent])
    )
    whole = tuple((turn, sum(spent[n] for n in range(1, turn + 1))) for turn in TURNS)
    return Curve("Turns of a conversation", "turn", "ms of CPU a turn", each, whole)


async def streams() -> Curve:
    """Streams that stand open and have said some words: memory of the proxy's tree over what it held before."""
    points = []
    for count in STREAMS:
        (at_backend,) = free_ports(1)
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            command = [PYTHON, "-m", "benchmarks.dial_streams", "backend", str(at_backend), TOKENS_PER_S]
            stack.enter_context(running(command, f"http://127.0.0.1:{at_backend}/readyz"))
            target = started(stack, Path(folder) / "proxy", at_backend, frozenset())
            caller = await Caller().open(target)
            for _ in range(BATCH):
                await caller.ask([SYSTEM, user(prose(50))])  # what any load brings into memory
            caller.close()
            rest(target.pid)
            before, _ = memory_mb(target.pid)
            open_now = [await Caller().open(target) for _ in range(count)]
            async with asyncio.timeout(ALL_SPEAK_S):
                await asyncio.gather(*(one.listen() for one in open_now))
            points.append((count, max(0.001, memory_mb(target.pid)[0] - before) * 1000))
            for one in open_now:
                one.close()
    each = tuple((count, kilobytes / count) for count, kilobytes in points)
    return Curve("Open streams", "streams", "KB each", each, tuple(points))


async def records() -> Curve:
    """Small exchanges with new text, onto a log that has so many already."""
    with proxy() as target:
        callers = [await Caller().open(target) for _ in range(BATCH)]

        async def some(count: int) -> None:
            for _ in range(count // BATCH):
                await asyncio.gather(*(one.ask([SYSTEM, user(prose(15))]) for one in callers))

        points, done = [], 0
        for upto in RECORDS:
            before = rest(target.pid)
            await some(upto - done)
            points.append((upto, (rest(target.pid) - before) / (upto - done) * 1000))
            done = upto
        for one in callers:
            one.close()
    whole, spent, last = [], 0.0, 0
    for upto, each in points:
        spent, last = spent + each * (upto - last), upto
        whole.append((upto, spent))
    return Curve("Records on the log", "records", "ms of CPU an exchange", tuple(points), tuple(whole))


CURVES: Final[Mapping[str, Callable[[], Coroutine[None, None, Curve]]]] = MappingProxyType(
    {"phrases": phrases, "context": context, "turns": turns, "streams": streams, "records": records}
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("curves", nargs="*", metavar="CURVE", help=f"any of {', '.join(CURVES)}")
    parser.add_argument("--plot", action="store_true", help="print Mermaid charts as well")
    args = parser.parse_args()
    if unknown := [name for name in args.curves if name not in CURVES]:
        parser.error(f"no such curve: {', '.join(unknown)}; there are {', '.join(CURVES)}")
    for name in args.curves or CURVES:
        curve = uvloop.run(CURVES[name]())
        print(curve.table(), flush=True)
        if args.plot:
            print(curve.plot(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
