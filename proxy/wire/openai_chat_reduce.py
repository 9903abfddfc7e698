"""What is left of a chat request, and of a legacy completion's, at `degraded`. Pure.

Source: the OpenAI API reference, and its guides to reasoning models, predicted outputs and JSON mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from proxy.model.record import Json
from proxy.wire.alternatives import ALTERNATIVES
from proxy.wire.gather import PROMPT_ROLES
from proxy.wire.reduce import (
    BETWEEN,
    Reduction,
    call_text,
    cap,
    cool,
    drop,
    eased,
    in_front,
    kept_from,
    prompt_of,
    result_text,
    same,
)
from proxy.wire.shape import mapping, sequence, string

TOOL_KEYS: Final = (
    "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "web_search_options",
)  # fmt: skip
_RESULT_ROLES: Final = ("tool", "function")
_THINKING_KEYS: Final = ("reasoning", "thinking", "thinking_budget")
"""What other backends call a budget of reasoning, which must stay under the cap."""


def reduce_chat(request: Mapping[str, Json], reduction: Reduction) -> dict[str, Json]:
    """The request as it is to be sent."""
    out = dict(request)
    drop(out, ALTERNATIVES)  # what is cut for one model may not fit another
    messages = _recent(sequence(request.get("messages")), reduction.keep_messages)
    if not reduction.tools:
        drop(out, TOOL_KEYS)
        messages = _without_tools(messages)
    if reduction.replaces_prompt and reduction.system_prompt:
        messages = [one for one in messages if not _is_prompt(one)]
    prompt = prompt_of(reduction, request.get("response_format"), messages)
    if prompt is not None:
        messages = _prompted(messages, prompt, reduction)
    if not same(request.get("messages"), messages):
        out["messages"] = messages
    if reduction.max_output_tokens is not None:
        _cap(out, reduction)
    if reduction.takes_temperature:
        cool(out, reduction.temperature)
    return out


def reduce_completion(request: Mapping[str, Json], reduction: Reduction) -> dict[str, Json]:
    """A legacy completion has neither messages nor tools. Token ids stay as they are: no text can be put before
    them."""
    out = dict(request)
    drop(out, ALTERNATIVES)  # what is cut for one model may not fit another
    prompt = request.get("prompt")
    if reduction.system_prompt is not None:
        front = f"{reduction.system_prompt}{BETWEEN}"
        if isinstance(prompt, str):
            out["prompt"] = front + prompt
        elif any(isinstance(entry, str) for entry in sequence(prompt)):
            out["prompt"] = [front + one if isinstance(one, str) else one for one in sequence(prompt)]
        drop(out, ("echo",))  # it would say the prompt aloud
    if request.get("max_tokens") is not None:  # the API's own default is smaller than any cap
        cap(out, "max_tokens", reduction.max_output_tokens)
    if reduction.takes_temperature:
        cool(out, reduction.temperature)
    return out


def _cap(out: dict[str, Json], reduction: Reduction) -> None:
    own = [key for key in ("max_completion_tokens", "max_tokens") if out.get(key) is not None]
    for key in own or (reduction.cap_field or "max_tokens",):
        cap(out, key, reduction.max_output_tokens)
    # A prediction goes with no cap; and reasoning counts under it.
    drop(out, ("prediction", *_THINKING_KEYS))
    if "reasoning_effort" in out:
        out["reasoning_effort"] = eased(out["reasoning_effort"])


def _recent(messages: Sequence[Json], keep: int | None) -> list[Json]:
    """The messages of the system, and the last turns of the others."""
    counted = [place for place, one in enumerate(messages) if not _is_prompt(one)]
    roles = [mapping(messages[place]).get("role") for place in counted]
    starts = [n for n, role in enumerate(roles) if n == 0 or (role == "user" and roles[n - 1] != "user")]
    if not counted:
        return list(messages)
    first = counted[kept_from(starts, len(counted), keep)]
    return [one for place, one in enumerate(messages) if place >= first or _is_prompt(one)]


def _is_prompt(message: Json) -> bool:
    role = mapping(message).get("role")
    return isinstance(role, str) and role in PROMPT_ROLES


def _prompted(messages: list[Json], prompt: str, reduction: Reduction) -> list[Json]:
    """The prompt goes into a first message that is the system's already: some models take one of those, and take
    it first only."""
    first = mapping(messages[0]) if messages else {}
    if not reduction.takes_system:
        for place, one in enumerate(messages):
            if mapping(one).get("role") == "user":
                said = {**mapping(one), "content": in_front(prompt, mapping(one).get("content"))}
                return [*messages[:place], said, *messages[place + 1 :]]
        return [{"role": "user", "content": prompt}, *messages]
    if _is_prompt(first):
        return [{**first, "content": in_front(prompt, first.get("content"))}, *messages[1:]]
    developers = any(mapping(one).get("role") == "developer" for one in messages)
    return [{"role": "developer" if developers else "system", "content": prompt}, *messages]


def _without_tools(messages: Sequence[Json]) -> list[Json]:
    """Calls and results as text: a history of tools is refused where there are none."""
    out: list[Json] = []
    names: dict[str, Json] = {}
    results: dict[str, Json] | None = None  # the last message, where it holds results only
    for one in messages:
        message = mapping(one)
        if message.get("role") in _RESULT_ROLES:
            name = names.get(str(message.get("tool_call_id")), message.get("name"))
            said = _result(name, message.get("content"))
            if results is not None and isinstance(said, str) and isinstance(results["content"], str):
                results["content"] += f"\n{said}"
            else:
                results = {"role": "user", "content": said}
                out.append(results)
            continue
        results = None
        calls = [*_calls(message, names)]
        if not calls and not ("tool_calls" in message or "function_call" in message):
            out.append(one)
            continue
        rest = {key: child for key, child in message.items() if key not in ("tool_calls", "function_call")}
        if calls:
            rest["content"] = _with_text(message.get("content"), "\n".join(calls))
        out.append(rest)
    return out


def _calls(message: Mapping[str, Json], names: dict[str, Json]) -> list[str]:
    """The calls of a message as text; their names are kept by their ids."""
    out: list[str] = []
    for one in sequence(message.get("tool_calls")):
        call = mapping(one)
        function = mapping(call.get("function")) or mapping(call.get("custom"))
        names[str(call.get("id"))] = function.get("name")
        out.append(call_text(function.get("name"), function.get("arguments", function.get("input"))))
    legacy = mapping(message.get("function_call"))
    if legacy:
        out.append(call_text(legacy.get("name"), legacy.get("arguments")))
    return out


def _with_text(content: Json, text: str) -> Json:
    if isinstance(content, list):
        return [*content, {"type": "text", "text": text}]
    said = string(content)
    return f"{said}\n{text}" if said else text


def _result(name: Json, content: Json) -> Json:
    parts = sequence(content)
    if not parts:
        return result_text(name, string(content) or "")
    texts = [string(mapping(part).get("text")) for part in parts]
    if all(text is not None for text in texts):
        return result_text(name, "".join(text or "" for text in texts))
    return [{"type": "text", "text": result_text(name, "")}, *parts]
