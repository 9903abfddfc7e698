"""The credentials that an exchange came with, or goes on with, wherever they turn up in what is put on record.

Backends repeat a key that they refuse, callers paste theirs into a prompt, a path or an object's key may be
one: the client gets what was said, the log gets it without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from proxy import jsonio
from proxy.backend.client import CREDENTIAL_HEADERS
from proxy.model.finding import Finding
from proxy.model.record import Json
from proxy.request.exchange import Exchange, Ports
from proxy.wire.credentials import MASK

KEY_CHARS_MIN = 12
"""Shorter ones are stand-ins for a key (`none`, `EMPTY`), and would be found in words."""

_HEADERS = (*CREDENTIAL_HEADERS, "proxy-authorization", "cookie")


class OwnKeys:
    """The credentials of one exchange, by value."""

    __slots__ = ("_keys",)

    def __init__(self, x: Exchange, ports: Ports) -> None:
        found: set[str] = set()
        for name in _HEADERS:
            for header in x.http.headers.getall(name, ()):
                found.update(_values(header, cookies=name == "cookie"))
        backend = ports.backends.get(x.route.backend) if x.route is not None else None
        if backend is not None and backend.settings.key is not None:
            found.add(backend.settings.key.get_secret_value())
        # The longest first: one may be part of another.
        self._keys = sorted((key for key in found if len(key) >= KEY_CHARS_MIN), key=len, reverse=True)

    def out_of(self, text: str) -> str:
        """The text without them, nor the beginning of one at its end: what is kept of a long text is cut."""
        for key in self._keys:
            text = text.replace(key, MASK)
            at = text.find(key[:KEY_CHARS_MIN], max(0, len(text) - len(key)))
            if at >= 0 and key.startswith(text[at:]):
                text = text[:at] + MASK
        return text

    def out_of_any(self, text: str | None) -> str | None:
        return None if text is None else self.out_of(text)

    def out_of_findings(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """The findings: a field's name may have been made of one."""
        if not self._keys:
            return tuple(findings)
        return tuple(
            finding
            if (field := self.out_of(finding.field)) == finding.field
            else replace(finding, field=field)
            for finding in findings
        )

    def out_of_json(self, value: Json, raw: bytes | None = None) -> Json:
        """The value without them, in keys too; the same object where it holds none. `raw` is its JSON, where that
        is there already."""
        if isinstance(value, str):
            return self.out_of(value)
        if value is None or not self._keys:
            return value
        try:
            escaped = raw is None or b"\\u" in raw or b"\\/" in raw  # a key may stand in it as another
            written = jsonio.dumps(value) if raw is None or escaped else raw
            if not any(key.encode() in written for key in self._keys):
                return value
            text = jsonio.dumps(value).decode()
        except RecursionError:
            return None  # nested beyond writing: rather nothing than a key
        return jsonio.loads(self.out_of(text).encode())


def _values(header: str, *, cookies: bool) -> list[str]:
    """What of a header is secret: a scheme's token, each cookie's value."""
    if cookies:
        return [part.partition("=")[2].strip() for part in header.split(";")]
    scheme, _, token = header.partition(" ")
    return [token.strip() if token.strip() else scheme]
