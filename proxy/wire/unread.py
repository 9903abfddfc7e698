"""Strings of a request that are no texts to judge, each with its reason. Every other string is judged, whether the
wire knows its key or not: what a model could read must not depend on where it stands."""

from __future__ import annotations

import re

from proxy.model.record import Json
from proxy.model.text import Path
from proxy.wire.data import is_sealed
from proxy.wire.shape import leaves

SETTINGS = frozenset(
    (
        "model", "stream", "stream_options", "service_tier", "truncation", "encoding_format", "reasoning_effort",
        "verbosity", "modalities", "include", "logit_bias", "audio", "thinking", "reasoning", "cache_control",
        "prompt_cache_retention", "prompt_cache_options", "context_management", "moderation", "betas", "speed",
        "inference_geo", "anthropic_version", "previous_response_id", "conversation", "container",
    )
)  # fmt: skip
"""Top-level keys by which a backend is told how to work. Left out as long as they hold words of the API's own."""

WORDS = frozenset(
    (
        "type",
        "status",
        "detail",
        "format",
        "media_type",
        "phase",
        "cache_control",
        "citations",
        "caller",
        "index",
    )
)
"""Keys within messages, parts, items and blocks that choose between forms; left out as long as they hold a word."""

ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))
"""Roles of the wires' own; any other is written into the prompt by some templates, and judged."""

IDS = frozenset(("id", "call_id", "tool_call_id", "tool_use_id", "approval_request_id"))
"""Keys that tie calls to results. Left out in the shapes in which model servers make them up, and where they are
too short to say anything."""

OPAQUE = frozenset(("signature", "encrypted_content", "encrypted_index"))
"""What the backend wrote for itself, sealed: base64 and nothing else."""

_WORD = re.compile(r"[A-Za-z][\w.:/+-]{0,63}", re.ASCII)
_ID = re.compile(
    r"(?:[a-z]{1,16}[_-]){0,3}(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{6,64}"
    r"|(?:[a-z]{1,10}_)?[A-Za-z0-9]{1,5}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)


def is_seed(path: Path, _: str) -> bool:
    """Whether a number is where a request asks for the same dice again: no model reads it, it may have 64 bits, and
    a string in its place would be refused."""
    return path == ("seed",)


def is_unread(key: str, value: Json, *, top: bool = False) -> bool:
    """Whether the value at a key (`top`: of the request itself) holds nothing for a rule to read."""
    if not isinstance(value, str | list | dict):
        return True  # a number or a truth value of the wire's own
    if top and key == "model":
        return True  # it is looked up; edited, it would go elsewhere than where the dial saw it go
    if key in SETTINGS if top else key in WORDS:
        return all(_WORD.fullmatch(leaf) for leaf in _strings(value))
    if not isinstance(value, str) or top:
        return not value
    if key == "role":
        return value in ROLES
    if key in IDS:
        return _ID.fullmatch(value) is not None
    return not value or (key in OPAQUE and is_sealed(value))


def _strings(value: Json) -> list[str]:
    return [value] if isinstance(value, str) else [leaf for _, leaf in leaves(value, ())]
