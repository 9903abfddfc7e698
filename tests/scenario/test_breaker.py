"""A backend that keeps failing is left alone, tried again, and shown; second tries are bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.backend.health import RETRIES_MAX
from proxy.model.observation import Metric
from proxy.watch.watch import Watch
from tests.fakes import Action, Json, Pause, Reset
from tests.scenario.harness import AheadClock, Proxy
from tests.scenario.test_fallback import BUSY, ask, between
from tests.scenario.test_identity import REPLY


async def status_of(proxy: Proxy, backend: str) -> dict[str, Any]:
    _, status = await proxy.admin_call("GET", "/status")
    return next(one for one in status["backends"] if one["name"] == backend)


async def test_a_backend_that_keeps_failing_is_not_asked_until_one_call_finds_it_well(tmp_path: Path) -> None:
    clock = AheadClock()
    well = False

    def script(_: object) -> list[Action]:
        return [Json(REPLY)] if well else [Reset()]

    async with between(tmp_path, script, lambda _: [Json(REPLY)], clock=clock) as (proxy, backends):
        main, spare = backends
        for _ in range(7):
            assert (await ask(proxy)).status == 200
        assert (len(main.requests), len(spare.requests)) == (5, 7)
        record = (await proxy.records())[0]
        assert "not asked" in record["attempts"][0]["error"]
        assert record["attempts"][0]["ms"] is None
        shown = await status_of(proxy, "main")
        assert (shown["state"], shown["failures"], shown["last_error"]["reason"]) == ("open", 5, "broken")
        assert shown["retry_in_s"] > 0
        assert (await status_of(proxy, "spare"))["state"] == "closed"
        metrics = await proxy.metrics()
        assert 'guardrail_backend_state{backend="main"} 2.0' in metrics
        assert 'guardrail_backend_failures_total{backend="main",reason="broken"} 5.0' in metrics
        clock.ahead_s += 2.0
        await ask(proxy)
        assert len(main.requests) == 6
        await ask(proxy)
        assert len(main.requests) == 6, "the probe failed: it is left alone for longer"
        well = True
        clock.ahead_s += 4.0
        await ask(proxy)
        await ask(proxy)
        assert (len(main.requests), (await status_of(proxy, "main"))["state"]) == (8, "closed")
        assert 'guardrail_backend_state{backend="main"} 0.0' in await proxy.metrics()


async def test_with_nothing_to_fall_back_to_the_client_is_told_when_to_come_again(tmp_path: Path) -> None:
    async with between(tmp_path, [Reset()], fallback=()) as (proxy, (main,)):
        replies = [await ask(proxy) for _ in range(6)]
        assert [reply.status for reply in replies] == [502] * 6
        assert len(main.requests) == 5
        assert "retry-after" not in replies[4].headers
        assert 1 <= int(replies[5].headers["retry-after"]) <= 2
        assert "x-should-retry" not in replies[5].headers
        assert replies[5].json["error"]["code"] == "backend_error"
        assert [record["outcome"] for record in await proxy.records()] == ["backend_error"] * 6


async def test_what_is_not_asked_is_an_error_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage must not look well to a tripwire because nothing is sent to it any more."""
    seen: list[float | None] = []
    monkeypatch.setattr(Watch, "observe", lambda _, one: seen.append(one.values.get(Metric.ERROR_RATE)))
    async with between(tmp_path, [Reset()], fallback=()) as (proxy, (main,)):
        for _ in range(8):
            await ask(proxy)
        assert (len(main.requests), seen) == (5, [1.0] * 8)
        metrics = await proxy.metrics()
        assert 'guardrail_backend_seconds_count{backend="main"} 5.0' in metrics


async def test_what_was_under_way_when_a_backend_broke_moves_on_as_a_whole(tmp_path: Path) -> None:
    calls = int(RETRIES_MAX) * 2
    hang = Pause()
    async with between(tmp_path, [hang, Reset()], [Json(REPLY)]) as (proxy, (main, spare)):
        asking = [asyncio.ensure_future(ask(proxy)) for _ in range(calls)]
        await main.received(calls)
        hang.event.set()
        assert [reply.status for reply in await asyncio.gather(*asking)] == [200] * calls
        assert len(spare.requests) == calls


async def test_second_tries_do_not_double_an_outage(tmp_path: Path) -> None:
    """A 500 takes no backend out of service, so only the budget bounds what is asked twice."""
    calls = int(RETRIES_MAX) * 3
    async with between(tmp_path, [Json(BUSY, status=500)], [Json(REPLY)]) as (proxy, backends):
        statuses = [(await ask(proxy)).status for _ in range(calls)]
        assert len(backends[0].requests) == calls
        assert statuses.count(200) == len(backends[1].requests) < calls
        assert 500 in statuses
        refused = 'guardrail_fallbacks_refused_total{model="support",reason="budget"}'
        assert refused in await proxy.metrics()
