"""JSON values as bytes that read back as exactly that value, and the compressed blobs that hold them.

`orjson` writes nearly every value. It refuses lone surrogates, integers over 64 bits and nesting over 254
levels, and turns an infinity (what the standard library makes of 1e400) into null. For those a small encoder
of our own takes over; it keeps its own stack, since nesting that was read must also be written.

Content is one byte that says how to read it (`_FAST`, `_EXACT`) and the JSON text. A blob is one byte for the
codec, a CRC-32 of codec and payload (big endian), and the payload: zstd frames (RFC 8878) leave bits unused,
and a byte changed there must show too.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import orjson
import zstandard

from proxy import jsonio
from proxy.errors import GuardrailError
from proxy.model.record import Json

CONTENT_BYTES_MAX: Final = 512 * 1024 * 1024
"""The most that one blob may unpack to; a damaged length must not take the memory."""

_FAST, _EXACT = b"\x00", b"\x01"
_STORED, _ZSTD, _ZSTD_WORDS = 0, 1, 2
_HEADS = (b"\x00", b"\x01", b"\x02")
_SMALL_BYTES = 1024
_LEVEL = 3
# With the words below the lowest level makes small blobs as small as the one above does, in less time.
_LEVEL_SMALL = 1
# What nearly every small blob of a store repeats. A raw dictionary: part of the format, never to be changed;
# another one is another codec number.
_WORDS = (
    b'{"model":"gpt-4o-mini","messages":null,"temperature":0.7,"max_tokens":1024,"stream":true,'
    b'"stream_options":{"include_usage":true}}"tool_calls":[{"id":"call_","type":"function","function":{"name":"'
    b'","arguments":"{\\"}}]"index":0,"text":"{"type":"text","text":"{"type":"tool_use","id":"toolu_'
    b'{"type":"tool_result","tool_use_id":"{"role":"system","content":"You are a helpful assistant.'
    b'{"role":"assistant","content":"{"role":"user","content":"{"error":"backend","media":[],"unscanned":{},'
    b'"findings":[["pii-in-replies","pii","EMAIL_ADDRESS",1.0,"redact","output","choices[0].message.content",'
    b'["toxicity",0.9,"block","input","messages[0].content","enforce","flag","shadow","medium","high"]],'
    b'"scores":{"toxicity":0.0"insult":0.0"severe_toxicity":0.0"obscene":0.0"threat":0.0"identity_attack":0.0},'
    b'"usage":{"input_tokens":,"output_tokens":,"prompt_tokens":12,"completion_tokens":34,"total_tokens":46,'
    b'"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,'
    b'"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},'
    b'"finish_reason":"end_turn""finish_reason":"tool_calls""finish_reason":"content_filter","latency":[null,'
    b'"finish_reason":"stop","latency":['
)


class Damaged(GuardrailError):
    """Stored bytes that do not read back: not what this store wrote."""


def encode(value: Json) -> bytes:
    """The content bytes of a JSON value. Raises TypeError for what is no JSON value."""
    try:
        text = orjson.dumps(value)
    except (orjson.JSONEncodeError, TypeError):
        return _encode_exact(value)
    if b"null" in text and _has_infinity(value):
        return _encode_exact(value)
    return _FAST + text


def encode_plain(values: Sequence[int | str | None]) -> bytes:
    """As `encode`, for a row of values among which no infinity can be."""
    try:
        return _FAST + orjson.dumps(values)
    except (orjson.JSONEncodeError, TypeError):
        return _encode_exact(values)


def decode(content: bytes) -> Json:
    """The value of content bytes, equal to what `encode` took, key order included. Raises Damaged."""
    try:
        if content[:1] == _FAST:
            return jsonio.loads(memoryview(content)[1:])
        if content[:1] == _EXACT:
            value: Json = json.loads(content[1:])
            return value
    except (jsonio.InvalidJson, ValueError, RecursionError) as error:
        raise Damaged(f"stored content is no JSON: {error}") from None
    raise Damaged("stored content has an unknown form")


def encode_name(text: str) -> str | bytes:
    """What SQLite can hold of a text: itself, or its bytes where lone surrogates keep it from being UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def decode_name(stored: str | bytes) -> str:
    """The text that `encode_name` took. Raises Damaged."""
    if isinstance(stored, str):
        return stored
    try:
        return stored.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise Damaged("a stored name is no text") from None


class Codec:
    """Packs content into blobs and back. Holds compression contexts: one per thread."""

    def __init__(self) -> None:
        words = zstandard.ZstdCompressionDict(_WORDS, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        self._pack = zstandard.ZstdCompressor(level=_LEVEL)
        self._pack_words = zstandard.ZstdCompressor(level=_LEVEL_SMALL, dict_data=words)
        self._unpack = zstandard.ZstdDecompressor()
        self._unpack_words = zstandard.ZstdDecompressor(dict_data=words)

    def pack(self, content: bytes, place: bytes) -> bytes:
        """The blob of that content, compressed where that makes it smaller. `place` says where it is to lie."""
        return self.pack_all([(content, place)])[0]

    def pack_all(self, items: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """The blobs of contents and their places, in order. All small ones are compressed by one call: each call
        lets go of the interpreter's lock and must wait for it again while the event loop is busy."""
        small: list[bytes | bytearray | memoryview] = [
            content for content, _ in items if len(content) < _SMALL_BYTES
        ]
        # What holds all results is not an iterator by its type, only by its items.
        packed = self._pack_words.multi_compress_to_buffer(small) if small else ()
        blobs: list[bytes] = []
        done = 0
        for content, _ in items:  # places are of no matter while nothing is encrypted
            if len(content) < _SMALL_BYTES:
                codec, payload = _ZSTD_WORDS, packed[done].tobytes()
                done += 1
            else:
                codec, payload = _ZSTD, self._pack.compress(content)
            if len(payload) >= len(content):
                codec, payload = _STORED, content
            blobs.append(_HEADS[codec] + zlib.crc32(payload, codec).to_bytes(4, "big") + payload)
        return blobs

    def unpack(self, blob: bytes, place: bytes) -> bytes:
        """The content of the blob that lies there. Raises Damaged for bytes that `pack` did not write."""
        del place
        if len(blob) < 6:
            raise Damaged("a stored blob is cut short")
        codec, payload = blob[0], blob[5:]
        if zlib.crc32(payload, codec) != int.from_bytes(blob[1:5], "big"):
            raise Damaged("a stored blob fails its checksum")
        if codec == _STORED:
            return payload
        try:
            if zstandard.get_frame_parameters(payload).content_size > CONTENT_BYTES_MAX:
                raise Damaged("a stored blob claims to be larger than anything written")
            if codec == _ZSTD:
                return self._unpack.decompress(payload)
            if codec == _ZSTD_WORDS:
                return self._unpack_words.decompress(payload)
        except zstandard.ZstdError as error:
            raise Damaged(f"a stored blob does not unpack: {error}") from None
        raise Damaged("a stored blob has an unknown codec")

    def seal(self, content: bytes, place: bytes) -> bytes:
        """What may lie there of a content that is written once and read at most once: itself, not compressed."""
        del place
        return content

    def unseal(self, kept: bytes, place: bytes) -> bytes:
        """The content of what `seal` gave. Raises Damaged."""
        del place
        return kept

    def salt(self, stored: bytes) -> bytes:
        """What commitments are salted with, from what lies beside the content."""
        return stored


def part_place(part: int) -> bytes:
    """Where a part's content lies."""
    return b"part %d" % part


def detail_place(seq: int) -> bytes:
    """Where the detail of an exchange's end lies."""
    return b"finish %d" % seq


def removal_place(link: int) -> bytes:
    """Where what a removal says lies."""
    return b"removal %d" % link


def _has_infinity(value: Json) -> bool:
    stack: list[Json] = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, float):
            if not math.isfinite(node):
                return True
        elif isinstance(node, dict):
            stack.extend(node.values())
        elif isinstance(node, list | tuple):
            stack.extend(node)
    return False


def _encode_exact(value: Json) -> bytes:
    """As `encode`, for what orjson will not write; `_EXACT` only where it would not read it back either."""
    out: list[str] = []
    exact = False
    stack: list[Iterator[tuple[str | None, Json]]] = []
    closers: list[str] = []
    node: Json = value
    while True:
        if isinstance(node, dict):
            out.append("{")
            stack.append(iter(node.items()))
            closers.append("}")
        elif isinstance(node, list | tuple):
            out.append("[")
            stack.append((None, item) for item in node)
            closers.append("]")
        else:
            exact = exact or _needs_exact(node)
            out.append(json.dumps(node))
        while stack:
            entry = next(stack[-1], None)
            if entry is not None:
                break
            stack.pop()
            out.append(closers.pop())
        else:
            return (_EXACT if exact else _FAST) + "".join(out).encode()
        key, node = entry
        if out[-1] not in "{[":
            out.append(",")
        if key is not None:
            exact = exact or _needs_exact(key)
            out.append(f"{json.dumps(key)}:")


def _needs_exact(scalar: Json) -> bool:
    if isinstance(scalar, str):
        try:
            scalar.encode()
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(scalar, float):
        return not math.isfinite(scalar)
    if isinstance(scalar, int):
        return not -(1 << 63) <= scalar < 1 << 64
    return False
