"""Reading a request's body: bounded, opened, and read as JSON that every parser reads alike."""

from __future__ import annotations

import asyncio

from aiohttp import web

from proxy import jsonio
from proxy.backend.decode import Decoder, EncodingError, OverBound, UnknownEncoding, decoder_for
from proxy.errors import BadRequest, BodyTimeout, TooLarge, Unreadable
from proxy.model.record import Json
from proxy.request.turn import READ_INLINE_BYTES_MAX, beside
from proxy.wire.cut_short import cut_short

_KEYS = frozenset({"model", "stream", "n", "messages", "input", "prompt", "system", "tools"})

BODY_S = 120.0
"""How long a client may take to send its body."""

KEPT_BYTES_MAX = 64 * 1024
"""How much of a body the log keeps of an exchange that is refused before its body was read."""

SIZE_MAX = 2**53
"""The largest size of a body that was not read that the log takes at its word: every number of JSON's holds it."""

KEPT_WAIT_S = 1.0
"""How long that much may take to arrive."""


async def read_body(request: web.BaseRequest, bound: int) -> bytes:
    """The body, decoded. Raises TooLarge over `bound` bytes (sent or opened), Unreadable, BadRequest."""
    length = request.content_length
    if length is not None and length > bound:
        raise TooLarge(f"the body has {length} bytes; at most {bound} are taken")
    try:
        encodings = ",".join(request.headers.getall("content-encoding", ()))
        decoder = decoder_for(encodings, bound=bound)
    except UnknownEncoding as error:
        raise Unreadable(str(error)) from None
    if request.headers.get("expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        async with asyncio.timeout(BODY_S):
            return await _read(request, decoder, bound)
    except TimeoutError:
        raise BodyTimeout(f"the body did not arrive within {BODY_S:.0f} s") from None


async def _read(request: web.BaseRequest, decoder: Decoder | None, bound: int) -> bytes:
    parts: list[bytes] = []
    size = opened = 0
    try:
        while data := await request.content.readany():
            size += len(data)
            if decoder is not None:
                data = decoder.feed(data)
            opened += len(data)
            if max(size, opened) > bound:
                raise TooLarge(f"the body has more than the {bound} bytes that are taken")
            parts.append(data)
        if decoder is not None:
            decoder.end()
    except OverBound as error:
        raise TooLarge(f"the body has {error}") from None
    except EncodingError as error:
        raise Unreadable(f"the body's content-encoding will not open: {error}") from None
    except web.RequestPayloadError:  # whose text quotes the body
        raise BadRequest("the body could not be read: its framing is broken, or it was cut off") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def keep_some(request: web.BaseRequest) -> tuple[Json, int]:
    """Of a body that nobody else reads: its first part as far as that is JSON, and its size as the request says or
    as far as it came."""
    raw = b""
    if request.headers.get("expect", "").lower() != "100-continue":  # who asks first has not sent any
        raw = await _first(request)
    size = request.content_length
    kept = await beside(len(raw) > READ_INLINE_BYTES_MAX, cut_short, raw[:KEPT_BYTES_MAX])
    return kept, len(raw) if size is None else min(size, SIZE_MAX)


async def _first(request: web.BaseRequest) -> bytes:
    raw = bytearray()
    try:
        decoder = decoder_for(",".join(request.headers.getall("content-encoding", ())), bound=KEPT_BYTES_MAX)
        async with asyncio.timeout(KEPT_WAIT_S):
            while len(raw) < KEPT_BYTES_MAX and (data := await request.content.readany()):
                raw += data if decoder is None else decoder.feed(data)
    except (TimeoutError, EncodingError, web.RequestPayloadError):
        pass  # what came until then is kept
    return bytes(raw)


def parse_body(raw: bytes) -> Json:
    """The body's JSON object. Raises BadRequest `invalid_json` or `duplicate_key`."""
    try:
        body = jsonio.loads_strict(raw)
    except jsonio.DuplicateKey as error:
        raise BadRequest(f"the body is ambiguous: {error}", code="duplicate_key") from None
    except jsonio.InvalidJson as error:
        raise BadRequest(f"the body is no valid JSON: {error}", code="invalid_json") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object", code="invalid_json")
    for key in body:
        # Some backends read keys without regard to case, and would take these for the real ones.
        if key.lower() in _KEYS and key not in _KEYS:
            raise BadRequest(f"the key {key!r} is ambiguous: write {key.lower()!r}", code="duplicate_key")
    return body
