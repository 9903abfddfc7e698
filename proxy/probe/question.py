"""A probe's question in the form of the API that its model speaks. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from proxy import jsonio
from proxy.model.probe import Message
from proxy.model.record import Json
from proxy.wire.families import cap_field


def question(
    api: str,
    model: str,
    sent: str | None,
    messages: Sequence[Message],
    max_tokens: int,
    temperature: float | None,
) -> tuple[str, bytes]:
    """The path and the body. `sent` is the model's name at its backend, which says how its output is capped."""
    body: dict[str, Json] = {"model": model}
    asked: list[Json] = [
        {"role": one.role, "content": one.content}
        for one in messages
        if api != "anthropic" or one.role != "system"
    ]
    body["messages"] = asked
    if temperature is not None:
        body["temperature"] = temperature
    if api != "anthropic":
        body[cap_field(sent)] = max_tokens
        return "/v1/chat/completions", jsonio.dumps(body)
    body["max_tokens"] = max_tokens
    system = "\n\n".join(one.content for one in messages if one.role == "system")
    if system:
        body["system"] = system
    return "/v1/messages", jsonio.dumps(body)
