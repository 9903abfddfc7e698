"""Which wire speaks on which path. The one place that knows the paths."""

from __future__ import annotations

import re
from types import MappingProxyType

from proxy.wire.anthropic import AnthropicCountTokens, AnthropicMessages
from proxy.wire.base import Wire
from proxy.wire.models import AnthropicModels, OpenAIModels
from proxy.wire.openai_chat import OpenAIChat
from proxy.wire.openai_completions import OpenAICompletions
from proxy.wire.openai_embeddings import OpenAIEmbeddings
from proxy.wire.openai_responses import OpenAIResponseById, OpenAIResponses

_CHAT = OpenAIChat()
_RESPONSE_BY_ID = OpenAIResponseById()
_OPENAI_MODELS = OpenAIModels()
_ANTHROPIC_MODELS = AnthropicModels()

_POST: MappingProxyType[str, Wire] = MappingProxyType(
    {
        "/v1/chat/completions": _CHAT,
        "/v1/completions": OpenAICompletions(),
        "/v1/responses": OpenAIResponses(),
        "/v1/embeddings": OpenAIEmbeddings(),
        "/v1/messages": AnthropicMessages(),
        "/v1/messages/count_tokens": AnthropicCountTokens(),
    }
)
_RESPONSE = re.compile(r"/v1/responses/[^/]+")
_MODELS = re.compile(r"/v1/models(?:/.+)?")


def wire_for(method: str, path: str, *, is_anthropic: bool) -> Wire | None:
    """The wire of a call; None where no wire can read it. `path` is without the query.

    `is_anthropic` (the caller sent `anthropic-version`) tells the two APIs apart on `/v1/models` only.
    """
    path = path.rstrip("/")
    if method == "POST":
        return _POST.get(path)
    if method == "GET" and _RESPONSE.fullmatch(path):
        return _RESPONSE_BY_ID
    if method in ("GET", "HEAD") and _MODELS.fullmatch(path):
        return _ANTHROPIC_MODELS if is_anthropic else _OPENAI_MODELS
    return None
