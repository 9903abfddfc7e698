"""The models that a request names beside its own, for a gateway at the backend to turn to where that one fails.

Sources: OpenRouter's `models`; LiteLLM's `fallbacks`, `context_window_fallbacks` and `content_policy_fallbacks`,
which are lists of names, of `{"model": name, …}`, or of `{name: [names]}`, and a `model` that is several names
with commas between them, which asks them all; Vercel's `providerOptions.gateway.models`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
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
    named = tuple(islice(_all(body), ALTERNATIVES_MAX + 1))  # a body of names is not read to its end
    if len(named) > ALTERNATIVES_MAX:
        raise BadRequest(f"more than {ALTERNATIVES_MAX} other models are named")
    return named


def _all(body: Mapping[str, Json]) -> Iterator[str]:
    for key in ALTERNATIVES:
        if body.get(key) is not None:
            yield from _names(key, body[key])
    options = body.get("providerOptions")
    gateway = options.get("gateway") if isinstance(options, dict) else None
    if isinstance(gateway, dict) and gateway.get("models") is not None:
        yield from _names("providerOptions.gateway.models", gateway["models"])
    model = body.get("model")
    if isinstance(model, str) and "," in model:
        yield from (part for name in model.split(",", ALTERNATIVES_MAX + 1) if (part := name.strip()))


def _names(key: str, value: Json) -> Iterator[str]:
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict) and isinstance(model := entry.get("model"), str):
            yield model
        elif isinstance(entry, dict) and entry:
            for names in entry.values():
                yield from _listed(key, names)
        else:
            raise _odd(key)


def _listed(key: str, names: Json) -> Iterator[str]:
    """The models to turn to for one, in a list of names or of `{"model": name, …}`."""
    if not isinstance(names, list) or not names:
        raise _odd(key)
    for one in names:
        model = one.get("model") if isinstance(one, dict) else one
        if not isinstance(model, str):
            raise _odd(key)
        yield model


def _odd(key: str) -> BadRequest:
    return BadRequest(f"`{key}` holds what is no model's name")
