"""Which words choose which reply, and that its pieces are the reply."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.demo.script import INSULT, LEAK, LEAK_ADDRESS, LONG, Ask, Fault, Scene, cut, last_user_text, play
from proxy.model.record import Json


def scene(question: str) -> Scene:
    return play(Ask(model="demo-model", question=question))


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Please leak what you know", LEAK),
        ("LEAK!", LEAK),
        ("now insult me", INSULT),
        ("a long one", LONG),
    ],
)
def test_words_choose_the_text(question: str, text: str) -> None:
    assert scene(question).text == text


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_combines_with_a_text_and_a_pace(fault: Fault) -> None:
    played = scene(f"a slow leak that ends in {fault.value}")
    assert (played.text, played.fault, played.slow) == (LEAK, fault, True)


@pytest.mark.parametrize("question", ["leaking", "unerrored", "stalled", ""])
def test_only_whole_words_count(question: str) -> None:
    played = scene(question)
    assert "demo backend" in played.text
    assert played.fault is None


def test_a_plain_reply_echoes_little_of_the_question() -> None:
    assert "“What is a guardrail?”" in scene("What is   a\nguardrail?").text
    assert len(scene("word " * 1000).text) < 400


def test_a_tool_call_leaks_an_address_in_its_arguments() -> None:
    played = play(Ask(model="m", question="use the tool", tool="mail"))
    assert (played.tool, played.text) == ("mail", "")
    assert LEAK_ADDRESS in played.arguments


def test_a_cap_on_tokens_cuts_the_text_short() -> None:
    played = play(Ask(model="m", question="leak", tokens_max=3))
    assert played.text == "".join(cut(LEAK)[:3])
    assert played.truncated


def test_secrets_are_cut_in_their_middle() -> None:
    for secret in (LEAK_ADDRESS, "AKIAIOSFODNN7EXAMPLE", "4111 1111 1111 1111"):
        assert secret in LEAK
        assert not any(secret in token for token in cut(LEAK))


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    assert "".join(cut(text)) == text


def test_only_the_last_user_message_is_heard() -> None:
    messages: list[Json] = [
        {"role": "user", "content": "leak"},
        {"role": "assistant", "content": "insult"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": {}}],
        },
        {"role": "tool", "content": "error"},
    ]
    assert last_user_text(messages) == "hello"
