"""An exchange that is over is freed at once: what had to wait for the garbage collector would fill the memory, and
its passes keep the event loop."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.errors import UnreadableReply
from proxy.request.exchange import Exchange
from proxy.request.judged import JudgedText
from proxy.request.stream_gate import StreamGate
from proxy.request.turn import beside
from tests.fakes import Json, ScriptedBackend, Sse
from tests.scenario.harness import LEAK_RULES, proxy_for
from tests.scenario.test_delivered import WIRES, asked, wires

SAYS = {
    "released": ["All is ", "well here."],
    "redacted": ["write to jane", "@example.com now."],
    "blocked_output": ["this is project", " falcon, and so on."],
}


@pytest.fixture
def no_passes() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_passes")
@pytest.mark.parametrize("outcome", SAYS)
@wires
async def test_a_stream_leaves_no_cycles_behind(wire: str, outcome: str, tmp_path: Path) -> None:
    frames = list(WIRES[wire][1](SAYS[outcome]))
    async with ScriptedBackend([Sse(frames)]) as backend:
        async with proxy_for(tmp_path, backend.url, rules=LEAK_RULES) as proxy:
            async with asked(proxy, wire) as (answer, _):
                await answer.read()
            assert (await proxy.finished())["outcome"] == outcome
            await asyncio.sleep(0)
            left = [one for one in gc.get_objects() if isinstance(one, Exchange | StreamGate | JudgedText)]
            assert left == []


@pytest.mark.usefixtures("no_passes")
@pytest.mark.parametrize("outcome", SAYS)
async def test_nor_does_a_whole_reply(outcome: str, tmp_path: Path) -> None:
    message = {"role": "assistant", "content": "".join(SAYS[outcome])}
    whole = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    async with ScriptedBackend([Json(whole)]) as backend:
        async with proxy_for(tmp_path, backend.url, rules=LEAK_RULES) as proxy:
            async with asked(proxy, "chat", stream=False) as (answer, _):
                await answer.read()
            assert (await proxy.finished())["outcome"] == outcome
            await asyncio.sleep(0)
            left = [one for one in gc.get_objects() if isinstance(one, Exchange | StreamGate | JudgedText)]
            assert left == []


@pytest.mark.usefixtures("no_passes")
async def test_work_that_fails_beside_leaves_no_cycle() -> None:
    """One would keep all that stands in the frames of its way until the collector comes by."""

    class Held:
        pass

    def fail() -> None:
        raise UnreadableReply("it cannot be read")

    async def exchange() -> weakref.ref[Held]:
        held = Held()
        with pytest.raises(UnreadableReply):
            await beside(True, fail)
        return weakref.ref(held)

    held = await exchange()
    await asyncio.sleep(0)
    assert held() is None
