"""Requests with histories as applications send them, at random: each is one that the real API takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from hypothesis import strategies as st

from tests.fakes.strict_anthropic import prefix

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]
Body: TypeAlias = dict[str, Any]

WORDS = st.sampled_from(["Hello.", "What is on?", "Rain – 18 °C", "json", "ok", "日本", 'He said "no"'])
NAMES = st.sampled_from(["get_weather", "search", "pay"])
ARGUMENTS = st.sampled_from(['{"city":"Oslo"}', "{}", '{"n":12345678901234567890123}'])
SOME = st.integers(0, 3)


TEMPERATURE = st.sampled_from([0.1, 1, 1.7])
JSON = st.just({"type": "json_object"})
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


def _some(draw: Draw, optional: dict[str, st.SearchStrategy[Any]]) -> Body:
    """Any of these keys."""
    found: Body = draw(st.fixed_dictionaries({}, optional=optional))
    return found


def _calls(draw: Draw, prefix: str) -> list[tuple[str, str, str]]:
    """Id, name and arguments of some calls that are made at once."""
    count = draw(st.integers(1, 3))
    return [(f"{prefix}_{n}", draw(NAMES), draw(ARGUMENTS)) for n in range(count)]


@st.composite
def chats(draw: Draw) -> Body:
    """For POST /v1/chat/completions."""
    model = draw(st.sampled_from(["gpt-4o", "gpt-4o-mini", "gpt-5", "o3", "o1-mini", "local"]))
    reasons = model in ("gpt-5", "o3", "o1-mini")
    prompts = st.just([]) if model == "o1-mini" else st.lists(WORDS, max_size=2)
    role = draw(st.sampled_from(["system", "developer"]))
    said: list[Body] = [{"role": role, "content": text} for text in draw(prompts)]
    tools = False
    for turn in range(draw(st.integers(1, 6))):
        said.append({"role": "user", "content": _chat_content(draw)})
        for step in range(draw(SOME)):
            tools = True
            if draw(st.integers(0, 4)) == 0:
                name = draw(NAMES)
                said.append({"role": "assistant", "content": None, "function_call": _function(name, "{}")})
                said.append({"role": "function", "name": name, "content": draw(WORDS)})
                continue
            calls = _calls(draw, f"call_{turn}_{step}")
            made = [
                {"id": id, "type": "function", "function": _function(name, args)} for id, name, args in calls
            ]
            said.append({"role": "assistant", "content": draw(st.none() | WORDS), "tool_calls": made})
            said.extend(
                {"role": "tool", "tool_call_id": id, "content": draw(WORDS | _parts("text"))}
                for id, _, _ in calls
            )
        if draw(st.integers(0, 5)):
            said.append({"role": "assistant", "content": draw(WORDS)})
    body: Body = {"model": model, "messages": said}
    if tools:
        body["tools"] = [{"type": "function", "function": {"name": "f"}}]
        body |= _some(draw, {"tool_choice": st.just("auto"), "parallel_tool_calls": st.booleans()})
    own = (
        "max_completion_tokens" if reasons else draw(st.sampled_from(["max_tokens", "max_completion_tokens"]))
    )
    body |= _some(draw, {own: st.sampled_from([1, 50, 4000])})
    if reasons:
        body |= _some(draw, {"reasoning_effort": st.sampled_from(["low", "high"])})
    else:
        body |= _some(draw, {"temperature": TEMPERATURE, "top_p": st.just(0.5)})
    if "json" in str(said):
        body |= _some(draw, {"response_format": JSON})
    if not tools and own not in body:
        body |= _some(draw, {"prediction": st.just({"type": "content", "content": "x"})})
    return body


def _function(name: str, arguments: str) -> Body:
    return {"name": name, "arguments": arguments}


def _chat_content(draw: Draw) -> Any:
    if draw(st.integers(0, 2)):
        return draw(WORDS)
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    return [*draw(_parts("text")), *draw(st.just([]) | st.just([image]))]


@st.composite
def responses(draw: Draw) -> Body:
    """For POST /v1/responses."""
    model = draw(st.sampled_from(["gpt-4o", "gpt-5", "o3"]))
    reasons = model != "gpt-4o"
    prompts = draw(st.lists(WORDS, max_size=2))
    items: list[Body] = [{"role": "developer", "content": text} for text in prompts]
    tools = False
    for turn in range(draw(st.integers(1, 6))):
        items.append({"role": "user", "content": draw(WORDS | _parts("input_text"))})
        for step in range(draw(SOME)):
            tools = True
            items.extend(_step(draw, f"{turn}_{step}", reasons))
        if draw(st.integers(0, 5)):
            items.extend(_said(draw, turn, reasons))
    body: Body = {"model": model, "input": items}
    if draw(st.integers(0, 9)) == 0:
        body["input"] = draw(WORDS)
        tools = False
    if tools:
        body["tools"] = [{"type": "function", "name": "f"}]
        body["include"] = ["reasoning.encrypted_content", "web_search_call.results"]
        body |= _some(draw, {"tool_choice": st.sampled_from(["auto", "required"])})
    body |= _some(draw, {"instructions": WORDS, "max_output_tokens": st.sampled_from([16, 5000])})
    if reasons:
        body |= _some(draw, {"reasoning": st.just({"effort": "high", "summary": "auto"})})
    else:
        body |= _some(draw, {"temperature": TEMPERATURE, "top_p": st.just(0.5)})
    if "json" in str(body):
        body |= _some(draw, {"text": JSON.map(lambda form: {"format": form})})
    return body


def _step(draw: Draw, place: str, reasons: bool) -> list[Body]:
    """Calls that are made at once, and what they bring."""
    kind = draw(st.sampled_from(["function_call", "custom_tool_call"]))
    said = "arguments" if kind == "function_call" else "input"
    calls = _calls(draw, f"call_{place}")
    thought = [{"type": "reasoning", "id": f"rs_{place}", "summary": []}]
    made = [{"type": kind, "call_id": id, "name": name, said: args} for id, name, args in calls]
    results = [
        {"type": f"{kind}_output", "call_id": id, "output": draw(WORDS | _parts("input_text"))}
        for id, _, _ in calls
    ]
    return [*(thought if reasons and draw(st.booleans()) else []), *made, *results]


def _said(draw: Draw, turn: int, reasons: bool) -> list[Body]:
    if draw(st.booleans()):
        return [{"role": "assistant", "content": draw(WORDS)}]
    content = [{"type": "output_text", "text": draw(WORDS), "annotations": []}]
    message = {"type": "message", "role": "assistant", "status": "completed", "content": content}
    if not reasons or draw(st.booleans()):
        return [{**message, "id": f"msg_{turn}"}]
    thought = {"type": "reasoning", "id": f"rs_{turn}", "summary": []}
    return [thought, {**message, "id": f"msg_{turn}_reasoned"}]


@st.composite
def messages(draw: Draw) -> Body:
    """For POST /v1/messages."""
    model = draw(st.sampled_from(["claude-sonnet-4-5", "claude-opus-4-7", "claude-sonnet-5-5"]))
    budgets = ["enabled"] if model == "claude-sonnet-4-5" else ["adaptive", "between_tools"]
    thinks = draw(st.sampled_from([None, *budgets]))
    thought = [THOUGHT] if thinks else []
    turns: list[Body] = []
    tools = False
    count = draw(st.integers(1, 6))
    for turn in range(count):
        turns.append({"role": "user", "content": draw(WORDS | _blocks())})
        turns.extend(draw(st.just([]) | st.just([{"role": "system", "content": "Mind the sale."}])))
        for step in range(draw(SOME)):
            tools = True
            calls = _calls(draw, f"toolu_{turn}_{step}")
            made = [{"type": "tool_use", "id": id, "name": name, "input": {"q": q}} for id, name, q in calls]
            results = [_result(draw, id) for id, _, _ in calls]
            turns.append({"role": "assistant", "content": [*thought, *draw(NO_BLOCKS | _blocks()), *made]})
            turns.append({"role": "user", "content": [*results, *draw(NO_BLOCKS | _blocks())]})
        if turn < count - 1:
            said = [*thought, *draw(_blocks())]
            turns.append({"role": "assistant", "content": said if thought else draw(WORDS | st.just(said))})
    body: Body = {"model": model, "messages": turns}
    body |= _some(draw, {"system": WORDS | _blocks()})
    if thinks is None:
        body["max_tokens"] = draw(st.sampled_from([1, 500, 8000]))
        if model == "claude-sonnet-4-5":
            body |= draw(st.sampled_from([{}, {"temperature": 0.7}, {"top_p": 0.9}]))
    else:
        body["max_tokens"] = draw(st.sampled_from([3000, 16_000]))
        body["thinking"] = {"type": thinks}
        if thinks == "enabled":
            body["thinking"]["budget_tokens"] = draw(st.sampled_from([1024, 2900]))
        clears = {"edits": [{"type": "clear_thinking_20251015"}]}
        body |= _some(draw, {"context_management": st.just(clears)})
    if tools:
        body["tools"] = [{"name": "f", "input_schema": {"type": "object"}}]
        body |= _some(draw, {"tool_choice": st.just({"type": "auto"})})
    body |= _some(draw, {"output_config": st.just({"effort": "max"})})
    _sign(body)
    return body


def _sign(body: Body) -> None:
    """Thinking is signed with what stands before it."""
    for index, turn in enumerate(body["messages"]):
        if turn["role"] == "assistant" and isinstance(turn["content"], list):
            bound = prefix(body, index)
            turn["content"] = [
                {**block, "signature": bound} if block["type"] == "thinking" else block
                for block in turn["content"]
            ]


NO_BLOCKS: st.SearchStrategy[list[Body]] = st.just([])


def _parts(type: str) -> st.SearchStrategy[list[Body]]:
    return st.lists(WORDS.map(lambda text: {"type": type, "text": text}), min_size=1, max_size=2)


def _blocks() -> st.SearchStrategy[list[Body]]:
    cached = {"cache_control": st.just({"type": "ephemeral"})}
    block = st.fixed_dictionaries({"type": st.just("text"), "text": WORDS}, optional=cached)
    return st.lists(block, min_size=1, max_size=2)


def _result(draw: Draw, id: str) -> Body:
    shown = _blocks().map(lambda blocks: [*blocks, IMAGE])
    content = draw(WORDS | st.just("") | NO_BLOCKS | _blocks() | shown)
    result = {"type": "tool_result", "tool_use_id": id, "content": content}
    return {**result, **draw(st.sampled_from([{}, {"is_error": True}]))}
