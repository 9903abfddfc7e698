"""The way in for the proxy's own questions: each is a request like any other and takes the same steps.

It comes by a Unix socket in a folder that only this user can open, so that no other request passes for a probe.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import web

from proxy.model.level import Outcome
from proxy.model.observation import Metric
from proxy.model.probe import Heard
from proxy.model.record import Json
from proxy.request.probing import Probing
from proxy.request.server import Front

ASKING: Final = "proxy-authorization"
"""The header by which a request here finds its question. It is for one hop: no backend sees it."""
AGENT: Final = "guardrail-proxy probe"


class ProbeDoor:
    """Belongs to one event loop; open from `async with` on."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._asking: dict[str, Probing] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="guardrail-")  # 0700
        server = web.Server(self._handle, handler_cancellation=True, auto_decompress=False, access_log=None)
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.1)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        path = Path(self._folder.name) / "probes"
        await self._runner.setup()
        await web.UnixSite(self._runner, path).start()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(path), force_close=True), cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        await self._runner.cleanup()
        self._folder.cleanup()

    async def ask(self, probe: str, path: str, body: bytes, timeout_s: float) -> Heard:
        """Put a question, and wait for its exchange to end: what it came to. Never raises for what went wrong
        there."""
        assert self._session is not None
        probing = Probing(probe)
        word = f"{id(probing):x}"
        self._asking[word] = probing
        error: str | None = None
        try:
            async with self._session.post(
                f"http://probe{path}",
                data=body,
                headers={"content-type": "application/json", "user-agent": AGENT, ASKING: word},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                allow_redirects=False,
            ) as answer:
                await answer.read()
        except TimeoutError:
            error = f"no answer within {timeout_s:g} s"
        except aiohttp.ClientError as fault:
            error = f"no answer: {type(fault).__name__}"
        finally:
            del self._asking[word]
        return _heard(probing, error)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        probing = self._asking.get(request.headers.get(ASKING, ""))
        if probing is None:
            raise ConnectionAbortedError("whoever asked has gone")
        return await self._front.handle(request, probing)


def _heard(probing: Probing, error: str | None) -> Heard:
    ended, observed = probing.ended, probing.observed
    if ended is None:
        return Heard("", Outcome.REFUSED, "", None, None, error or "the proxy took no part", None)
    return Heard(
        ended.id,
        ended.outcome,
        _text(ended.received),
        observed.values.get(Metric.TOXICITY) if observed is not None else None,
        ended.model.version,
        error or ended.error,
        observed,
    )


def _text(received: Json) -> str:
    """What the first choice says."""
    if isinstance(received, list) and received:
        received = received[0]
    if isinstance(received, dict):
        received = received.get("text")
    return received if isinstance(received, str) else ""
