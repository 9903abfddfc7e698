"""OpenAI's responses API, as the scripted backend speaks it: the same text in every copy that the wire has.

Shapes: OpenAI's API reference and the types of its official Python client.
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
from proxy.model.record import Json


def read(body: Mapping[str, Json]) -> Ask:
    """Raises AskError."""
    given = body.get("input")
    if not given:
        raise AskError("'input' must be a string or a list of items")
    tools = (as_object(tool).get("name") for tool in as_list(body.get("tools")))
    return Ask(
        model=model_of(body),
        question=given if isinstance(given, str) else last_user_text(given),
        stream=body.get("stream") is True,
        tool=next((name for name in tools if isinstance(name, str)), None),
        tokens_max=as_int(body.get("max_output_tokens")),
        prompt_tokens=count_tokens(given) + count_tokens(body.get("instructions")),
    )


def whole(ask: Ask, scene: Scene, id: str, created: int) -> Json:
    """The whole reply."""
    return _response(ask, scene, id, created, output=[_item(scene, id, "completed")], done=True)


def frames(ask: Ask, scene: Scene, id: str, created: int) -> Iterator[bytes]:
    """The streamed reply: named events, numbered in order."""
    sequence = iter(range(1_000_000))

    def event(name: str, fields: Mapping[str, Json]) -> bytes:
        head: dict[str, Json] = {"type": name, "sequence_number": next(sequence)}
        return sse(head | dict(fields), name)

    started = _response(ask, scene, id, created, output=[], done=False)
    yield event("response.created", {"response": started})
    yield event("response.in_progress", {"response": started})
    opened = _item(scene, id, "in_progress")
    yield event("response.output_item.added", {"output_index": 0, "item": opened})
    at: dict[str, Json] = {"item_id": _item_id(scene, id), "output_index": 0}
    if scene.tool:
        for piece in cut(scene.arguments):
            yield event("response.function_call_arguments.delta", at | {"delta": piece})
        finished: dict[str, Json] = {"name": scene.tool, "arguments": scene.arguments}
        yield event("response.function_call_arguments.done", at | finished)
    else:
        at["content_index"] = 0
        yield event("response.content_part.added", at | {"part": _part("")})
        for token in scene.tokens:
            yield event("response.output_text.delta", at | {"delta": token, "logprobs": []})
        yield event("response.output_text.done", at | {"text": scene.text, "logprobs": []})
        yield event("response.content_part.done", at | {"part": _part(scene.text)})
    item = _item(scene, id, "completed")
    yield event("response.output_item.done", {"output_index": 0, "item": item})
    end = "response.incomplete" if scene.truncated else "response.completed"
    yield event(end, {"response": _response(ask, scene, id, created, output=[item], done=True)})


def _response(
    ask: Ask, scene: Scene, id: str, created: int, *, output: list[Json], done: bool
) -> dict[str, Json]:
    cut_short = done and scene.truncated
    return {
        "id": f"resp_{id}",
        "object": "response",
        "created_at": created,
        "status": "incomplete" if cut_short else "completed" if done else "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut_short else None,
        "instructions": None,
        "max_output_tokens": ask.tokens_max,
        "metadata": {},
        "model": ask.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(ask, scene) if done else None,
        "user": None,
    }


def _usage(ask: Ask, scene: Scene) -> Json:
    return {
        "input_tokens": ask.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": scene.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": ask.prompt_tokens + scene.completion_tokens,
    }


def _item_id(scene: Scene, id: str) -> str:
    return f"fc_{id}" if scene.tool else f"msg_{id}"


def _item(scene: Scene, id: str, status: str) -> Json:
    filled = status == "completed"
    if scene.tool:
        return {
            "id": _item_id(scene, id),
            "type": "function_call",
            "status": status,
            "arguments": scene.arguments if filled else "",
            "call_id": f"call_{id}",
            "name": scene.tool,
        }
    return {
        "id": _item_id(scene, id),
        "type": "message",
        "status": "incomplete" if filled and scene.truncated else status,
        "role": "assistant",
        "content": [_part(scene.text)] if filled else [],
    }


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
