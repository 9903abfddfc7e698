"""GET /v1/models and /v1/models/{id}, on both APIs: no text to judge in the request, names in the reply."""

from __future__ import annotations

from proxy.model.record import Json
from proxy.wire.base import RequestView
from proxy.wire.common import SilentWire


class OpenAIModels(SilentWire):
    """The list of models, or one of them."""

    name = "openai.models"

    def read_request(self, body: Json) -> RequestView:
        return RequestView(model=None, stream=False, texts=())


class AnthropicModels(OpenAIModels):
    """The same on Anthropic's API."""

    name = "anthropic.models"
    api = "anthropic"
