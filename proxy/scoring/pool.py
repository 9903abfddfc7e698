"""One scorer: a bounded queue of questions, and the processes that answer them.

Questions are taken by deadline. Every way in which a question can fail has a name (ScorerFailed): `full`, the
queue had no room; `timeout`, its deadline passed; `crashed`, its process ended or could not score it, or none
is up or due before the deadline; `bad_output`, the answer made no sense. After a failure the process is
replaced, at once where it had answered before, else ever more slowly. All of it runs on one event loop, which
never waits for a process.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Final, Literal, Protocol, TypeAlias

import structlog

from proxy.detect.base import ScorerFailed
from proxy.scoring.answers import Answer, Cache, read_answer
from proxy.scoring.frames import BadFrame
from proxy.scoring.process import ProcessFailed, ScorerProcess, Spec

QUEUE_MAX: Final = 1024
"""Questions that may wait. One more is `full`."""

CACHE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Answers that are remembered, by their text's hash; the least recently used go first."""

RESTART_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""The wait before the n-th start in a row of a process that has answered nothing; the last for all further."""

Reason: TypeAlias = Literal["crashed", "timeout", "full", "bad_output"]
State: TypeAlias = Literal["off", "starting", "up", "down"]

_log = structlog.get_logger("proxy")


class Observer(Protocol):
    """Hears what a scorer does; the metrics are one."""

    def on_queue(self, scorer: str, questions: int) -> None: ...

    def on_answer(self, scorer: str, seconds: float) -> None: ...

    def on_error(self, scorer: str, reason: str) -> None: ...


@dataclass(slots=True, order=True)
class _Question:
    deadline: float
    number: int
    key: bytes = field(compare=False)
    text: str = field(compare=False)
    answer: asyncio.Future[Answer] = field(compare=False)
    timer: asyncio.TimerHandle | None = field(compare=False, default=None)
    taken: bool = field(compare=False, default=False)  # a process has it


class Pool:
    """A scorer (`detect.base.Scorer`). It starts when it is first asked or told to, and can be stopped."""

    def __init__(self, spec: Spec, *, workers: int, deadline_s: float, observer: Observer) -> None:
        self.spec = spec
        self.workers = workers
        self.model: str | None = None  # what its processes said that they run
        self.labels: frozenset[str] = frozenset()
        self.fault: str | None = None  # why the last process failed, until one is up again
        self.asked_at = -math.inf  # the loop's time
        self.deadline_s = deadline_s
        self._observer = observer
        self._questions: list[_Question] = []  # a heap; what was answered otherwise is passed over
        self._waiting = 0
        self._asked: dict[bytes, asyncio.Future[Answer]] = {}
        self._idle: deque[asyncio.Future[None]] = deque()
        self._number = 0
        self._cache = Cache(CACHE_BYTES_MAX)
        self._runs: list[_Run] = []

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def queued(self) -> int:
        """Questions without a process yet."""
        return self._waiting

    @property
    def state(self) -> State:
        """`up` with one process that answers; `down` where the last start failed."""
        if not self._runs:
            return "off"
        if any(run.up for run in self._runs):
            return "up"
        return "starting" if self.fault is None else "down"

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that run, loading or loaded."""
        return tuple(run.process.pid for run in self._runs if run.process is not None)

    def ask(self, text: str) -> asyncio.Future[Answer]:
        """Put a question. The answer, or ScorerFailed, is there by the deadline, give or take a turn of
        the loop."""
        loop = asyncio.get_running_loop()
        self.asked_at = now = loop.time()
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._cache.get(key)
        if known is not None:
            answer: asyncio.Future[Answer] = loop.create_future()
            answer.set_result(known)
            return answer
        same = self._asked.get(key)
        if same is not None:
            return same
        answer = loop.create_future()
        self.start()
        if self._waiting >= QUEUE_MAX:
            self._fail(answer, "full")
            return answer
        deadline = now + self.deadline_s
        if not any(run.due <= deadline for run in self._runs):
            self._fail(answer, "crashed")
            return answer
        self._number += 1
        question = _Question(deadline, self._number, key, text, answer)
        question.timer = loop.call_at(deadline, self._late, question)
        heappush(self._questions, question)
        self._asked[key] = answer
        self._wait_more(1)
        self._wake()
        return answer

    def start(self) -> None:
        """Have its processes run; they load meanwhile."""
        if not self._runs:
            self._runs = [_Run(self) for _ in range(self.workers)]

    async def loaded(self) -> str | None:
        """Start, and wait until one process is up or one start has failed; what is wrong, if anything. A process
        that is to be started later is started now: whoever asks has something new."""
        self.start()
        if not any(run.up for run in self._runs):
            for run in self._runs:
                run.tried.clear()
                run.hurry.set()
            tries = [asyncio.ensure_future(run.tried.wait()) for run in self._runs]
            try:
                await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in tries:
                    one.cancel()
        return None if self.state == "up" else self.fault

    async def stop(self) -> None:
        """End its processes; open questions fail."""
        runs, self._runs = self._runs, []
        for run in runs:
            run.task.cancel()
        await asyncio.gather(*(run.task for run in runs), return_exceptions=True)
        while (question := self.take()) is not None:
            self.failed(question, "crashed")
        self.fault = None

    def take(self) -> _Question | None:
        """The open question with the next deadline."""
        self._forget()
        if not self._questions:
            return None
        question = heappop(self._questions)
        question.taken = True
        self._wait_more(-1)
        return question

    async def work(self, ended: asyncio.Future[int]) -> None:
        """Wait until there is a question, or the process has ended."""
        idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(idle)
        try:
            await asyncio.wait((idle, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if idle.done():
                if self._questions and ended.done():
                    self._wake()  # it cannot take what it was woken for
            else:
                self._idle.remove(idle)

    def answered(self, question: _Question, answer: Answer, seconds: float) -> None:
        self._observer.on_answer(self.name, seconds)
        self._cache.put(question.key, answer)
        if not question.answer.done():  # else it came too late
            self._close(question)
            question.answer.set_result(answer)

    def failed(self, question: _Question, reason: Reason) -> None:
        if not question.answer.done():
            self._close(question)
            self._fail(question.answer, reason)

    def _late(self, question: _Question) -> None:
        if not question.answer.done():
            if not question.taken:
                self._wait_more(-1)
            self.failed(question, "timeout")
            self._forget()

    def _forget(self) -> None:
        """Let go of what was answered while it waited: its deadline has passed, so it stands first."""
        while self._questions and self._questions[0].answer.done():
            heappop(self._questions)

    def _close(self, question: _Question) -> None:
        if question.timer is not None:
            question.timer.cancel()
        self._asked.pop(question.key, None)

    def _fail(self, answer: asyncio.Future[Answer], reason: Reason) -> None:
        self._observer.on_error(self.name, reason)
        answer.set_exception(ScorerFailed(reason))
        answer.exception()  # whoever asked may have left: that is no fault to report

    def _wait_more(self, count: int) -> None:
        self._waiting += count
        self._observer.on_queue(self.name, self._waiting)

    def _wake(self) -> None:
        while self._idle:
            idle = self._idle.popleft()
            if not idle.done():
                idle.set_result(None)
                return


class _Run:
    """One place for a process: starts it, has it work, and starts another when it fails, for as long as the pool
    runs."""

    def __init__(self, pool: Pool) -> None:
        self.process: ScorerProcess | None = None
        self.up = False
        self.due = -math.inf  # before this, in the loop's time, it will not be up
        self.tried = asyncio.Event()  # it was up, or failed, since somebody cleared this
        self.hurry = asyncio.Event()  # ends the wait before the next start
        self._pool = pool
        self.task = asyncio.get_running_loop().create_task(self._live(), name=f"scorer-{pool.name}")

    async def _live(self) -> None:
        pool, loop = self._pool, asyncio.get_running_loop()
        failures = 0
        while True:
            answered = 0
            try:
                async with self._started() as process:
                    while True:
                        question = pool.take()
                        if question is None:
                            await pool.work(process.ended)
                            if process.ended.done():
                                raise ProcessFailed("it ended")
                        else:
                            await self._answer(process, question)
                            answered += 1
            except Exception as error:  # noqa: BLE001 - whatever it was, this place must have a process again
                failures = 0 if answered else failures + 1
                wait_s = RESTART_S[min(failures, len(RESTART_S) - 1)]
                pool.fault = str(error) or type(error).__name__
                self.due = loop.time() + wait_s
                self.tried.set()
                _log.warning("scorer_failed", scorer=pool.name, reason=str(error), restart_in_s=wait_s)
                self.hurry.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self.hurry.wait()

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[ScorerProcess]:
        """A process that has loaded; ended when it is left."""
        pool = self._pool
        process = self.process = await ScorerProcess.start(pool.spec)
        try:
            self.due = -math.inf
            ready = await process.ready()
            pool.model, pool.labels, pool.fault = ready.engine, ready.labels, None
            self.up = True
            self.tried.set()
            _log.info("scorer_up", scorer=pool.name, model=ready.engine, pid=process.pid)
            yield process
        finally:
            self.up = False
            await process.end()
            self.process = None

    async def _answer(self, process: ScorerProcess, question: _Question) -> None:
        """Have it answer one question. Raises ProcessFailed where it must be replaced."""
        pool, loop = self._pool, asyncio.get_running_loop()
        since = loop.time()
        try:
            # The question's own deadline passes by itself; a process is hung when it has had the whole time.
            async with asyncio.timeout(pool.deadline_s):
                told = await process.ask(question.number, question.text)
            if "error" in told:  # this text it cannot score; it goes on with others
                pool.failed(question, "crashed")
            else:
                answer = read_answer(told.get("scored"), pool.labels, len(question.text))
                pool.answered(question, answer, loop.time() - since)
        except TimeoutError:
            pool.failed(question, "timeout")
            raise ProcessFailed(f"no answer after {pool.deadline_s:g} s") from None
        except BadFrame as error:
            pool.failed(question, "bad_output")
            raise ProcessFailed(f"bad output: {error}") from None
        finally:
            pool.failed(question, "crashed")  # where nothing else became of it
