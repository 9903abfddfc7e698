"""OpenAI's chat completions and legacy completions, as the scripted backend speaks them.

Shapes: OpenAI's API reference and the types of its official Python client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

from proxy.demo.script import (
    CHOICES_MAX,
    Ask,
    AskError,
    Scene,
    as_int,
    as_list,
    as_object,
    as_text,
    count_tokens,
    cut,
    last_user_text,
    model_of,
    sse,
)
from proxy.model.record import Json

FINGERPRINT = "fp_demo"
LOGPROB = -0.25  # every token of the script is as sure as any other
DONE = b"data: [DONE]\n\n"


def read_chat(body: Mapping[str, Json]) -> Ask:
    """Raises AskError."""
    if not as_list(body.get("messages")):
        raise AskError("'messages' must be a non-empty list")
    tools = (as_object(as_object(tool).get("function")).get("name") for tool in as_list(body.get("tools")))
    return Ask(
        model=model_of(body),
        question=last_user_text(body.get("messages")),
        stream=body.get("stream") is True,
        tool=next((name for name in tools if isinstance(name, str)), None),
        choices=_choices(body),
        logprobs=body.get("logprobs") is True,
        usage_chunk=as_object(body.get("stream_options")).get("include_usage") is True,
        tokens_max=as_int(body.get("max_completion_tokens")) or as_int(body.get("max_tokens")),
        prompt_tokens=count_tokens(body.get("messages")),
    )


def read_completion(body: Mapping[str, Json]) -> Ask:
    """Raises AskError."""
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        prompts = [text for text in as_list(prompt) if isinstance(text, str)]
        if len(prompts) != 1:
            raise AskError("the demo backend takes one prompt, as a string")
        prompt = prompts[0]
    return Ask(
        model=model_of(body),
        question=as_text(prompt),
        stream=body.get("stream") is True,
        choices=_choices(body),
        logprobs=as_int(body.get("logprobs")) is not None,
        usage_chunk=as_object(body.get("stream_options")).get("include_usage") is True,
        tokens_max=as_int(body.get("max_tokens")),
        prompt_tokens=count_tokens(prompt),
    )


def chat(ask: Ask, scene: Scene, id: str, created: int) -> Json:
    """The whole reply."""
    message: dict[str, Json] = {"role": "assistant", "content": scene.text or None, "refusal": None}
    if scene.tool:
        message["tool_calls"] = [{"id": f"call_{id}", "type": "function", "function": _call(scene)}]
    choices: list[Json] = [
        {
            "index": index,
            "message": message,
            "logprobs": _logprobs(scene.tokens) if ask.logprobs else None,
            "finish_reason": _finish(scene),
        }
        for index in range(ask.choices)
    ]
    return _envelope("chat.completion", ask, id, created) | {"choices": choices, "usage": usage(ask, scene)}


def chat_frames(ask: Ask, scene: Scene, id: str, created: int) -> Iterator[bytes]:
    """The streamed reply; with several choices their chunks take turns."""

    def chunk(index: int, delta: Json, logprobs: Json = None, finish: str | None = None) -> bytes:
        choice: Json = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        unused: dict[str, Json] = {"usage": None} if ask.usage_chunk else {}
        return sse(_envelope("chat.completion.chunk", ask, id, created) | {"choices": [choice]} | unused)

    every = range(ask.choices)
    for index in every:
        yield chunk(index, {"role": "assistant", "content": None if scene.tool else "", "refusal": None})
    for token in scene.tokens:
        for index in every:
            yield chunk(index, {"content": token}, _logprobs((token,)) if ask.logprobs else None)
    if scene.tool:
        for index in every:
            call: dict[str, Json] = {"index": 0, "id": f"call_{id}_{index}", "type": "function"}
            yield chunk(index, {"tool_calls": [call | {"function": {"name": scene.tool, "arguments": ""}}]})
        for piece in cut(scene.arguments):
            for index in every:
                yield chunk(index, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    for index in every:
        yield chunk(index, {}, finish=_finish(scene))
    if ask.usage_chunk:
        yield sse(
            _envelope("chat.completion.chunk", ask, id, created) | {"choices": [], "usage": usage(ask, scene)}
        )
    yield DONE


def completion(ask: Ask, scene: Scene, id: str, created: int) -> Json:
    """The whole reply of the legacy API."""
    choices: list[Json] = [
        {
            "index": index,
            "text": scene.text,
            "logprobs": _legacy_logprobs(scene.tokens, 0) if ask.logprobs else None,
            "finish_reason": _finish(scene),
        }
        for index in range(ask.choices)
    ]
    return _envelope("text_completion", ask, id, created) | {"choices": choices, "usage": usage(ask, scene)}


def completion_frames(ask: Ask, scene: Scene, id: str, created: int) -> Iterator[bytes]:
    """The streamed reply of the legacy API."""
    starts = (0, *accumulate(len(token) for token in scene.tokens))

    def chunk(index: int, text: str, logprobs: Json = None, finish: str | None = None) -> bytes:
        choice: Json = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}
        unused: dict[str, Json] = {"usage": None} if ask.usage_chunk else {}
        return sse(_envelope("text_completion", ask, id, created) | {"choices": [choice]} | unused)

    for start, token in zip(starts, scene.tokens, strict=False):
        for index in range(ask.choices):
            yield chunk(index, token, _legacy_logprobs((token,), start) if ask.logprobs else None)
    for index in range(ask.choices):
        yield chunk(index, "", finish=_finish(scene))
    if ask.usage_chunk:
        yield sse(
            _envelope("text_completion", ask, id, created) | {"choices": [], "usage": usage(ask, scene)}
        )
    yield DONE


def error(status: int, message: str) -> Json:
    """OpenAI's error body."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def usage(ask: Ask, scene: Scene) -> Json:
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": scene.completion_tokens * ask.choices,
        "total_tokens": ask.prompt_tokens + scene.completion_tokens * ask.choices,
    }


def _envelope(kind: str, ask: Ask, id: str, created: int) -> dict[str, Json]:
    return {
        "id": f"chatcmpl-{id}",
        "object": kind,
        "created": created,
        "model": ask.model,
        "system_fingerprint": FINGERPRINT,
    }


def _choices(body: Mapping[str, Json]) -> int:
    count = as_int(body.get("n"))
    if count is not None and not 1 <= count <= CHOICES_MAX:
        raise AskError(f"'n' must be from 1 to {CHOICES_MAX}")
    return count or 1


def _call(scene: Scene) -> Json:
    return {"name": scene.tool, "arguments": scene.arguments}


def _finish(scene: Scene) -> str:
    return "tool_calls" if scene.tool else "length" if scene.truncated else "stop"


def _logprobs(tokens: tuple[str, ...]) -> Json:
    content: list[Json] = [
        {"token": token, "logprob": LOGPROB, "bytes": list(token.encode()), "top_logprobs": []}
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def _legacy_logprobs(tokens: tuple[str, ...], start: int) -> Json:
    return {
        "tokens": list(tokens),
        "token_logprobs": [LOGPROB] * len(tokens),
        "top_logprobs": None,
        "text_offset": [start + offset for offset in (0, *accumulate(len(token) for token in tokens[:-1]))],
    }


def served_model(name: str, created: int) -> Json:
    """One entry of the model list."""
    return {"id": name, "object": "model", "created": created, "owned_by": "demo"}
