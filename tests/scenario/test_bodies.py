"""Bodies that are too much: opened within a bound, judged without holding up others."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from pathlib import Path

import brotli
import pytest
import zstandard

from proxy.backend.decode import EncodingError, OverBound, UnknownEncoding, decoder_for
from proxy.settings import Limits
from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import post, proxy_for
from tests.wire.catalogue import WHOLES

PACKERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("step", [1, 7, 4096])
def test_what_was_packed_is_opened_however_it_comes(name: str, step: int) -> None:
    raw = b"".join(b"%d," % number for number in range(3000))
    packed = PACKERS[name](raw)
    decoder = decoder_for(name.upper(), bound=len(raw))
    assert decoder is not None
    out = b"".join(decoder.feed(packed[at : at + step]) for at in range(0, len(packed), step))
    decoder.end()
    assert out == raw


@pytest.mark.parametrize("name", PACKERS)
def test_a_bomb_stops_at_the_bound(name: str) -> None:
    decoder = decoder_for(name, bound=1 << 20)
    assert decoder is not None
    with pytest.raises(OverBound, match="more than 1048576 bytes"):
        decoder.feed(PACKERS[name](bytes(64 << 20)))


@pytest.mark.parametrize("name", PACKERS)
def test_a_body_that_is_cut_short_does_not_open(name: str) -> None:
    decoder = decoder_for(name, bound=1 << 20)
    assert decoder is not None
    decoder.feed(PACKERS[name](b"some text" * 100)[:-4])
    with pytest.raises(EncodingError, match="cut short"):
        decoder.end()


def test_encodings_stack_in_the_headers_order() -> None:
    decoder = decoder_for("gzip, br", bound=100)
    assert decoder is not None
    assert decoder.feed(brotli.compress(gzip.compress(b"twice"))) == b"twice"
    with pytest.raises(UnknownEncoding):
        decoder_for("gzip, br, gzip", bound=100)
    assert decoder_for("identity", bound=1) is None


async def test_a_packed_body_over_the_bound_is_413_and_reaches_no_backend(tmp_path: Path) -> None:
    async with (
        ScriptedBackend([]) as backend,
        proxy_for(tmp_path, backend.url, limits=Limits(max_body_bytes=10_000)) as proxy,
    ):
        bomb = gzip.compress(json.dumps({"model": "m", "messages": [], "x": "0" * 1_000_000}).encode())
        assert len(bomb) < 10_000
        reply = await post(f"{proxy.url}/v1/chat/completions", bomb, {"content-encoding": "gzip"})
        assert (reply.status, reply.json["error"]["code"]) == (413, "body_too_large")
        assert not backend.requests


async def test_a_long_body_leaves_the_loop_to_others_while_it_is_judged(tmp_path: Path) -> None:
    rules = "rules: [{id: p, on: input, detect: {pii: {entities: [EMAIL_ADDRESS, PHONE_NUMBER]}}, action: redact}]"
    words = "the quick brown fox wrote to nobody at all and went home. " * 4000
    body = {"model": "m", "messages": [{"role": "user", "content": f"{words} a.b@example.com"}]}
    async with (
        ScriptedBackend([Json(WHOLES[0].reply)]) as backend,
        proxy_for(tmp_path, backend.url, rules=rules) as proxy,
    ):
        turns = 0
        done = asyncio.Event()

        async def count() -> None:
            nonlocal turns
            while not done.is_set():
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        reply = await post(f"{proxy.url}/v1/chat/completions", body)
        done.set()
        await counting
        assert reply.status == 200
        assert backend.requests[0].body.endswith(b'<EMAIL_ADDRESS>"}]}')
        assert turns > 5, "others had their turns meanwhile"
