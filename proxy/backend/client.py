"""The model backends: pooled connections, time-outs, TLS, credentials; bytes in, bytes out.

Nothing else in the proxy opens a connection to a backend. A backend is only ever the one that the settings
name: no redirect is followed, no proxy of the environment is used, no cookie is kept.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from proxy.backend.decode import Decoder, EncodingError, decoder_for
from proxy.backend.health import UNABLE_STATUSES, Health
from proxy.errors import BackendFailed, BackendFault
from proxy.settings import BackendSettings

READ_BUFFER_BYTES = 1 << 16
"""How much of a reply is read ahead of a slow client."""

DRAIN_S = 1.0
DRAIN_BYTES_MAX = 65_536
"""How long, and over how many bytes, a reply that is over is read for the sake of its connection."""

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key", "api-key"})
"""Headers that carry a caller's key for a backend; a proxy's own client keys stand in them too."""

# Set anew for each hop: the length by the client library, encodings by what the proxy can open.
_SET_BY_US = frozenset({"host", "content-length", "content-encoding", "accept-encoding", "expect"})


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers that pass a proxy: no hop-by-hop ones, none that `Connection` names (RFC 9110, 7.6.1)."""
    named = {
        name.strip().lower()
        for key, value in headers.items()
        if key.lower() == "connection"
        for name in value.split(",")
    }
    out: CIMultiDict[str] = CIMultiDict()
    for key, value in headers.items():
        lower = key.lower()
        if lower not in _HOP_BY_HOP and lower not in named:
            out.add(key, value)
    return out


class Upstream:
    """One reply under way. Every method may raise BackendFailed; `close` gives the connection up at once."""

    def __init__(self, backend: str, response: aiohttp.ClientResponse, decoder: Decoder | None) -> None:
        self.backend = backend
        self.status = response.status
        self.reason = response.reason
        self.headers = end_to_end(response.headers)
        if decoder is not None:
            self.headers.popall("content-encoding", None)
            self.headers.popall("content-length", None)
        self.content_type = response.content_type if "content-type" in response.headers else ""
        self._response = response
        self._decoder = decoder
        self._over = False

    async def read(self) -> bytes:
        """The next bytes of the body as they come, decoded; empty at its end."""
        content = self._response.content
        while True:
            try:
                data = await content.readany()
            except (aiohttp.ClientError, OSError) as error:
                # aiohttp tells of the failure first, and what came before it may be the reply's own end.
                data = content._read_nowait(-1)
                if not data:
                    raise _failed(self.backend, error, "while its reply was read") from error
            if self._decoder is None:
                return data
            try:
                if not data:
                    self._decoder.end()
                    return b""
                decoded = self._decoder.feed(data)
            except EncodingError as error:
                raise BackendFailed(f"backend {self.backend}: its reply will not open: {error}") from error
            if decoded:
                return decoded

    async def read_whole(self, bound: int) -> bytes:
        """The whole body. Raises BackendFailed where it is larger than `bound` bytes."""
        parts: list[bytes] = []
        size = 0
        while data := await self.read():
            size += len(data)
            if size > bound:
                raise BackendFailed(f"backend {self.backend}: its reply is larger than {bound} bytes")
            parts.append(data)
        return b"".join(parts)

    def close(self) -> None:
        """Give the reply up, if it is not over; its connection goes with it, so that the backend stops."""
        if not self._over:
            self._over = True
            self._response.close()

    def finished(self) -> None:
        """The body was read to its end: the connection may serve again."""
        self._over = True
        self._response.release()

    async def drain(self) -> None:
        """Read what little may follow the wire's own end, so that the connection may serve again."""
        self._over = True
        left = DRAIN_BYTES_MAX
        try:
            async with asyncio.timeout(DRAIN_S):
                while left > 0 and (data := await self._response.content.readany()):
                    left -= len(data)
        except (aiohttp.ClientError, OSError):
            pass  # then it serves no more, which is all that is lost
        self._response.release()


class Backend:
    """One configured backend: its connection pool and its health."""

    def __init__(
        self,
        name: str,
        settings: BackendSettings,
        health: Health,
        *,
        max_reply_bytes: int,
        connections_max: int,
    ) -> None:
        self.name = name
        self.api = settings.api
        self.health = health
        self.settings = settings
        self._base = URL(str(settings.url))
        self._max_reply_bytes = max_reply_bytes
        context: ssl.SSLContext | bool = True
        if settings.ca_file is not None:
            context = ssl.create_default_context(cafile=str(settings.ca_file))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=min(settings.max_connections, connections_max), ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            raise_for_status=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            read_bufsize=READ_BUFFER_BYTES,
            max_line_size=32_768,
            max_field_size=32_768,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=settings.timeout_s,
                sock_connect=settings.connect_timeout_s,
                sock_read=settings.timeout_s,
            ),
        )

    async def open(
        self,
        method: str,
        path_and_query: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        keep_credential: bool,
        within_s: float | None = None,
    ) -> Upstream:
        """Send a request, wait for the reply's head, `within_s` at most where that is less than the settings' wait.
        Raises BackendFailed: unreachable, reset, too slow; BackendDown: not asked."""
        period = self.health.enter()
        limit = asyncio.timeout(within_s)
        try:
            async with limit:
                response = await self._session.request(
                    method,
                    self._url(path_and_query),
                    headers=self._headers(headers, keep_credential),
                    data=body,
                    allow_redirects=False,
                )
        except (aiohttp.ClientError, OSError) as error:
            failed = _failed(self.name, error, "before it answered")
            if limit.expired():
                self.health.left(period)  # it was not given its time
            else:
                self.health.failed(period, failed.fault)
            raise failed from error
        except BaseException:
            self.health.left(period)
            raise
        if response.status in UNABLE_STATUSES:
            self.health.failed(period, BackendFault.STATUS)
        else:
            self.health.succeeded(period)
        encodings = ",".join(response.headers.getall("content-encoding", ()))
        try:
            decoder = decoder_for(encodings, bound=self._max_reply_bytes)
        except EncodingError as error:
            response.close()
            raise BackendFailed(f"backend {self.name}: {error}") from error
        return Upstream(self.name, response, decoder)

    async def close(self) -> None:
        await self._session.close()

    def _url(self, path_and_query: str) -> URL:
        # Base URLs are written with and without the API's own /v1, as the official clients have it.
        base_path = self._base.raw_path.rstrip("/")
        if base_path.endswith("/v1") and path_and_query.startswith("/v1/"):
            base_path = base_path[: -len("/v1")]
        return URL(f"{self._base.origin()}{base_path}{path_and_query}", encoded=True)

    def _headers(self, received: Mapping[str, str], keep_credential: bool) -> CIMultiDict[str]:
        key = self.settings.key
        drop_credential = key is not None or not keep_credential
        out: CIMultiDict[str] = CIMultiDict()
        for name, value in end_to_end(received).items():
            lower = name.lower()
            if lower in _SET_BY_US or (drop_credential and lower in CREDENTIAL_HEADERS):
                continue
            out.add(name, value)
        out["Accept-Encoding"] = "identity"
        if key is not None:
            if self.api == "anthropic":
                out["x-api-key"] = key.get_secret_value()
            else:
                out["Authorization"] = f"Bearer {key.get_secret_value()}"
        return out


def _failed(backend: str, error: Exception, when: str) -> BackendFailed:
    def fault(what: str, kind: BackendFault) -> BackendFailed:
        return BackendFailed(f"backend {backend}: {what} {when}", kind)

    if isinstance(error, TimeoutError):
        return fault("too slow: nothing came", BackendFault.TIMEOUT)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return fault("its TLS certificate was refused", BackendFault.TLS)
    if isinstance(error, aiohttp.ClientConnectorError):
        return fault("unreachable", BackendFault.UNREACHABLE)
    return fault("the connection broke", BackendFault.BROKEN)
