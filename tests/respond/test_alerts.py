"""Alerts on their way to real listeners: signed, put together, sent again, never in anyone's way."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from proxy.metrics import Metrics
from proxy.model.card import Card, Owner
from proxy.model.tripwire import Alert, Tripwire
from proxy.respond import alerts as module
from proxy.respond.alerts import Alerts
from proxy.respond.channels import Service, signature
from proxy.respond.notice import Notice, drill
from proxy.settings import AlertTarget
from proxy.watch.wire import Turned
from tests.watch.support import MIDNIGHT, tripwire

SECRET = "the secret that signs"
WAIT_S = 10.0


class Listener:
    """A webhook that can refuse or hang, and wakes whoever waits for a call."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.headers: list[Any] = []
        self.status = 200
        self.hangs = False
        self.called = asyncio.Condition()
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        status, hangs = self.status, self.hangs
        async with self.called:
            self.calls.append({"raw": raw, "body": json.loads(raw)})
            self.headers.append(request.headers.copy())
            self.called.notify_all()
        if hangs:
            await asyncio.Event().wait()
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S), self.called:
            await self.called.wait_for(lambda: len(self.calls) >= count)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    app = web.Application()
    app.router.add_post("/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield made
    await runner.cleanup()


def hook(url: str, **changes: Any) -> AlertTarget:
    return AlertTarget("oncall", webhook=SecretStr(url), secret=SecretStr(SECRET), **changes)


def notice(id: str = "toxic", group: str = "model:bot", fires: bool = True, **changes: Any) -> Notice:
    wire: Tripwire = tripwire(id=id, then=(Alert("oncall"),), **changes)
    turned = Turned(wire, group, fires, MIDNIGHT, MIDNIGHT - 900, 0.9, 50, (("user:u1", 3),), 1, ("e1",))
    return Notice(turned)


def sender(*targets: AlertTarget, now: Callable[[], float] = lambda: MIDNIGHT) -> tuple[Alerts, Metrics]:
    metrics = Metrics((), ())
    return Alerts(targets, metrics, clock=now, gather_s=0.05, retry_first_s=0.01), metrics


async def test_what_is_sent_is_signed_and_has_all_that_is_needed(listener: Listener) -> None:
    alerts, metrics = sender(hook(listener.url))
    alerts.tell(notice())
    await listener.wait(1)
    await alerts.stop()
    (call,), (headers,) = listener.calls, listener.headers
    at, _, mac = headers["X-Guardrail-Signature"].partition(",v1=")
    assert at == f"t={int(MIDNIGHT)}"
    signed = f"{int(MIDNIGHT)}.".encode() + call["raw"]
    assert mac == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert signature(SECRET, int(MIDNIGHT), call["raw"]) == headers["X-Guardrail-Signature"]
    (alert,) = call["body"]["alerts"]
    assert (alert["status"], alert["tripwire"], alert["per"], alert["value"]) == (
        "firing",
        "toxic",
        "model:bot",
        0.9,
    )
    assert alert["examples"] == ["e1"]
    assert any("dial set killed --scope model:bot" in line for line in alert["commands"])
    assert 'guardrail_alerts_total{outcome="sent",target="oncall"} 1.0' in metrics.render().decode()
    assert 'guardrail_alerts_waiting{target="oncall"} 0.0' in metrics.render().decode()


async def test_what_belongs_together_is_one_message_and_only_the_newest_word_counts(
    listener: Listener,
) -> None:
    alerts, _ = sender(hook(listener.url))
    for n in range(30):
        alerts.tell(notice(group=f"user:u{n}"))
    alerts.tell(notice(group="user:u0", fires=False))
    await listener.wait(1)
    await alerts.stop()
    (call,) = listener.calls
    body = call["body"]
    assert (body["count"], len(body["alerts"]), len(body["more"])) == (30, 20, 10)
    assert body["more"][-1].startswith("[RESOLVED] toxic (high): user:u0")


@pytest.mark.parametrize("status", [500, 302, 404])
async def test_it_is_sent_again_until_it_is_taken(listener: Listener, status: int) -> None:
    listener.status = status
    alerts, metrics = sender(hook(listener.url))
    alerts.tell(notice())
    await listener.wait(3)
    listener.status = 200
    await listener.wait(4)
    await alerts.stop()
    told = metrics.render().decode()
    assert 'guardrail_alerts_total{outcome="sent",target="oncall"} 1.0' in told
    assert 'guardrail_alerts_total{outcome="refused",target="oncall"}' in told
    assert all(call["body"]["alerts"][0]["tripwire"] == "toxic" for call in listener.calls)


async def test_nobody_there(listener: Listener) -> None:
    other = AlertTarget("other", SecretStr(listener.url), SecretStr("x"))
    alerts, metrics = sender(hook("http://127.0.0.1:9/hook"), other)
    wire = tripwire(id="toxic", then=(Alert("oncall"), Alert("other")))
    alerts.tell(Notice(Turned(wire, "model:bot", True, MIDNIGHT, MIDNIGHT)))
    await listener.wait(1)  # one that is broken does not hold up the other
    await alerts.stop()
    told = metrics.render().decode()
    assert 'guardrail_alerts_total{outcome="unreachable",target="oncall"}' in told
    assert 'guardrail_alerts_waiting{target="oncall"} 1.0' in told


async def test_a_target_that_hangs_keeps_nobody_waiting(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.05)
    listener.hangs = True
    alerts, _ = sender(hook(listener.url))
    alerts.tell(notice())
    await listener.wait(1)
    for n in range(module.WAITING_MAX + 50):
        alerts.tell(notice(group=f"user:u{n}"))
    assert len(alerts._queues["oncall"]._waiting) == module.WAITING_MAX
    await alerts.stop()


async def test_what_cannot_be_delivered_for_hours_is_dropped(listener: Listener) -> None:
    listener.status = 500
    now = [MIDNIGHT]
    alerts, metrics = sender(hook(listener.url), now=lambda: now[0])
    alerts.tell(notice())
    await listener.wait(1)
    now[0] += module.KEEP_S + 1
    task = alerts._queues["oncall"]._task
    assert task is not None
    await asyncio.wait_for(task, WAIT_S)
    await alerts.stop()
    assert 'guardrail_alerts_total{outcome="dropped",target="oncall"} 1.0' in metrics.render().decode()


async def test_severity_and_the_owner_decide_who_is_told(listener: Listener) -> None:
    owner = AlertTarget("ml-team", hook(listener.url).webhook, SecretStr("x"))
    alerts, metrics = sender(hook(listener.url, min_severity="critical"), owner)
    card = Card("bot", owner=Owner("ml", "ml-team"))
    wire = tripwire(id="toxic", severity="high", then=(Alert("oncall"), Alert("nobody")))
    alerts.tell(Notice(Turned(wire, "model:bot", True, MIDNIGHT, MIDNIGHT), card))
    await listener.wait(1)
    await alerts.stop()
    assert len(listener.calls) == 1
    told = metrics.render().decode()
    assert 'guardrail_alerts_total{outcome="sent",target="ml-team"} 1.0' in told
    assert 'guardrail_alerts_total{outcome="unknown_target",target="unknown"} 1.0' in told
    quiet = Notice(Turned(tripwire(), "model:bot", True, MIDNIGHT, MIDNIGHT), card)
    assert quiet.targets == ()  # a tripwire that alerts nobody does not wake the owner


async def test_a_drill_goes_out_at_once_and_says_what_it_is(listener: Listener) -> None:
    alerts, _ = sender(hook(listener.url, min_severity="critical"))
    (tried,) = await alerts.drill(drill(MIDNIGHT, "the monthly one"), ("oncall",))
    assert tried.error is None
    (alert,) = listener.calls[0]["body"]["alerts"]
    assert alert["drill"] is True
    assert alert["title"].startswith("DRILL, nothing is wrong")
    listener.status = 503
    (tried,) = await alerts.drill(drill(MIDNIGHT, "again"), ("oncall",))
    assert tried.error == "it answered 503"
    await alerts.stop()


async def test_apprise_delivers(listener: Listener) -> None:
    """Through Apprise itself, to its own JSON service."""
    url = listener.url.replace("http://", "json://")
    alerts, _ = sender(AlertTarget("oncall", apprise=SecretStr(url)))
    assert isinstance(alerts._queues["oncall"]._channel, Service)
    alerts.tell(notice())
    await listener.wait(1)
    (tried,) = await alerts.drill(drill(MIDNIGHT, "x"), ("oncall",))
    assert tried.error is None
    listener.status = 500
    (tried,) = await alerts.drill(drill(MIDNIGHT, "x"), ("oncall",))
    assert tried.error == "Apprise could not deliver it"
    await alerts.stop()
    body = listener.calls[0]["body"]
    assert body["title"] == "[FIRING] toxic (high): model:bot"
    assert "to contain it:" in body["message"]


async def test_an_apprise_service_that_nobody_knows_or_that_breaks() -> None:
    alerts, _ = sender(AlertTarget("oncall", apprise=SecretStr("nosuchservice://x")))
    (tried,) = await alerts.drill(drill(MIDNIGHT, "x"), ("oncall",))
    assert tried.error == "Apprise could not deliver it"
    await alerts.stop()

    def breaks(url: str, title: str, body: str) -> bool:
        raise RuntimeError(url)

    alerts = Alerts(
        (AlertTarget("oncall"),),
        Metrics((), ()),
        clock=lambda: MIDNIGHT,
        channels={"oncall": Service("secret://token", breaks)},
    )
    (tried,) = await alerts.drill(drill(MIDNIGHT, "x"), ("oncall",))
    assert tried.error == "RuntimeError"  # and nothing of the URL
    await alerts.stop()
