"""Client connections are bounded, idle ones make room, and a proxy that stops does not wait for them."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from proxy.app import App
from proxy.connections import CONNECTIONS_MAX, room
from proxy.settings import Settings
from tests.fakes import Json, Pause, ScriptedBackend, Sse
from tests.scenario.harness import ADMIN_TOKEN, Proxy, post, running, settings_for
from tests.scenario.test_no_leak import chat_frames
from tests.waits import within

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
REQUEST = b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n"


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[Proxy]:
    """A proxy that the test itself stops."""
    app = App(settings)
    bound = await app.start()
    yield Proxy(app, f"http://{bound.client}", f"http://{bound.admin}", settings)


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)


async def stop(proxy: Proxy) -> float:
    """Stop the proxy; returns how long it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await proxy.app.stop()
    return loop.time() - began


async def test_a_proxy_with_nothing_under_way_stops_at_once(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "http://127.0.0.1:9", drain_s=30.0)
    async with started(settings) as proxy:
        silent, silent_writer = await connect(proxy.url)  # sent nothing yet
        kept, kept_writer = await connect(proxy.url)  # was served, and is kept alive
        kept_writer.write(REQUEST)
        await kept.readuntil(b"\r\n\r\n")
        sending, sending_writer = await connect(proxy.url)  # was refused, and sends on all the same
        sending_writer.write(b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
        await sending.readuntil(b"\r\n\r\n")
        operator, operator_writer = await connect(proxy.admin)
        operator_writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await operator.readuntil(b"\r\n\r\n")
        assert await stop(proxy) < 1.0
        for reader in (silent, kept, sending, operator):
            await within(reader.read())  # comes to its end
        for writer in (silent_writer, kept_writer, sending_writer, operator_writer):
            writer.close()


async def test_exchanges_under_way_get_the_drain_time_and_are_then_ended_as_interrupted(
    tmp_path: Path,
) -> None:
    frames = list(chat_frames(["Well now. "]))
    async with ScriptedBackend([Sse(frames[:2], end=False), Pause()]) as backend:
        settings = settings_for(tmp_path, backend.url, drain_s=0.3)
        async with started(settings) as proxy, aiohttp.ClientSession() as session:
            url = f"{proxy.url}/v1/chat/completions"
            async with session.post(url, json={**CHAT, "stream": True}) as answer:
                await answer.content.readany()
                assert 0.25 < await stop(proxy) < 1.3
                with pytest.raises(aiohttp.ClientError):
                    await answer.content.read()
        await backend.closed(0)
        async with running(settings) as again:
            (record,) = await again.records()
            assert (record["outcome"], record["error"]) == ("interrupted", "the proxy was stopped")
            assert record["response"]["received"] == "Well now. "


async def test_an_exchange_that_ends_in_time_is_let_end(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with ScriptedBackend([Pause(go_on), Json({"choices": []})]) as backend:
        settings = settings_for(tmp_path, backend.url, drain_s=30.0)
        async with started(settings) as proxy:
            asked = asyncio.ensure_future(post(f"{proxy.url}/v1/chat/completions", CHAT))
            await backend.received(1)
            stopping = asyncio.ensure_future(stop(proxy))
            await asyncio.sleep(0)
            go_on.set()
            assert (await asked).status == 200
            assert await stopping < 2.0


def test_connections_are_shared_out_of_the_descriptors_that_there_are() -> None:
    assert room(2, descriptors=1024).clients * 3 < 1024 - 96
    assert room(1, descriptors=64).clients == 8, "never none"
    assert room(1, descriptors=resource.RLIM_INFINITY).clients == CONNECTIONS_MAX
    assert room(1, descriptors=10**6).clients == CONNECTIONS_MAX


PROGRAM = """
import asyncio, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from pathlib import Path
from proxy import logs
from tests.scenario.harness import running, settings_for

logs.configure("json")

async def main():
    async with running(settings_for(Path(sys.argv[1]), sys.argv[2])) as proxy:
        print(proxy.url, proxy.admin, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""


async def test_idle_clients_shut_out_neither_operators_nor_others_where_descriptors_are_few(
    tmp_path: Path,
) -> None:
    async with ScriptedBackend([Json({"choices": []})]) as backend:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, str(tmp_path), backend.url,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        url, admin = (await within(process.stdout.readline())).decode().split()
        idle = [await connect(url) for _ in range(400)]
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with aiohttp.ClientSession() as session:
            for _ in range(5):
                async with session.get(f"{admin}/admin/v1/dial", headers=headers) as answer:
                    assert answer.status == 200
                reply = await post(f"{url}/v1/chat/completions", CHAT)
                assert reply.status == 200
        assert await within(idle[0][0].read()) == b"", "the longest idle connection made room"
        for _, writer in idle:
            writer.transport.abort()
        process.stdin.close()  # type: ignore[union-attr]  # it was asked for
        assert await within(process.wait()) == 0


async def test_a_connection_too_many_is_told_so_where_none_is_idle(tmp_path: Path) -> None:
    async with ScriptedBackend([Pause()]) as backend:
        async with running(settings_for(tmp_path, backend.url, drain_s=0.0)) as proxy:
            proxy.app.front.server.most = 2
            asked = [asyncio.ensure_future(post(f"{proxy.url}/v1/chat/completions", CHAT)) for _ in range(2)]
            await backend.received(2)
            reader, writer = await connect(proxy.url)
            answer = await within(reader.read())
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b'"overloaded"' in answer
            assert 'outcome="refused"' in await proxy.metrics()
            writer.close()
            for one in asked:
                one.cancel()
            await asyncio.wait(asked)


@pytest.mark.parametrize(
    "head", [b"POST / HTTP/1.1\r\nauthorization k\r\n\r\n", b"\x16\x03\x01 hello\r\n\r\n"]
)
async def test_bytes_that_are_no_http_are_refused_in_the_wires_form_without_being_quoted(
    head: bytes, tmp_path: Path
) -> None:
    async with running(settings_for(tmp_path, "http://127.0.0.1:9")) as proxy:
        reader, writer = await connect(proxy.url)
        writer.write(head)
        answer = await within(reader.read())
        assert b" 400 " in answer.partition(b"\r\n")[0]
        assert b'"invalid_request"' in answer
        assert b"authorization" not in answer
        writer.close()
