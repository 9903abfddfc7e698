"""The queue and the processes behind a scorer, with an engine that fails on demand. All processes are real."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.detect.base import Scored
from proxy.scoring import pool as pool_module
from tests.scoring.support import alive, kill, odd_spec, pool, reason, until
from tests.tidy import ROOT
from tests.waits import within


async def test_a_question_is_answered(tmp_path: Path) -> None:
    async with pool(odd_spec(tmp_path)) as (scorer, heard):
        assert scorer.state == "off"
        assert await scorer.loaded() is None
        assert (scorer.state, scorer.model) == ("up", "odd")
        assert await scorer.ask("so says Jane") == (Scored("PERSON", 0.5, 8, 12),)
        assert heard.answers == 1


async def test_what_was_asked_before_is_remembered_and_what_is_being_asked_is_asked_once(
    tmp_path: Path,
) -> None:
    async with pool(odd_spec(tmp_path)) as (scorer, heard):
        first, second = scorer.ask("Jane"), scorer.ask("Jane")
        assert await first == await second
        assert scorer.ask("Jane").done(), "from memory"
        assert heard.answers == 1


async def test_memory_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "CACHE_BYTES_MAX", 2000)
    async with pool(odd_spec(tmp_path)) as (scorer, _heard):
        for number in range(20):
            await scorer.ask(f"Jane {number}")
        assert scorer.ask("Jane 19").done()
        assert not scorer.ask("Jane 0").done(), "forgotten"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("crash", "crashed"),
        ("raise", "crashed"),
        ("nonsense", "bad_output"),
        ("stranger", "bad_output"),
        ("outside", "bad_output"),
        ("connect", "crashed"),
        ("program", "crashed"),
    ],
)
async def test_a_text_that_brings_its_process_down_fails_alone(tmp_path: Path, text: str, why: str) -> None:
    async with pool(odd_spec(tmp_path)) as (scorer, heard):
        before, bad, after = scorer.ask("Jane"), scorer.ask(text), scorer.ask("Joe")
        assert await before
        assert await reason(bad) == why
        assert await after, "the next question has a process again"
        assert heard.errors == {why: 1}


async def test_a_hung_process_is_replaced(tmp_path: Path) -> None:
    async with pool(odd_spec(tmp_path), deadline_s=1.5) as (scorer, heard):
        await scorer.loaded()
        (pid,) = scorer.pids
        assert await reason(scorer.ask("hang")) == "timeout"
        await until(lambda: scorer.state == "up" and scorer.pids != (pid,))
        assert not alive(pid)
        assert await scorer.ask("Jane")
        assert heard.errors == {"timeout": 1}


async def test_who_waits_behind_a_hung_process_waits_no_longer_than_the_deadline(tmp_path: Path) -> None:
    async with pool(odd_spec(tmp_path), deadline_s=0.5) as (scorer, heard):
        await scorer.loaded()
        tickets = [scorer.ask("hang"), *(scorer.ask(f"Jane {number}") for number in range(3))]
        assert heard.queue_max >= 3
        assert [await reason(ticket) for ticket in tickets] == ["timeout"] * 4
        assert heard.queue == 0
        assert scorer.queued == 0


async def test_a_full_queue_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "QUEUE_MAX", 3)
    async with pool(odd_spec(tmp_path)) as (scorer, _heard):
        tickets = [scorer.ask(f"Jane {number}") for number in range(5)]
        assert [ticket.done() for ticket in tickets] == [False, False, False, True, True]
        assert [await reason(ticket) for ticket in tickets] == [*["answered"] * 3, "full", "full"]


async def test_an_idle_process_that_is_killed_is_missed_by_nobody(tmp_path: Path) -> None:
    async with pool(odd_spec(tmp_path), workers=2) as (scorer, heard):
        await scorer.loaded()
        await until(lambda: len(scorer.pids) == 2)
        killed = frozenset(scorer.pids)
        for pid in killed:
            kill(pid)
        await until(lambda: killed.isdisjoint(scorer.pids))
        assert await scorer.ask("Joe")
        assert not heard.errors


async def test_an_engine_that_does_not_load_says_why_and_is_tried_again(tmp_path: Path) -> None:
    spec = odd_spec(tmp_path, "broken")
    async with pool(spec) as (scorer, _heard):
        assert await scorer.loaded() == "it cannot load: ValueError: the model is broken"
        assert scorer.state == "down"
        odd_spec(tmp_path, "fine")
        await until(lambda: scorer.state == "up")
        assert await scorer.ask("Jane")


async def test_who_waits_for_a_scorer_has_it_started_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "RESTART_S", (0.0, 60.0))
    async with pool(odd_spec(tmp_path, "broken")) as (scorer, _):
        assert await scorer.loaded() is not None
        odd_spec(tmp_path, "fine")
        assert await scorer.loaded() is None


async def test_nobody_waits_for_a_start_that_comes_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "RESTART_S", (0.0, 60.0))
    async with pool(odd_spec(tmp_path, "gone"), deadline_s=5.0) as (scorer, _heard):
        assert await scorer.loaded() == "it ended"
        ticket = scorer.ask("Jane")
        assert ticket.done()
        assert await reason(ticket) == "crashed"


async def test_a_stopped_scorer_fails_what_is_open_and_starts_again_when_asked(tmp_path: Path) -> None:
    async with pool(odd_spec(tmp_path)) as (scorer, _):
        await scorer.loaded()
        pids = scorer.pids
        tickets = [scorer.ask("hang"), scorer.ask("Jane")]
        await asyncio.sleep(0)
        await scorer.stop()
        assert [await reason(ticket) for ticket in tickets] == ["crashed", "crashed"]
        assert not any(map(alive, pids))
        assert scorer.state == "off"
        assert await scorer.ask("Jane")


async def test_prints_of_libraries_are_no_answers(tmp_path: Path) -> None:
    async with pool(odd_spec(tmp_path)) as (scorer, _):
        assert await scorer.ask("print Jane") == (Scored("PERSON", 0.5, 6, 10),)


async def test_a_process_sees_none_of_the_proxys_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARDRAIL_TEST_SECRET", "x")
    async with pool(odd_spec(tmp_path)) as (scorer, _):
        assert await scorer.ask("environment") == ()


PARENT = """
import asyncio, sys
from pathlib import Path
from proxy import logs
from tests.scoring.support import odd_spec, pool

logs.configure("console")  # to standard error

async def main():
    async with pool(odd_spec(Path(sys.argv[1])), workers=2) as (scorer, _):
        await scorer.ask("Jane")
        while len(scorer.pids) < 2:
            await asyncio.sleep(0.01)
        print(*scorer.pids, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_processes_end_with_the_proxy_however_it_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    parent = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pids = [int(word) for word in (await within(parent.stdout.readline())).split()]
    assert len(pids) == 2
    assert all(map(alive, pids))
    parent.kill()
    await within(parent.wait())
    await until(lambda: not any(map(alive, pids)))
