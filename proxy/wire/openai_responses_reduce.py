"""What is left of a Responses request at `degraded`. Pure.

Source: the OpenAI API reference, and its guides to reasoning models and conversation state. A conversation that the
backend keeps cannot be cut down here (`RequestView.conversation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from proxy.model.record import Json
from proxy.wire.alternatives import ALTERNATIVES
from proxy.wire.gather import PROMPT_ROLES
from proxy.wire.reduce import (
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
from proxy.wire.shape import compact, mapping, sequence, string

TOOL_KEYS: Final = ("tools", "tool_choice", "parallel_tool_calls", "max_tool_calls")
_TALK: Final = frozenset(("input_text", "input_image", "input_file", "input_audio"))
_BESIDE: Final = frozenset(("reasoning", "compaction", "mcp_list_tools"))
"""Items that are nothing without the calls and the ids that they belong to."""


def reduce_responses(request: Mapping[str, Json], reduction: Reduction) -> dict[str, Json]:
    """The request as it is to be sent."""
    out = dict(request)
    drop(out, ALTERNATIVES)  # what is cut for one model may not fit another
    given = request.get("input")
    items = _recent(sequence(given), reduction.keep_messages)
    if not reduction.tools:
        drop(out, TOOL_KEYS)
        _without_tool_results(out)
        items = _without_tools(items)
    if reduction.replaces_prompt and reduction.system_prompt:
        items = [one for one in items if not _is_prompt(one)]
    left: Json = items if isinstance(given, list) else given
    said = None if reduction.replaces_prompt and reduction.system_prompt else request.get("instructions")
    prompt = prompt_of(reduction, mapping(request.get("text")).get("format"), [left, said])
    if prompt is not None and reduction.takes_system:
        out["instructions"] = in_front(prompt, said)
    elif prompt is not None:
        left = _told(left, prompt)
        items = list(sequence(left))
    if not isinstance(given, list):
        if left is not given:
            out["input"] = left
    elif not same(given, items):
        out["input"] = items
    cap(out, "max_output_tokens", reduction.max_output_tokens)
    reasoning = mapping(request.get("reasoning"))
    effort = reasoning.get("effort")
    if reduction.max_output_tokens is not None and eased(effort) is not effort:
        out["reasoning"] = {**reasoning, "effort": eased(effort)}
    if reduction.takes_temperature:
        cool(out, reduction.temperature)
    return out


def _recent(items: Sequence[Json], keep: int | None) -> list[Json]:
    counted = [place for place, one in enumerate(items) if not _is_prompt(one)]
    if not counted:
        return list(items)
    talk = [mapping(items[place]).get("role") == "user" for place in counted]
    starts = [n for n, is_user in enumerate(talk) if n == 0 or (is_user and not talk[n - 1])]
    first = counted[kept_from(starts, len(counted), keep)]
    return [one for place, one in enumerate(items) if place >= first or _is_prompt(one)]


def _is_prompt(item: Json) -> bool:
    role = mapping(item).get("role")
    return isinstance(role, str) and role in PROMPT_ROLES


def _told(left: Json, prompt: str) -> Json:
    """For a model without instructions: the first message of the user's says it."""
    if not isinstance(left, list):
        return in_front(prompt, left)
    for place, one in enumerate(left):
        item = mapping(one)
        if item.get("role") == "user":
            told = {**item, "content": in_front(prompt, item.get("content"), "input_text")}
            return [*left[:place], told, *left[place + 1 :]]
    return [{"role": "user", "content": prompt}, *left]


def _without_tool_results(out: dict[str, Json]) -> None:
    """What the request asks to be told of tools that are gone."""
    included = sequence(out.get("include"))
    left = [one for one in included if not isinstance(one, str) or "_call" not in one.partition(".")[0]]
    if len(left) < len(included):
        out["include"] = left


def _without_tools(items: Sequence[Json]) -> list[Json]:
    """Calls and results as text. An item of the model's that follows its reasoning is refused without it, and the
    other way round: both lose the ids by which they are known."""
    out: list[Json] = []
    names: dict[str, Json] = {}
    for one in items:
        item = mapping(one)
        kind = string(item.get("type")) or "message"
        if kind in _BESIDE:
            continue
        if kind == "message":
            out.append(_message(one))
        elif kind.endswith(("_output", "_response")):
            out.append(_result(item, names))
        elif kind.endswith(("_call", "_request")):
            name = item.get("name", kind)
            names[str(item.get("call_id", item.get("id")))] = name
            out.append({"role": "assistant", "content": "\n".join(_call(item, kind, name))})
        else:
            out.append(one)
    return out


def _message(one: Json) -> Json:
    item = mapping(one)
    if item.get("role") != "assistant" or not ("id" in item or "status" in item):
        return one
    parts = sequence(item.get("content"))
    texts = [
        string(mapping(part).get("text")) or string(mapping(part).get("refusal")) or "" for part in parts
    ]
    return {"role": "assistant", "content": "".join(texts) if parts else item.get("content")}


def _call(item: Mapping[str, Json], kind: str, name: Json) -> list[str]:
    """The call, and what it brought where the same item says that."""
    for key in ("arguments", "input", "action", "code", "queries", "operation"):
        if item.get(key) is not None:
            said = [call_text(name, item[key])]
            break
    else:
        said = [call_text(name, "")]
    for key in ("output", "results", "outputs"):
        if item.get(key) is not None and kind != "image_generation_call":
            said.append(result_text(name, _text(item[key])))
    return said


def _result(item: Mapping[str, Json], names: Mapping[str, Json]) -> Json:
    called = item.get("call_id", item.get("approval_request_id"))
    name = names.get(str(called), item.get("type"))
    output = item.get("output", item.get("approve"))
    if isinstance(output, dict):
        output = "a picture of the screen"  # no other result is an object
    parts = [part for part in sequence(output) if mapping(part).get("type") in _TALK]
    if any(mapping(part).get("type") != "input_text" for part in parts):
        return {"role": "user", "content": [{"type": "input_text", "text": result_text(name, "")}, *parts]}
    if parts:
        output = "".join(string(mapping(part).get("text")) or "" for part in parts)
    return {"role": "user", "content": result_text(name, _text(output))}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else compact(value) or ""
