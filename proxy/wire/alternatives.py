"""The models that a request names beside its own, for a gateway at the backend to turn to where that one fails.

Sources: OpenRouter's `models`; LiteLLM's `fallbacks`, `context_window_fallbacks` and `content_policy_fallbacks`,
which are lists of names, of `{"model": name, …}`, or of `{name: [names]}`, and a `model` that is several names
with commas between them, which asks them all; Vercel's `providerOptions.gateway.models`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy.errors import BadRequest
from proxy.model.record import Json

ALTERNATIVES: Final = ("models", "fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
"""The keys of a request that name such models, and nothing else."""

ALTERNATIVES_MAX: Final = 32
"""So many may be named; each is looked up."""


def alternatives(body: Json) -> tuple[str, ...]:
    """Every model named there. Raises BadRequest for more than ALTERNATIVES_MAX, and for a form that hides them."""
    if not isinstance(body, dict):
        return ()
    named = [name for key in ALTERNATIVES if body.get(key) is not None for name in _names(key, body[key])]
    options = body.get("providerOptions")
    gateway = options.get("gateway") if isinstance(options, dict) else None
    if isinstance(gateway, dict) and gateway.get("models") is not None:
        named.extend(_names("providerOptions.gateway.models", gateway["models"]))
    model = body.get("model")
    if isinstance(model, str) and "," in model:
        named.extend(part for name in model.split(",") if (part := name.strip()))
    if len(named) > ALTERNATIVES_MAX:
        raise BadRequest(f"{len(named)} other models are named; {ALTERNATIVES_MAX} may be")
    return tuple(named)


def _names(key: str, value: Json) -> Iterator[str]:
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict) and isinstance(model := entry.get("model"), str):
            yield model
        elif isinstance(entry, dict) and entry and all(isinstance(names, list) for names in entry.values()):
            for names in entry.values():
                yield from _names(key, names)
        else:
            raise BadRequest(f"`{key}` holds what is no model's name")
