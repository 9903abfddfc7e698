"""A question in the form of the API that a model speaks."""

from __future__ import annotations

import json

from proxy.model.probe import Message
from proxy.probe.question import question

ASKED = (Message("system", "Be brief."), Message("user", "Hi"))


def test_openai() -> None:
    path, body = question("openai", "bot", "gpt-4", ASKED, 20, 0.0)
    assert path == "/v1/chat/completions"
    assert json.loads(body) == {
        "model": "bot",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "temperature": 0.0,
        "max_tokens": 20,
    }


def test_a_reasoning_model_is_capped_by_the_name_that_it_takes() -> None:
    body = json.loads(question("openai", "bot", "o3-mini", ASKED[1:], 20, None)[1])
    assert body == {
        "model": "bot", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 20,
    }  # fmt: skip


def test_anthropic() -> None:
    path, body = question("anthropic", "claude", "claude-x", ASKED, 20, None)
    assert path == "/v1/messages"
    assert json.loads(body) == {
        "model": "claude",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 20,
        "system": "Be brief.",
    }
