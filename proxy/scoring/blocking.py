"""Scorers for a command that judges one text after another: every answer is there when the question is put."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from proxy.detect.base import Scorer, Ticket
from proxy.detect.offers import Offers
from proxy.scoring.service import ScorerService
from proxy.settings import Scoring


class _Nobody:
    """An observer for commands, which keep no metrics."""

    def on_queue(self, scorer: str, questions: int) -> None: ...

    def on_answer(self, scorer: str, seconds: float) -> None: ...

    def on_error(self, scorer: str, reason: str) -> None: ...


NOBODY = _Nobody()


class _Blocking:
    """A scorer whose tickets are answered at once."""

    def __init__(self, scorer: Scorer, runner: asyncio.Runner) -> None:
        self.name = scorer.name
        self._scorer = scorer
        self._runner = runner

    def ask(self, text: str) -> Ticket:
        async def answered() -> Ticket:
            ticket = self._scorer.ask(text)
            done = asyncio.Event()
            ticket.add_done_callback(lambda _: done.set())
            await done.wait()
            return ticket

        return self._runner.run(answered())


class BlockingScorers:
    """The scorers of a command. Not for use where an event loop runs."""

    def __init__(self, scoring: Scoring, data_dir: Path | None, runner: asyncio.Runner) -> None:
        self._service = ScorerService(scoring, data_dir, NOBODY)
        self._runner = runner
        offers = self._service.offers
        self.offers: Offers = replace(
            offers,
            ner=None if offers.ner is None else _Blocking(offers.ner, runner),
            toxicity=None if offers.toxicity is None else _Blocking(offers.toxicity, runner),
        )

    def prepare(self, needs: frozenset[str]) -> tuple[str, ...]:
        """Start what a policy needs; what is wrong with any of it."""
        return self._runner.run(self._service.prepare(needs))

    def stop(self) -> None:
        self._runner.run(self._service.stop())


@contextmanager
def blocking_scorers(scoring: Scoring, data_dir: Path | None) -> Iterator[BlockingScorers]:
    """Scorers that are ended with the block. Raises ConfigError."""
    with asyncio.Runner() as runner:
        scorers = BlockingScorers(scoring, data_dir, runner)
        try:
            yield scorers
        finally:
            scorers.stop()
