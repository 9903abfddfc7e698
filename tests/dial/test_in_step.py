"""Policy and dial in step: patches go to the policy, what files set to the dial, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path

from proxy.dial.control import Dial
from proxy.dial.restraint import Kind
from proxy.dial.restraint_turn import restrain
from proxy.dial.state import SqliteDialStore
from proxy.in_step import InStep
from proxy.model.level import Action, Direction
from proxy.policy.patch import Patch
from proxy.policy.store import PolicyStore
from tests.dial.helpers import ANN, TurnedClock, UnreliableStore
from tests.policy.folders import BLOCK_ALPHA, write

KILLED = 'containment: {set: [{scope: "model:bot", level: killed, reason: retired}]}\n'


async def test_with_a_broken_store_one_task_waits_however_often_the_policy_is_patched(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    write(rules, {"a.yaml": BLOCK_ALPHA, "b.yaml": KILLED})
    policy = PolicyStore(rules, tmp_path / "keep")
    policy.load_first()
    store = UnreliableStore(SqliteDialStore(tmp_path / "dial.sqlite3"))
    dial = Dial(store, clock=TurnedClock(), tighten_wait_s=0.01)
    await dial.start()
    tasks: list[asyncio.Task[None]] = []

    def spawn(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        tasks.append(asyncio.get_running_loop().create_task(work))
        return tasks[-1]

    await InStep(policy, dial, spawn).start()
    await asyncio.gather(*tasks)
    store.broken = True
    (rules / "b.yaml").unlink()
    assert (await policy.reload()).ok
    for n in range(5):
        patch = Patch(Direction.OUTPUT, Action.BLOCK, (f"word{n}",))
        await restrain(dial, Kind.PATCH, "rules", patch.dumps(), actor=ANN, reason="x")
        await policy.patch(dial.restraints().patches)
    assert len(policy.current.patches) == 5
    await asyncio.wait(tasks, timeout=0.2)
    assert len([task for task in tasks if not task.done()]) == 1, "what loosens waits for the store"
    for task in tasks:
        task.cancel()
    await dial.stop()
