"""Content encodings, undone piece by piece with a bound on what may come out."""

from __future__ import annotations

import zlib
from typing import Protocol

import brotli
import zstandard

from proxy.errors import GuardrailError

ENCODINGS = ("gzip", "x-gzip", "deflate", "br", "zstd")
"""What can be opened; `identity` needs no opening."""

ENCODINGS_STACKED_MAX = 2
"""How many encodings one body may be wrapped in."""


class EncodingError(GuardrailError):
    """The body is not what its content-encoding says."""


class OverBound(EncodingError):
    """The body is larger than its bound once opened."""


class UnknownEncoding(EncodingError):
    """A content-encoding that the proxy cannot open."""


class Decoder(Protocol):
    """Undoes one body's encodings."""

    def feed(self, data: bytes) -> bytes:
        """The next decoded bytes. Raises EncodingError."""
        ...

    def end(self) -> None:
        """The body ended. Raises EncodingError where it was cut short."""
        ...


class _Zlib:
    def __init__(self, *, gzip: bool, bound: int) -> None:
        self._gzip = gzip
        self._bound = bound
        self._zlib = zlib.decompressobj(31 if gzip else 15)
        self._seen = False
        self._out = 0

    def feed(self, data: bytes) -> bytes:
        if not self._gzip and not self._seen and data and data[0] & 0x0F != 8:
            self._zlib = zlib.decompressobj(-15)  # "deflate" without its zlib header, as many servers send it
        self._seen = self._seen or bool(data)
        out = bytearray()
        while data:
            if self._zlib.eof:  # gzip members may follow one another
                self._zlib = zlib.decompressobj(31 if self._gzip else 15)
            try:
                out += self._zlib.decompress(data, self._bound - self._out + 1)
            except zlib.error as error:
                raise EncodingError(str(error)) from None
            if self._out + len(out) > self._bound:
                raise OverBound(f"more than {self._bound} bytes once opened")
            data = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
        self._out += len(out)
        return bytes(out)

    def end(self) -> None:
        if self._seen and not self._zlib.eof:
            raise EncodingError("the compressed body is cut short")


class _Brotli:
    def __init__(self, *, bound: int) -> None:
        self._bound = bound
        self._brotli = brotli.Decompressor()
        self._seen = False
        self._out = 0

    def feed(self, data: bytes) -> bytes:
        self._seen = self._seen or bool(data)
        out = bytearray()
        try:
            out += self._brotli.process(data, output_buffer_limit=_SLICE)
            while not self._brotli.can_accept_more_data():
                if self._out + len(out) > self._bound:
                    break
                out += self._brotli.process(b"", output_buffer_limit=_SLICE)
        except brotli.error as error:
            raise EncodingError(str(error)) from None
        self._out += len(out)
        if self._out > self._bound:
            raise OverBound(f"more than {self._bound} bytes once opened")
        return bytes(out)

    def end(self) -> None:
        if self._seen and not self._brotli.is_finished():
            raise EncodingError("the compressed body is cut short")


_SLICE = 1 << 16
_BITE = 256


class _Zstd:
    def __init__(self, *, bound: int) -> None:
        self._bound = bound
        self._zstd = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self._out = 0
        self._seen = False

    def feed(self, data: bytes) -> bytes:
        out = bytearray()
        # In small bites: decompressobj has no bound on its output, but a bite's output is bounded by the
        # block size (128 KiB) of the blocks that it completes.
        for at in range(0, len(data), _BITE):
            self._seen = True
            try:
                out += self._zstd.decompress(data[at : at + _BITE])
            except zstandard.ZstdError as error:
                raise EncodingError(str(error)) from None
            if self._out + len(out) > self._bound:
                raise OverBound(f"more than {self._bound} bytes once opened")
        self._out += len(out)
        return bytes(out)

    def end(self) -> None:
        if self._seen and not self._zstd.eof:
            raise EncodingError("the compressed body is cut short")


class _Chain:
    def __init__(self, decoders: list[Decoder]) -> None:
        self._decoders = decoders

    def feed(self, data: bytes) -> bytes:
        for decoder in self._decoders:
            data = decoder.feed(data)
        return data

    def end(self) -> None:
        for decoder in self._decoders:
            decoder.end()


def decoder_for(content_encoding: str | None, *, bound: int) -> Decoder | None:
    """A decoder for a content-encoding header, None where nothing is encoded.

    `bound` is the most bytes that may come out. Raises UnknownEncoding.
    """
    names = [name.strip().lower() for name in (content_encoding or "").split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if not names:
        return None
    if len(names) > ENCODINGS_STACKED_MAX:
        raise UnknownEncoding("too many content-encodings on one body")
    decoders: list[Decoder] = []
    for name in reversed(names):
        match name:
            case "gzip" | "x-gzip":
                decoders.append(_Zlib(gzip=True, bound=bound))
            case "deflate":
                decoders.append(_Zlib(gzip=False, bound=bound))
            case "br":
                decoders.append(_Brotli(bound=bound))
            case "zstd":
                decoders.append(_Zstd(bound=bound))
            case _:
                raise UnknownEncoding(
                    f"the content-encoding {name[:40]!r} is not one of {', '.join(ENCODINGS)}"
                )
    return decoders[0] if len(decoders) == 1 else _Chain(decoders)
