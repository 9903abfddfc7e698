"""Calls to the admin API of a running proxy, from a shell: every failure is one line and a hint."""

from __future__ import annotations

import http.client
import ipaddress
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from proxy import jsonio
from proxy.errors import GuardrailError
from proxy.jsonio import InvalidJson
from proxy.model.record import Json

DEFAULT_ADMIN: Final = "http://127.0.0.1:8081"
DEFAULT_TOKEN_FILE: Final = Path("data/admin.token")
TOKEN_ENV: Final = "GUARDRAIL_ADMIN_TOKEN"
TIMEOUT_S: Final = 15.0
"""Longer than the proxy waits for its store, so that its own answer arrives."""
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024


class CallFailed(GuardrailError):
    """The call did not do what was asked. `usage` where the caller asked for what cannot be."""

    def __init__(self, message: str, hint: str = "", *, usage: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.usage = usage


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to wherever it points."""

    def redirect_request(self, *_: object) -> None:
        return None


@dataclass(frozen=True, slots=True)
class AdminClient:
    """One proxy's admin API. `url` without a trailing slash; `token_of` says where the token comes from."""

    url: str
    token: str | None
    token_of: str = ""
    timeout_s: float = TIMEOUT_S

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | None] | None = None,
        body: Mapping[str, Json] | None = None,
    ) -> Mapping[str, Json]:
        """The answer's JSON object. Raises CallFailed."""
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        request = urllib.request.Request(
            self.url + path + (f"?{urlencode(asked)}" if asked else ""),
            method=method,
            data=None if body is None else jsonio.dumps(body),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        if self.token is not None:
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        proxies = [urllib.request.ProxyHandler({})] if is_loopback(self.url) else []
        opener = urllib.request.build_opener(_NoRedirects(), *proxies)
        try:
            with opener.open(request, timeout=self.timeout_s) as response:
                return self._object(response.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code, error.read(ANSWER_BYTES_MAX)) from None
        except urllib.error.URLError as error:
            raise self._unreached(error.reason) from None
        except TimeoutError:
            raise CallFailed(
                f"{self.url} did not answer within {self.timeout_s:g} s",
                "The change may or may not have been made: look with `guardrail-proxy dial show`.",
            ) from None
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise self._unreached(error) from None

    def _object(self, raw: bytes) -> Mapping[str, Json]:
        try:
            value = jsonio.loads(raw)
        except InvalidJson:
            value = None
        if not isinstance(value, dict):
            raise self._stranger()
        return value

    def _stranger(self) -> CallFailed:
        return CallFailed(
            f"what answers at {self.url} is not a proxy's admin API",
            "Is this the clients' port? The admin listener is a separate one; give it with --admin URL.",
        )

    def _refused(self, status: int, raw: bytes) -> CallFailed:
        try:
            value = jsonio.loads(raw)
        except InvalidJson:
            value = None
        error = value.get("error") if isinstance(value, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        message = error.get("message") if isinstance(error, dict) else None
        if isinstance(error, dict) and "type" in error:
            return CallFailed(
                f"{self.url} looks like the proxy's port for clients, not its admin listener",
                "Give the admin listener (`admin.listen` in the settings) with --admin URL.",
            )
        if not isinstance(code, str) or not isinstance(message, str):
            return self._stranger()
        hint = {
            401: f"It does not know the token of {self.token_of}: is that another proxy's, or was it changed?"
            if self.token_of
            else f"Set {TOKEN_ENV}, or give --token-file; a first start writes one to DATA_DIR/admin.token.",
            403: "Ask someone whose token has that role." if code == "forbidden" else "",
            421: "Add that name to `admin.hosts` in the settings, or call the listener by its address.",
            503: "Nothing was changed. Is the disk of data_dir full or read-only?"
            if code == "not_durable"
            else "",
        }.get(status, "")
        return CallFailed(f"{message} ({code})", hint, usage=status == 422)

    def _unreached(self, reason: object) -> CallFailed:
        if isinstance(reason, ssl.SSLError):
            if reason.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
                return CallFailed(f"{self.url}: what answers there speaks no TLS", "Give it with http://.")
            why = reason.reason or reason
            if isinstance(reason, ssl.SSLCertVerificationError):
                why = reason.verify_message
            return CallFailed(
                f"{self.url}: {why}",
                "For a private CA set SSL_CERT_FILE to its certificate; for a listener without TLS use http://.",
            )
        if isinstance(reason, ConnectionRefusedError):
            text = "nothing listens there"
        elif isinstance(reason, TimeoutError):
            text = f"no answer within {self.timeout_s:g} s"
        else:
            text = str(reason) or type(reason).__name__
        return CallFailed(
            f"cannot reach the proxy at {self.url}: {text}", "Is it running? --admin URL if elsewhere."
        )


def connect(url: str, token_file: Path | None) -> AdminClient:
    """A client for that listener. The token: of `token_file`, else of the environment, else, on this machine
    only, of a proxy started in this folder. Raises CallFailed."""
    parts = urlsplit(url)
    try:
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.path.rstrip("/") or parts.query or parts.username is not None:
        raise CallFailed(f"`{url}` is no admin URL", f"As {DEFAULT_ADMIN}", usage=True)
    token, token_of = os.environ.get(TOKEN_ENV, "").strip(), TOKEN_ENV
    if token_file is not None:
        token_of = str(token_file)
        try:
            token = _read_token(token_file)
        except (OSError, UnicodeDecodeError) as error:
            raise CallFailed(
                f"{token_file}: {getattr(error, 'strerror', None) or 'holds no token'}"
            ) from None
        if not token:
            raise CallFailed(f"{token_file} is empty")
    elif not token and is_loopback(url):
        token_of = str(DEFAULT_TOKEN_FILE)
        with suppress(OSError, UnicodeDecodeError):  # the proxy's 401 says what to do
            token = _read_token(DEFAULT_TOKEN_FILE)
    if not token:
        return AdminClient(url.rstrip("/"), None)
    if not all("!" <= char <= "~" for char in token):
        raise CallFailed(f"{token_of} has characters that no token has")
    return AdminClient(url.rstrip("/"), token, token_of)


def is_loopback(url: str) -> bool:
    """Whether a URL is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_token(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()
