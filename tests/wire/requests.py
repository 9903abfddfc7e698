"""Reading requests in tests: each API's request in one call, and what was found in it."""

from __future__ import annotations

import base64

from proxy.model.record import Json
from proxy.wire.base import RequestView, Wire
from proxy.wire.registry import wire_for

PNG = base64.b64encode(b"\x89PNG" + bytes(range(256))).decode()


def wire(path: str) -> Wire:
    found = wire_for("POST", path, is_anthropic="messages" in path)
    assert found is not None
    return found


def chat(*messages: Json, **more: Json) -> RequestView:
    return wire("/v1/chat/completions").read_request({"model": "m", "messages": list(messages), **more})


def claude(*messages: Json, **more: Json) -> RequestView:
    return wire("/v1/messages").read_request({"model": "m", "messages": list(messages), **more})


def responses(**more: Json) -> RequestView:
    return wire("/v1/responses").read_request({"model": "m", **more})


def found(view: RequestView) -> list[tuple[str, str]]:
    return [(text.channel.field, text.value) for text in view.texts]
