"""Which wire speaks on which path."""

from __future__ import annotations

import pytest

from proxy.wire.registry import wire_for


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1/chat/completions", "openai.chat"),
        ("POST", "/v1/completions", "openai.completions"),
        ("POST", "/v1/responses", "openai.responses"),
        ("GET", "/v1/responses/resp_1", "openai.responses"),
        ("POST", "/v1/embeddings", "openai.embeddings"),
        ("GET", "/v1/models", "openai.models"),
        ("GET", "/v1/models/org/name", "openai.models"),
        ("POST", "/v1/messages", "anthropic.messages"),
        ("POST", "/v1/messages/count_tokens", "anthropic.count_tokens"),
        ("GET", "/v1/chat/completions", None),
        ("POST", "/v1/chat/completions/x", None),
        ("DELETE", "/v1/responses/resp_1", None),
        ("POST", "/v1/responses/resp_1/cancel", None),
        ("GET", "/v1/responses/resp_1/input_items", None),
        ("POST", "/chat/completions", None),
        ("POST", "/v1/messages/batches", None),
        ("POST", "/V1/messages", None),
        ("POST", "/v1//messages", None),
    ],
)
def test_the_wire_of_a_path(method: str, path: str, name: str | None) -> None:
    found_wire = wire_for(method, path, is_anthropic=False)
    assert (found_wire.name if found_wire else None) == name


def test_models_belong_to_the_api_that_the_caller_speaks() -> None:
    for anthropic, name in ((True, "anthropic.models"), (False, "openai.models")):
        found_wire = wire_for("GET", "/v1/models", is_anthropic=anthropic)
        assert found_wire is not None
        assert (found_wire.name, found_wire.api, found_wire.speaks) == (name, name.split(".")[0], False)
