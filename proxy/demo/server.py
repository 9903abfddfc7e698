"""The demo backend's HTTP side: routes, pace and faults. What it says stands in `proxy.demo.script`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from aiohttp import web

from proxy.demo import anthropic, openai_chat, openai_responses
from proxy.demo.script import (
    SLOW_TOKENS_PER_S,
    Ask,
    AskError,
    Fault,
    Scene,
    as_list,
    as_object,
    count_tokens,
    model_of,
    play,
)
from proxy.jsonio import InvalidJson, dumps, loads
from proxy.model.record import Json

BODY_BYTES_MAX = 64 * 1024 * 1024
STALL_S_MAX = 600.0  # a stalled reply gives up after this, so that a forgotten client holds nothing for good
STALL_LOOK_S = 0.2  # how often a stalled reply looks whether its client has left
EMBEDDING_SIZE = 32
MODELS = ("demo-model", "demo-embedding")
MODELS_CREATED = 1_767_225_600
GARBAGE = b'data: {"id": "demo", "choices": [{"index": 0, "delta": {"content": \n\n'

_CLOSING = web.AppKey("closing", asyncio.Event)
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
ErrorBody: TypeAlias = Callable[[int, str], Json]


@dataclass(frozen=True, slots=True)
class _Api:
    """One path that answers with text."""

    read: Callable[[Mapping[str, Json]], Ask]
    whole: Callable[[Ask, Scene, str, int], Json]
    frames: Callable[[Ask, Scene, str, int], Iterator[bytes]]
    error: ErrorBody


_APIS: Mapping[str, _Api] = {
    "/v1/chat/completions": _Api(
        openai_chat.read_chat, openai_chat.chat, openai_chat.chat_frames, openai_chat.error
    ),
    "/v1/completions": _Api(
        openai_chat.read_completion, openai_chat.completion, openai_chat.completion_frames, openai_chat.error
    ),
    "/v1/responses": _Api(
        openai_responses.read, openai_responses.whole, openai_responses.frames, openai_chat.error
    ),
    "/v1/messages": _Api(anthropic.read, anthropic.whole, anthropic.frames, anthropic.error),
}


def build_demo(*, token_s: float = 0.005) -> web.Application:
    """The demo backend as an application to be served on loopback, in this process or another.

    token_s: seconds between the frames of a streamed reply (`slow` makes it 1/20 s whatever this says).
    """
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app[_CLOSING] = asyncio.Event()

    async def stop_stalling(app: web.Application) -> None:
        app[_CLOSING].set()

    app.on_shutdown.append(stop_stalling)
    numbers = count(1)
    for path, api in _APIS.items():
        app.router.add_post(path, _speaking(api, numbers, token_s))
    app.router.add_post("/v1/messages/count_tokens", _count_tokens)
    app.router.add_post("/v1/embeddings", _embeddings)
    app.router.add_get("/v1/models", _models)
    app.router.add_get("/v1/models/{name}", _model)
    app.router.add_route("*", "/{path:.*}", _not_found)
    return app


def _speaking(api: _Api, numbers: Iterator[int], token_s: float) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            ask = api.read(await _body(request))
        except (AskError, InvalidJson) as error:
            return _json(api.error(400, str(error)), 400)
        scene = play(ask)
        id, created = f"demo{next(numbers)}", int(time.time())
        if scene.fault is Fault.ERROR:
            return _json(api.error(500, "The demo backend was asked for an error."), 500)
        if ask.stream:
            pieces = list(api.frames(ask, scene, id, created))
            pause_s = 1 / SLOW_TOKENS_PER_S if scene.slow else token_s
            return await _deliver(request, pieces, scene.fault, "text/event-stream", pause_s)
        raw = dumps(api.whole(ask, scene, id, created))
        if scene.slow:
            await asyncio.sleep(len(scene.tokens) / SLOW_TOKENS_PER_S)
        if scene.fault is None:
            return web.Response(body=raw, content_type="application/json")
        half = len(raw) // 2
        return await _deliver(request, [raw[:half], raw[half:]], scene.fault, "application/json", 0)

    return handle


async def _deliver(
    request: web.Request, pieces: list[bytes], fault: Fault | None, media_type: str, pause_s: float
) -> web.StreamResponse:
    """Send the pieces one by one; a fault strikes after the first half of them."""
    response = web.StreamResponse(headers={"content-type": media_type, "cache-control": "no-store"})
    await response.prepare(request)
    strikes_at = max(1, len(pieces) // 2) if fault else None
    try:
        for index, piece in enumerate(pieces):
            if index == strikes_at:
                if fault is Fault.STALL:
                    await _stall(request)
                    return response
                if fault is Fault.RESET:
                    _reset(request)
                    return response
                # Garbage: no JSON where JSON must stand, then a normal end.
                await response.write(GARBAGE)
                return response
            await response.write(piece)
            await asyncio.sleep(pause_s)
        await response.write_eof()
    except ConnectionResetError:
        pass  # the caller left; a model's server says nothing about that either
    return response


async def _stall(request: web.Request) -> None:
    """Nothing more, until the client leaves or the backend shuts down."""
    give_up_at = time.monotonic() + STALL_S_MAX
    closing = request.app[_CLOSING]
    while time.monotonic() < give_up_at and not closing.is_set():
        if request.transport is None or request.transport.is_closing():
            return
        try:
            async with asyncio.timeout(STALL_LOOK_S):
                await closing.wait()
        except TimeoutError:
            continue
    _reset(request)


def _reset(request: web.Request) -> None:
    """Cut the connection with a TCP reset instead of an end."""
    if request.transport is not None:
        linger = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.transport.abort()


async def _count_tokens(request: web.Request) -> web.Response:
    try:
        ask = anthropic.read_prompt(await _body(request))
    except (AskError, InvalidJson) as error:
        return _json(anthropic.error(400, str(error)), 400)
    return _json({"input_tokens": ask.prompt_tokens})


async def _embeddings(request: web.Request) -> web.Response:
    """Vectors that are only a hash of the text: equal for equal texts, without any meaning."""
    try:
        body = await _body(request)
        model = model_of(body)
        given = body.get("input")
        inputs = as_list(given) if as_list(given) else [given]
        if not all(isinstance(text, str) and text for text in inputs):
            raise AskError("'input' must be a string or a list of strings")
    except (AskError, InvalidJson) as error:
        return _json(openai_chat.error(400, str(error)), 400)
    packed = body.get("encoding_format") == "base64"
    data: list[Json] = [
        {"object": "embedding", "index": index, "embedding": _vector(str(text), packed=packed)}
        for index, text in enumerate(inputs)
    ]
    tokens = count_tokens(inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return _json({"object": "list", "data": data, "model": model, "usage": usage})


def _vector(text: str, *, packed: bool) -> Json:
    values = [byte / 127.5 - 1 for byte in hashlib.sha256(text.encode()).digest()[:EMBEDDING_SIZE]]
    if packed:
        return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
    return list(values)


async def _models(request: web.Request) -> web.Response:
    if "anthropic-version" in request.headers:
        models: list[Json] = [anthropic.served_model(name) for name in MODELS]
        return _json({"data": models, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})
    return _json(
        {"object": "list", "data": [openai_chat.served_model(name, MODELS_CREATED) for name in MODELS]}
    )


async def _model(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in MODELS:
        return await _not_found(request)
    if "anthropic-version" in request.headers:
        return _json(anthropic.served_model(name))
    return _json(openai_chat.served_model(name, MODELS_CREATED))


async def _not_found(request: web.Request) -> web.Response:
    error = anthropic.error if "anthropic-version" in request.headers else openai_chat.error
    return _json(error(404, f"The demo backend has nothing at {request.method} {request.path}."), 404)


async def _body(request: web.Request) -> Mapping[str, Json]:
    """The request's JSON object. Raises InvalidJson, AskError."""
    body = loads(await request.read())
    if not isinstance(body, Mapping):
        raise AskError("the body must be a JSON object")
    return as_object(body)


def _json(body: Json, status: int = 200) -> web.Response:
    return web.Response(body=dumps(body), status=status, content_type="application/json")
