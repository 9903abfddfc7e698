"""Zero surprise egress: a proxy at work talks to its configured backends and to nobody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys
from pathlib import Path

contacted = set()

def watch(event, args):
    if event == "socket.connect":
        address = args[1]
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1"):
            contacted.add(f"connect {address[0]}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
        if host not in ("127.0.0.1", "::1", "localhost", None):
            contacted.add(f"{event} {host}")

sys.addaudithook(watch)

import os
from dataclasses import replace
from aiohttp import web
from proxy.demo import build_demo
from proxy.shipped import shipped_rules
from tests.scenario.harness import post, running, settings_for

async def main(folder):
    runner = web.AppRunner(build_demo(token_s=0))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = settings_for(folder, f"http://127.0.0.1:{runner.addresses[0][1]}")
    async with running(replace(settings, rules_dir=shipped_rules())) as proxy:
        for words in ("leak", "insult", "see https://example.co.uk or mail a.b@example.museum"):
            for stream in (False, True):
                body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": words}]}
                reply = await post(f"{proxy.url}/v1/chat/completions", body)
                assert reply.status == 200, reply.body
        await proxy.admin_call("POST", "/rules/reload")
    await runner.cleanup()

asyncio.run(main(Path(sys.argv[1])))
heavy = {"torch", "transformers", "stanza", "gliner"} & sys.modules.keys()
assert not heavy, f"loaded for nothing: {heavy}"
assert not contacted, contacted
print("quiet")
"""


def test_nothing_but_the_backends_is_contacted_and_no_heavy_library_is_loaded(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("quiet")
