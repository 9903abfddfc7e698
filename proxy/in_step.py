"""Keeps the policy and the dial in step: what rule files set stands on the dial, what operators patch in stands in
the policy, and a policy that came by its files is on the trail of changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from proxy.dial.control import Dial
from proxy.dial.files import RULES, RuleFiles
from proxy.policy.standing import Standing
from proxy.policy.store import PolicyStore, ReloadResult

Spawn = Callable[[Coroutine[None, None, None]], asyncio.Task[None]]


class InStep:
    """Both must have been loaded when it starts."""

    def __init__(self, policy: PolicyStore, dial: Dial, spawn: Spawn) -> None:
        self._policy = policy
        self._dial = dial
        self._spawn = spawn
        self._files = RuleFiles(dial)
        self._followed: Standing | None = None  # what waits for a broken store must wait once only

    async def start(self) -> None:
        """Returns once nothing is laxer than the files and the patches say."""
        await self._tighten()
        self._spawn(self._files.settle())
        await self._patch()
        self._dial.watch(lambda: self._spawn(self._patch()))
        self._policy.subscribe(self._changed)

    def _changed(self, result: ReloadResult) -> None:
        if result.swapped and self._policy.current.standing is not self._followed:
            self._spawn(self._follow())
        if result.replaced is not None and result.replaced != result.digest:
            self._spawn(self._note(result.replaced, result.digest))

    async def _follow(self) -> None:
        await self._tighten()
        await self._files.settle()

    async def _tighten(self) -> None:
        self._followed = self._policy.current.standing
        await self._files.tighten(self._followed)

    async def _patch(self) -> None:
        await self._policy.patch(self._dial.restraints().patches)

    async def _note(self, before: str, after: str | None) -> None:
        await self._dial.note(
            actor=RULES,
            action="rules.reload",
            scope="rules",
            before=before,
            after=after,
            reason="the files changed",
        )
