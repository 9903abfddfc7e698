"""Credentials that stand in a request's body for the use of the backend or of the servers that it calls.

No model reads them and no rule judges them: the backend gets them as they are, the log gets a body without them.
Sources: OpenAI's API reference (MCP tools and connectors: `authorization`, `headers`, `server_url`; containers:
`domain_secrets`), Anthropic's (`mcp_servers`), Azure's (`data_sources`: `authentication`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from proxy.model.record import Json
from proxy.model.text import Path
from proxy.wire.shape import sequence, with_leaves

MASK = "[credential]"

DEPTH_MAX = 64
"""How many levels down credentials are looked for. No field of any API lies nearly as deep."""

_TOKENS = frozenset(
    (
        "authorization", "authorization_token", "access_token", "refresh_token", "bearer_token", "oauth_token",
        "api_key", "encoded_api_key", "client_secret", "connection_string", "password",
    )
)  # fmt: skip
_HOLDERS = frozenset(("headers", "authentication", "domain_secrets"))
"""Every string below these is one, but for what names it."""

_NAMES = frozenset(("type", "name", "domain"))
_TALK = frozenset(("messages", "system", "instructions", "content", "output", "variables"))
"""What is said stands below these, as the log must show it; of a picture's or a file's address only the secret part
is masked."""

_CALLED = frozenset(("arguments", "input_schema", "parameters"))
_USERINFO = re.compile(r"(?<=://)[^/?#@\s]*@")
_QUERY = re.compile(
    r"([?&#][^=&#]*(?:token|key|sig|secret|passw|credential|auth|code|session|jwt)[^=&#]*=)[^&#]+",
    re.IGNORECASE,
)
_SECRET_STEP = re.compile(r"(?<=/)(?=[^/?#]*[0-9])(?=[^/?#]*[A-Za-z])[A-Za-z0-9_=.~-]{20,}(?=[/?#]|$)")


def credentials(body: Json) -> Iterator[tuple[Path, str]]:
    """Where credentials stand in a request, and what the log may show of each."""
    stack: list[tuple[Json, Path, bool, bool]] = [(body, (), False, False)]
    while stack:
        node, path, talk, holder = stack.pop()
        if len(path) > DEPTH_MAX:
            continue
        members = node.items() if isinstance(node, dict) else enumerate(sequence(node))
        for step, child in members:
            if isinstance(child, str):
                key = step.lower() if isinstance(step, str) else ""
                shown = _shown(key, child, talk=talk, holder=holder)
                if shown is not None:
                    yield (*path, step), shown
            elif isinstance(child, dict | list) and child:
                key = step.lower() if isinstance(step, str) else ""
                if not _is_call(key, child, path):
                    below = holder or (key in _HOLDERS and not talk)
                    stack.append((child, (*path, step), talk or key in _TALK, below))


def masked(body: Json) -> Json:
    """The body as the log may keep it. The same object where it holds no credential."""
    found = dict(credentials(body))
    return with_leaves(body, found) if found else body


def _is_call(key: str, child: Json, path: Path) -> bool:
    """What a model said to a tool, or is told of one: its own words, whatever their keys."""
    called = key in _CALLED or (key == "input" and isinstance(child, dict))
    return called and path[:1] != ("data_sources",)


def _shown(key: str, value: str, *, talk: bool, holder: bool) -> str | None:
    if holder and key not in _NAMES:
        return MASK
    if key in _TOKENS and not talk and value:
        return MASK
    if key.endswith(("url", "uri", "endpoint")) and "://" in value[:16]:
        shown = _QUERY.sub(rf"\g<1>{MASK}", _USERINFO.sub(f"{MASK}@", value, count=1))
        if not talk:  # the servers of tools: some carry their key in the path
            shown = _SECRET_STEP.sub(MASK, shown)
        return shown if shown != value else None
    return None
