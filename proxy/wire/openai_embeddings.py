"""POST /v1/embeddings. Source: the OpenAI API reference. The reply is numbers: there is nothing to judge."""

from __future__ import annotations

from proxy.errors import BadRequest
from proxy.model.record import Json
from proxy.model.text import Media
from proxy.wire.base import ReplyFacts, ReplyView, RequestView
from proxy.wire.common import SilentWire, reply_object, request_model, request_object, user_of
from proxy.wire.gather import Gather
from proxy.wire.openai_request import input_texts, request_rest
from proxy.wire.shape import string


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
            user=user_of(request.get("user")),
            media=media,
        )

    def read_reply(self, body: Json) -> ReplyView:
        reply = reply_object(body)
        return ReplyView((), ReplyFacts(model=string(reply.get("model")), usage=reply.get("usage")))
