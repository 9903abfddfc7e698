"""What is left of requests at `degraded`: whatever came in, the real API takes what goes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire.families import cap_field, takes_system, takes_temperature
from proxy.wire.reduce import Reduction, kept_from
from tests.fakes import strict_anthropic, strict_openai
from tests.wire import histories
from tests.wire.reducing import CHAT, COUNT, MESSAGES, PROMPT, RESPONSES, at_model, left_of

reductions = st.builds(
    Reduction,
    keep_messages=st.none() | st.integers(1, 12),
    system_prompt=st.none() | st.just(PROMPT),
    replaces_prompt=st.booleans(),
    temperature=st.none() | st.sampled_from([0.0, 0.5, 2.0]),
    max_output_tokens=st.none() | st.sampled_from([16, 300, 2500, 100_000]),
    tools=st.booleans(),
)
Check = Callable[[Any], str | None]


@pytest.mark.parametrize(
    ("path", "bodies", "check"),
    [
        (CHAT, histories.chats(), strict_openai.chat),
        (RESPONSES, histories.responses(), strict_openai.responses),
        (MESSAGES, histories.messages(), strict_anthropic.messages),
    ],
    ids=["chat", "responses", "messages"],
)
@given(data=st.data(), reduction=reductions)
@settings(max_examples=150, deadline=None)
def test_what_was_taken_whole_is_taken_reduced(
    path: str, bodies: st.SearchStrategy[Any], check: Check, data: st.DataObject, reduction: Reduction
) -> None:
    body = data.draw(bodies)
    assert check(body) is None, "the test's own request is good"
    reduction = at_model(reduction, body["model"])
    left = left_of(path, body, reduction)
    assert check(left) is None
    _is_bounded(path, body, left, reduction)


def _is_bounded(path: str, body: Any, left: Any, reduction: Reduction) -> None:
    key = "input" if path == RESPONSES else "messages"
    said = json.dumps(left, ensure_ascii=False)
    if not reduction.tools:
        assert "tools" not in left
        assert not any(
            word in said for word in ("tool_calls", 'function_call"', '"tool_use"', "tool_call_id")
        )
    if reduction.system_prompt is not None:
        assert said.count(PROMPT) == 1
    if reduction.max_output_tokens is not None:
        caps = [
            left[name]
            for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")
            if name in left
        ]
        given = [
            body[name]
            for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")
            if name in body
        ]
        assert caps == [min([*given, reduction.max_output_tokens])]
    if isinstance(body[key], list):
        users = [
            one for one in body[key] if one.get("role") == "user" and "tool_result" not in json.dumps(one)
        ]
        assert json.dumps(users[-1]["content"], ensure_ascii=False).strip('[]"') in said or PROMPT in said


@given(body=histories.messages(), reduction=reductions)
@settings(max_examples=100, deadline=None)
def test_what_is_counted_is_what_would_be_sent(body: dict[str, Any], reduction: Reduction) -> None:
    counted = {key: child for key, child in body.items() if key not in ("max_tokens", "temperature", "top_p")}
    assert strict_anthropic.messages(counted, counts=True) is None
    left = left_of(COUNT, counted, reduction)
    assert strict_anthropic.messages(left, counts=True) is None
    if body["max_tokens"] >= (reduction.max_output_tokens or 0):
        sent = left_of(MESSAGES, body, reduction)
        assert left["messages"] == sent["messages"]
        assert left.get("system") == sent.get("system")


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=60), keep=st.integers(1, 40))
def test_the_cut_is_at_a_turn_and_moves_by_blocks(lengths: list[int], keep: int) -> None:
    cuts: list[int] = []
    for count in range(1, len(lengths) + 1):
        starts = [sum(lengths[:n]) for n in range(count)]
        total = sum(lengths[:count])
        cut = kept_from(starts, total, keep)
        assert cut in starts
        assert total - cut <= keep or cut == starts[-1]
        cuts.append(cut)
    assert cuts == sorted(cuts), "what was cut off stays cut off"


def test_so_the_prompts_beginning_is_the_same_for_some_turns() -> None:
    cuts = [kept_from(range(0, 2 * turns, 2), 2 * turns - 1, 20) for turns in range(1, 100)]
    assert len(set(cuts)) == 19  # of 99


@pytest.mark.parametrize(
    ("model", "temperature", "system", "cap"),
    [
        ("gpt-4o", True, True, "max_tokens"),
        ("o3", False, True, "max_completion_tokens"),
        ("openai/o4-mini-2025-04-16", False, True, "max_completion_tokens"),
        ("o1-mini", False, False, "max_completion_tokens"),
        ("gpt-5.1", False, True, "max_completion_tokens"),
        ("gpt-5-chat-latest", True, True, "max_tokens"),
        ("olmo-2", True, True, "max_tokens"),
        ("claude-opus-4-7", False, True, "max_tokens"),
        ("claude-sonnet-4-5", True, True, "max_tokens"),
        (None, True, True, "max_tokens"),
    ],
)
def test_what_a_models_name_tells(model: str | None, temperature: bool, system: bool, cap: str) -> None:
    assert (takes_temperature(model), takes_system(model), cap_field(model)) == (temperature, system, cap)
