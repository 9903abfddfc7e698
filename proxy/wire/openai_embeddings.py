"""POST /v1/embeddings. Source: the OpenAI API reference. The reply is numbers, but for its names."""

from __future__ import annotations

from proxy.errors import BadRequest
from proxy.model.record import Json
from proxy.model.text import Media
from proxy.wire.base import RequestView
from proxy.wire.common import SilentWire, openai_user, request_model, request_object
from proxy.wire.gather import Gather
from proxy.wire.openai_request import input_texts, request_rest


class OpenAIEmbeddings(SilentWire):
    """Embeddings: the input's texts are judged, each by itself."""

    name = "openai.embeddings"

    def read_request(self, body: Json) -> RequestView:
        request = request_object(body)
        if request.get("input") is None:
            raise BadRequest("input is missing")
        gather = Gather()
        input_texts(gather, request.get("input"), ("input",))
        request_rest(gather, request, ("input",))
        media: tuple[Media, ...] = tuple(gather.media)
        return RequestView(
            model=request_model(request),
            stream=False,
            texts=tuple(gather.texts),
            user=openai_user(request),
            media=media,
        )
