"""How an alert gets to its target: a signed webhook, or a service by its Apprise URL."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol

import aiohttp

from proxy import jsonio
from proxy.model.record import Json
from proxy.respond.notice import Notice
from proxy.settings import AlertTarget

ATTEMPT_S: Final = 10.0
"""How long one delivery may take."""
TOLD_MAX: Final = 20
"""How many notices one message spells out; of the others it has the titles."""
TITLES_MAX: Final = 100


class NotDelivered(Exception):
    """One delivery failed. `reason` is one of a closed set, for the metric; no URL stands in either."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class Channel(Protocol):
    """One target's way of delivery."""

    async def send(self, notices: Sequence[Notice], now: float) -> None:
        """All of them as one message. Raises NotDelivered."""
        ...

    async def close(self) -> None: ...


def channel_for(target: AlertTarget) -> Channel:
    """The channel that a target's settings ask for."""
    if target.webhook is not None and target.secret is not None:
        return Webhook(target.webhook.get_secret_value(), target.secret.get_secret_value())
    assert target.apprise is not None, "settings have one or the other"
    return Service(target.apprise.get_secret_value())


def signature(secret: str, at: int, body: bytes) -> str:
    """`t=UNIX,v1=HEX`: HMAC-SHA256 over the time, a dot and the body."""
    mac = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


class Webhook:
    """POSTs JSON. Redirects are failures: a signed body goes where the settings say, and nowhere else."""

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._session: aiohttp.ClientSession | None = None

    async def send(self, notices: Sequence[Notice], now: float) -> None:
        alerts: list[Json] = [one.as_json() for one in notices[:TOLD_MAX]]
        more: list[Json] = [one.title for one in notices[TOLD_MAX : TOLD_MAX + TITLES_MAX]]
        body = jsonio.dumps({"version": 1, "alerts": alerts, "count": len(notices), "more": more})
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ATTEMPT_S)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "guardrail-proxy",
            "X-Guardrail-Signature": signature(self._secret, int(now), body),
        }
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                if not 200 <= answer.status < 300:
                    raise NotDelivered("refused", f"it answered {answer.status}")
        except TimeoutError:
            raise NotDelivered("timeout", f"no answer within {ATTEMPT_S:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotDelivered("unreachable", type(error).__name__) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class Service:
    """Whatever Apprise knows: chats, mail, pagers. Its calls block, so they have a thread of their own; while one
    hangs there is no second one."""

    def __init__(self, url: str, notify: Callable[[str, str, str], bool] | None = None) -> None:
        self._url = url
        self._notify = notify or apprise_notify
        self._thread = ThreadPoolExecutor(1, "alerts")
        self._running: Future[bool] | None = None
        self._turn = asyncio.Lock()

    async def send(self, notices: Sequence[Notice], now: float) -> None:
        async with self._turn:
            await self._send(notices)

    async def _send(self, notices: Sequence[Notice]) -> None:
        if self._running is not None and not self._running.done():
            raise NotDelivered("timeout", "the delivery before hangs still")
        title = notices[0].title if len(notices) == 1 else f"{len(notices)} tripwires"
        told = [
            one.text() if len(notices) == 1 else f"{one.title}\n{one.text()}" for one in notices[:TOLD_MAX]
        ]
        told += [one.title for one in notices[TOLD_MAX : TOLD_MAX + TITLES_MAX]]
        self._running = self._thread.submit(self._notify, self._url, title, "\n\n".join(told))
        try:
            async with asyncio.timeout(ATTEMPT_S):
                taken = await asyncio.shield(asyncio.wrap_future(self._running))
        except TimeoutError:
            raise NotDelivered("timeout", f"no answer within {ATTEMPT_S:g} s") from None
        except Exception as error:  # noqa: BLE001  a plug-in of Apprise's may raise anything; that is a failed delivery
            raise NotDelivered("unreachable", type(error).__name__) from None
        if not taken:
            raise NotDelivered("refused", "Apprise could not deliver it")

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def apprise_notify(url: str, title: str, body: str) -> bool:
    """Blocks. Apprise is imported here, since most proxies start without needing it."""
    import apprise

    services = apprise.Apprise(asset=apprise.AppriseAsset(storage_mode="memory", secure_logging=True))
    if not services.add(url):
        return False
    sent = services.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT)
    return bool(sent)
