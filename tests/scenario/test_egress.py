"""Zero surprise egress: a proxy at work talks to its configured backends and to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Python runs this in every process that is started, workers too.
SITE = """
import os, sys

HERE = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "", None)

def watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None  # a path, or where it is connected already
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in HERE:
        with open(os.environ["CONTACTED"], "a") as file:
            file.write(f"{event} {host} by {sys.argv}\\n")

sys.addaudithook(watch)
"""

PROGRAM = """
import asyncio, sys
from pathlib import Path

import shutil
from dataclasses import replace
from aiohttp import web
from proxy.demo import build_demo
from proxy.shipped import shipped_rules
from tests.scenario.harness import post, running, settings_for

MORE = '''
rules:
  - id: every-entity
    on: output
    detect: {pii: {entities: [EMAIL_ADDRESS, URL, PHONE_NUMBER, IBAN_CODE, IP_ADDRESS, CREDIT_CARD]}}
    action: flag
  - id: rude
    on: input
    detect: {toxicity: {toxicity: 0.1}}
    action: flag
  - id: keys
    on: input
    detect: {secrets: {kinds: all}}
    action: flag
'''

async def main(folder):
    runner = web.AppRunner(build_demo(token_s=0))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = settings_for(folder, f"http://127.0.0.1:{runner.addresses[0][1]}")
    rules = folder / "shipped"
    shutil.copytree(shipped_rules(), rules)
    async with running(replace(settings, rules_dir=rules)) as proxy:
        for words in ("leak", "insult", "see https://example.co.uk or mail a.b@example.museum"):
            for stream in (False, True):
                body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": words}]}
                reply = await post(f"{proxy.url}/v1/chat/completions", body)
                assert reply.status == 200, reply.body
        (rules / "more.yaml").write_text(MORE)
        status, answer = await proxy.admin_call("POST", "/rules/reload")
        assert status == 200, answer
        for stream in (False, True):
            body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "leak"}]}
            await post(f"{proxy.url}/v1/chat/completions", body)
    await runner.cleanup()

asyncio.run(main(Path(sys.argv[1])))
heavy = {
    "torch", "transformers", "stanza", "gliner", "spacy", "thinc", "onnxruntime", "tokenizers", "presidio_analyzer",
    "numpy", "scipy", "pandas", "sklearn", "joblib", "profanity_check", "vaderSentiment", "apprise", "requests",
    "tldextract", "charset_normalizer", "yaml", "cryptography", "pyarrow",
} & sys.modules.keys()
assert not heavy, f"loaded for nothing: {heavy}"
print("quiet")
"""


def run(program: str, folder: Path) -> tuple[subprocess.CompletedProcess[str], str]:
    """What became of the program, and whom it or a process of its tried to contact."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(SITE)
    contacted = folder / "contacted"
    contacted.touch()
    path = os.pathsep.join(filter(None, (str(folder / "site"), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "CONTACTED": str(contacted)},
    )
    return done, contacted.read_text()


def test_nothing_but_the_backends_is_contacted_by_start_load_and_scoring_and_no_heavy_library_is_loaded(
    tmp_path: Path,
) -> None:
    done, contacted = run(PROGRAM, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("quiet")
    assert contacted == ""


@pytest.mark.parametrize(
    "act",
    [
        "socket.create_connection(('192.0.2.1', 9), timeout=0.01)",
        "socket.getaddrinfo('example.invalid', 80)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
        "subprocess.run([sys.executable, '-c', 'import socket; socket.getaddrinfo(\"example.invalid\", 80)'])",
    ],
)
def test_the_trap_catches_a_contact_of_the_process_and_of_its_workers(act: str, tmp_path: Path) -> None:
    _, contacted = run(f"import socket, subprocess, sys\n{act}", tmp_path)
    assert "192.0.2.1" in contacted or "example.invalid" in contacted
