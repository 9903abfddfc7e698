"""Anthropic's messages API, as the scripted backend speaks it.

Shapes: Anthropic's API reference and the types of its official Python client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from proxy.demo.script import (
    Ask,
    AskError,
    Scene,
    as_int,
    as_list,
    as_object,
    count_tokens,
    cut,
    last_user_text,
    model_of,
    sse,
)
from proxy.jsonio import loads
from proxy.model.record import Json


def read(body: Mapping[str, Json]) -> Ask:
    """Raises AskError."""
    ask = read_prompt(body)
    if ask.tokens_max is None:
        raise AskError("max_tokens: Field required")
    return ask


def read_prompt(body: Mapping[str, Json]) -> Ask:
    """What the token count needs, where `max_tokens` may be absent. Raises AskError."""
    if not as_list(body.get("messages")):
        raise AskError("messages: at least one message is required")
    tools = (as_object(tool).get("name") for tool in as_list(body.get("tools")))
    return Ask(
        model=model_of(body),
        question=last_user_text(body.get("messages")),
        stream=body.get("stream") is True,
        tool=next((name for name in tools if isinstance(name, str)), None),
        tokens_max=as_int(body.get("max_tokens")),
        prompt_tokens=count_tokens(body.get("messages")) + count_tokens(body.get("system")),
    )


def whole(ask: Ask, scene: Scene, id: str, created: int) -> Json:
    """The whole reply."""
    content: list[Json] = []
    if scene.tool:
        content.append(
            {
                "type": "tool_use",
                "id": f"toolu_{id}",
                "name": scene.tool,
                "input": loads(scene.arguments.encode()),
            }
        )
    else:
        content.append({"type": "text", "text": scene.text})
    return _message(ask, id) | {
        "content": content,
        "stop_reason": _stop(scene),
        "usage": {"input_tokens": ask.prompt_tokens, "output_tokens": scene.completion_tokens},
    }


def frames(ask: Ask, scene: Scene, id: str, created: int) -> Iterator[bytes]:
    """The streamed reply: named events, one content block."""

    def event(name: str, fields: Mapping[str, Json]) -> bytes:
        return sse({"type": name} | dict(fields), name)

    yield event("message_start", {"message": _message(ask, id)})
    block: Json = {"type": "text", "text": ""}
    if scene.tool:
        block = {"type": "tool_use", "id": f"toolu_{id}", "name": scene.tool, "input": {}}
    yield event("content_block_start", {"index": 0, "content_block": block})
    yield event("ping", {})
    for piece in cut(scene.arguments) if scene.tool else scene.tokens:
        delta: Json = {"type": "text_delta", "text": piece}
        if scene.tool:
            delta = {"type": "input_json_delta", "partial_json": piece}
        yield event("content_block_delta", {"index": 0, "delta": delta})
    yield event("content_block_stop", {"index": 0})
    end: Json = {"stop_reason": _stop(scene), "stop_sequence": None}
    yield event("message_delta", {"delta": end, "usage": {"output_tokens": scene.completion_tokens}})
    yield event("message_stop", {})


def error(status: int, message: str) -> Json:
    """Anthropic's error body."""
    kinds = {400: "invalid_request_error", 404: "not_found_error"}
    return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}


def served_model(name: str) -> Json:
    """One entry of the model list."""
    return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}


def _message(ask: Ask, id: str) -> dict[str, Json]:
    return {
        "id": f"msg_{id}",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": ask.prompt_tokens, "output_tokens": 1},
    }


def _stop(scene: Scene) -> str:
    return "tool_use" if scene.tool else "max_tokens" if scene.truncated else "end_turn"
