"""Drives the gate of one streamed reply: reads the backend, waits for scorers, and gives others their turn."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from typing import Any

from proxy.backend.client import Upstream
from proxy.request.exchange import Exchange, Killed
from proxy.request.inflow import Answers, Inflow
from proxy.request.judged import JudgedText
from proxy.request.stream_gate import StreamGate
from proxy.request.turn import LOOKED_AT_ONCE, READ_INLINE_BYTES_MAX, Job, Turn, beside


class Drive:
    """One reply on its way through the gate."""

    def __init__(self, x: Exchange, upstream: Upstream, gate: StreamGate, turn: Turn) -> None:
        self.turn = turn
        self.complete = False
        self._x = x
        self._gate = gate
        self._answers = Answers()
        self._inflow = Inflow(upstream, self._answers)

    async def released(self) -> AsyncGenerator[bytes, None]:
        """What may go out, until the backend has nothing more to say. Raises Killed, BackendFailed,
        UnreadableReply."""
        gate, turn = self._gate, self.turn
        while not gate.ended:
            turn.wait()
            data = await self._x.on_backend(self._inflow.next(gate.waiting))
            turn.start()
            if data == b"":
                break
            for job in (None,) if data is None else gate.read(data):
                await turn.done()
                if job is not None:
                    await self._do(job)
                    continue
                await self._steps(gate.pump(self._slice))
                while gate.full:
                    await self._answer()
                    await self._steps(gate.pump(self._slice))
                if gate.out:
                    yield self._taken()
                    turn.start()

    async def end(self) -> None:
        """The backend has said all: everything that is held joins the tail. Raises as `released`."""
        self.complete = self._gate.end()
        await self._pump_all()

    async def cut(self, message: str) -> bytes:
        """The bytes broke off: what may still go out, and the wire's error frame. Where every choice was blocked by
        what came before, the reply had ended with that: nothing follows its end."""
        self._gate.end(cut=True)
        with suppress(Killed):  # it ends now in any case
            await self._pump_all()
        if self._gate.all_blocked:
            return bytes(self._gate.tail)
        return await self.failed(message)

    async def failed(self, message: str) -> bytes:
        """The tail, and the wire's error frame behind it."""
        tail = bytes(self._gate.tail)
        large = len(tail) > READ_INLINE_BYTES_MAX  # all of it is rendered once more, for the reader to know
        return tail + await beside(large, self._gate.fail, "backend_error", message, after_tail=True)

    async def redacted(self) -> bool:
        """Whether anything of it was redacted."""
        for number, text in enumerate(self._gate.judged(), start=1):
            if text.changes.redacted:
                return True
            if number % LOOKED_AT_ONCE == 0:
                await self.turn.done()
        return False

    async def settle(self) -> tuple[JudgedText, ...]:
        """The reply is over: what was held and never went out is judged for the log's sake. Answers that are still
        out are not waited for: their text is counted as unscanned. Returns all texts of the reply."""
        self._inflow.close()
        gate, turn = self._gate, self.turn
        gate.settle()
        turn.start()
        for judged in gate.judge(self._slice):
            await turn.done(judged)
        texts: list[JudgedText] = []
        unanswered = 0
        for number, text in enumerate(gate.judged(), start=1):
            texts.append(text)
            unanswered += text.length - min(text.settled, text.length)
            if number % LOOKED_AT_ONCE == 0:
                await turn.done()
        if unanswered:
            gate.unscanned["unanswered"] += unanswered
        await turn.done()
        return tuple(texts)

    async def _pump_all(self) -> None:
        await self._steps(self._gate.pump(self._slice))
        while self._gate.waiting:
            await self._answer()
            await self._steps(self._gate.pump(self._slice))

    async def _answer(self) -> None:
        """Wait for an answer, and for nothing else."""
        self.turn.wait()
        try:
            await self._x.on_backend(self._answers.first(self._gate.waiting))
        except TimeoutError:
            self._gate.give_up()
        self.turn.start()

    async def _steps(self, steps: Iterator[int | Job[Any]]) -> None:
        for step in steps:
            if isinstance(step, Job):
                await self._do(step)
            else:
                await self.turn.done(step)
            if self._x.killed is not None:
                raise Killed(self._x.killed)
        await self.turn.done()

    async def _do(self, job: Job[Any]) -> None:
        self.turn.wait()
        await beside(True, job.do)
        self.turn.start()

    def _taken(self) -> bytes:
        out = bytes(self._gate.out)
        self._gate.out.clear()
        return out

    def _slice(self) -> int:
        return self.turn.chars
