"""The stand-in itself: what a script says is what a client meets, and what a client does is seen."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from tests.fakes import (
    Chunk,
    Close,
    Drip,
    End,
    Json,
    Pause,
    ReceivedRequest,
    Reset,
    ScriptedBackend,
    Send,
    Sse,
    refused_url,
    sse,
)


async def read_to_the_end(url: str) -> tuple[bytes, Exception | None]:
    """What a GET brings on a bare socket, and the error that ended it (stream readers drop bytes then)."""
    loop, read = asyncio.get_running_loop(), bytearray()
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as peer:
        peer.setblocking(False)
        await loop.sock_connect(peer, (host, int(port)))
        await loop.sock_sendall(peer, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        try:
            while piece := await loop.sock_recv(peer, 65536):
                read += piece
        except OSError as error:
            return bytes(read), error
    return bytes(read), None


async def test_requests_are_recorded_whole_and_the_connection_serves_again() -> None:
    async with ScriptedBackend([Json({"ok": True})]) as backend, aiohttp.ClientSession() as client:
        for text in ("one", "zwö"):
            async with client.post(
                f"{backend.url}/v1/x?y=1", json={"text": text}, headers={"X-A": "b"}
            ) as reply:
                assert await reply.json() == {"ok": True}
        first, second = backend.requests
        assert (first.method, first.path, first.header("x-a")) == ("POST", "/v1/x?y=1", "b")
        assert second.json == {"text": "zwö"}
        assert (first.connection, second.connection, backend.connections) == (0, 0, 1)


async def test_the_answer_may_depend_on_the_request() -> None:
    def answer(request: ReceivedRequest) -> list[Json]:
        return [Json({"path": request.path}, status=418 if request.path == "/tea" else 200)]

    async with ScriptedBackend(answer) as backend, aiohttp.ClientSession() as client:
        async with client.get(f"{backend.url}/tea") as reply:
            assert (reply.status, await reply.json()) == (418, {"path": "/tea"})
        async with client.get(f"{backend.url}/milk") as reply:
            assert reply.status == 200


@pytest.mark.parametrize(
    "actions",
    [
        [Sse([b"data: 1\n\n", b"data: [DONE]\n\n"])],
        [Sse([b"data: 1\n\n"], end=False), Chunk(b"data: [DO"), Chunk(b"NE]\n\n"), End()],
        [Drip(b"HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\ndata: 1\n\ndata: [DONE]\n\n")],
        [Send(b"HTTP/1.1 200 OK\r\n\r\ndata: 1\n\ndata: [DONE]\n\n"), Close()],
    ],
)
async def test_a_stream_arrives_however_it_is_cut(
    actions: list[Sse | Chunk | End | Drip | Send | Close],
) -> None:
    async with ScriptedBackend(actions) as backend, aiohttp.ClientSession() as client:
        async with client.get(backend.url) as reply:
            assert await reply.read() == b"data: 1\n\ndata: [DONE]\n\n"


async def test_a_reset_reaches_the_client_after_the_bytes_before_it() -> None:
    async with ScriptedBackend([Sse([sse({"n": 1})], end=False), Reset()]) as backend:
        read, ended = await read_to_the_end(backend.url)
        assert read.endswith(b'\r\n\r\nf\r\ndata: {"n":1}\n\n\r\n')
        assert isinstance(ended, ConnectionResetError)
        await backend.closed(0)
        assert not backend.closed_by_peer(0)


async def test_a_cut_stream_is_no_normal_end() -> None:
    async with ScriptedBackend([Sse([b"data: 1\n\n"], end=False), Close()]) as backend:
        async with aiohttp.ClientSession() as client, client.get(backend.url) as reply:
            with pytest.raises(aiohttp.ClientPayloadError):
                await reply.read()


async def test_a_pause_holds_until_it_is_lifted() -> None:
    gate = Pause()
    async with ScriptedBackend([Sse([b"data: 1\n\n"], end=False), gate, End()]) as backend:
        async with aiohttp.ClientSession() as client, client.get(backend.url) as reply:
            assert await reply.content.readany() == b"data: 1\n\n"
            rest = asyncio.ensure_future(reply.read())
            assert not rest.done()
            gate.event.set()
            assert await rest == b""


async def test_a_client_that_leaves_is_noticed_and_its_script_stops() -> None:
    async with ScriptedBackend([Sse([b"data: 1\n\n"], end=False), Pause()]) as backend:
        loop = asyncio.get_running_loop()
        async with aiohttp.ClientSession() as client:
            async with client.get(backend.url) as reply:
                await reply.content.readany()
            left_at = loop.time()
        assert await backend.closed(0) >= left_at - 1
        assert backend.closed_by_peer(0)
        assert backend.open_connections == 0


async def test_a_port_that_refuses() -> None:
    with refused_url() as url:
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientConnectorError):
                await client.get(url)


async def test_a_script_that_fails_fails_the_test() -> None:
    def broken(_: ReceivedRequest) -> list[Json]:
        return [Json(object())]

    async def call() -> None:
        async with ScriptedBackend(broken) as backend, aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientError):
                await client.get(backend.url)

    with pytest.raises(ExceptionGroup, match="script failed"):
        await call()
