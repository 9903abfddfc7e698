"""Nothing that the process prints holds a header's value, a body or a variable, whatever breaks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CANARY = "sk-canary-3f9a7c"

PROGRAM = """
import asyncio, json, logging, sys, threading, warnings
from pathlib import Path
from urllib.parse import urlsplit

from proxy import logs
from proxy.request import pipeline
from tests.scenario.harness import post, running, settings_for

CANARY, form, folder = "sk-" + "canary-3f9a7c", sys.argv[1], Path(sys.argv[2])
BODY = {"model": "m", "messages": [{"role": "user", "content": CANARY}]}
HEADERS = {"authorization": f"Bearer {CANARY}", "x-api-key": CANARY}


async def raw(url, data):
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


async def broken(x, ports):
    quoted = x.http.headers["authorization"]
    body = x.raw or CANARY
    try:
        raise KeyError(quoted)
    except KeyError as error:
        raise ValueError(f"cannot read {body!r}") from error


async def nobody_waits():
    raise ValueError(f"cannot read {CANARY}")


async def main():
    logs.configure(form)
    async with running(settings_for(folder, "http://127.0.0.1:9")) as proxy:
        for url in (proxy.url, proxy.admin):
            for bad in (
                f"POST / HTTP/1.1\\r\\nhost: x\\r\\nauthorization Bearer {CANARY}\\r\\n\\r\\n",
                f"POST / HTTP/1.1\\r\\nhost: x\\r\\nauthorization: {CANARY}\\x01\\r\\n\\r\\n",
                f"POST / HTTP/1.1\\r\\nhost: x\\r\\nauthorization: Bearer {CANARY * 4000}\\r\\n\\r\\n",
                f"POST /{CANARY * 4000} HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n",
                f"{CANARY} / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n",
                f"POST / HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: {CANARY}\\r\\n\\r\\n",
            ):
                assert b" 400 " in (await raw(url, bad.encode()))[:20], bad[:60]
        broken_chunk = f"transfer-encoding: chunked\\r\\n\\r\\n{CANARY}\\r\\n{CANARY}"
        await raw(proxy.url, f"POST /v1/chat/completions HTTP/1.1\\r\\nhost: x\\r\\n{broken_chunk}".encode())
        steps, pipeline.STEPS = pipeline.STEPS, (broken, *pipeline.STEPS)
        reply = await post(f"{proxy.url}/v1/chat/completions", BODY, HEADERS)
        assert reply.status == 500 and CANARY.encode() not in reply.body, reply
        pipeline.STEPS = steps
        task = asyncio.ensure_future(nobody_waits())
        await asyncio.wait([task])
        del task
        asyncio.get_running_loop().call_soon(int, CANARY)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    thread = threading.Thread(target=int, args=(CANARY,), name="a-thread")
    thread.start()
    thread.join()
    warnings.warn(f"about {CANARY}", RuntimeWarning)
    logging.getLogger("aiohttp.server").error("Error handling request from %s", CANARY)
    logging.getLogger("aiohttp.server").error(f"Error handling {CANARY}")
    logging.getLogger("aiohttp.server").error("%d %s", CANARY)  # which cannot be formatted
    logging.getLogger("aiohttp.access").warning("%s", CANARY)

    class Bad:
        def __del__(self):
            raise ValueError(CANARY)

    Bad()


asyncio.run(main())
raise ValueError(CANARY)
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_nothing_printed_holds_what_a_client_sent_or_what_a_variable_held(form: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, form, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert CANARY not in printed, printed
    assert "Traceback" not in printed, printed
    for event in ("exchange_failed", "library", "thread_died", "unraisable", "warning", "uncaught"):
        assert event in printed, event
    if form == "json":
        events = [json.loads(line) for line in done.stderr.splitlines()]
        (failed,) = (event for event in events if event["event"] == "exchange_failed")
        cause, fault = failed["fault"]
        assert cause.startswith("KeyError < ")
        assert fault.startswith("ValueError < ")
        assert "proxy/request/pipeline.py:" in fault, "the way through the code is told"
        words = [event["words"] for event in events if event["event"] == "library"]
        assert "Error handling request from %s" in words
        assert "Task exception was never retrieved" in words


DEAF = """
import asyncio, sys
from pathlib import Path

from proxy import logs
from tests.scenario.harness import post, running, settings_for


async def main():
    logs.configure("console")
    async with running(settings_for(Path(sys.argv[1]), "http://127.0.0.1:9")) as proxy:
        await proxy.dial("killed")
        reply = await post(f"{proxy.url}/v1/chat/completions", {"model": "m", "messages": []})
        assert reply.status == 200, reply
        await proxy.dial("guarded")
        print("served")


if sys.argv[2] == "closed":
    sys.stderr.close()
elif sys.argv[2] == "none":
    sys.stderr = None
asyncio.run(main())
"""


@pytest.mark.parametrize("stderr", ["closed", "none", "unread"])
def test_a_standard_error_that_takes_nothing_stops_nothing(stderr: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DEAF, str(tmp_path), stderr], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stderr.close()  # whoever read it has gone: writing to it is an error from now on
        assert child.stdout.read() == b"served\n"
        assert child.wait() == 0
