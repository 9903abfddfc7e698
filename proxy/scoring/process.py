"""One scorer process, as the event loop sees it: started, asked, ended. Nothing here waits without a bound."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.scoring.frames import LENGTH_BYTES, BadFrame, decode, encode, length

START_S: Final = 120.0
"""How long an engine may load: a transformer of 500 MB from a cold disk, on a busy machine."""

ENDING_S: Final = 2.0
"""How long an ended process is waited for; its kill cannot be refused, only delayed by the system."""

_TOP: Final = Path(__file__).resolve().parents[2]  # where the package `proxy` can be imported from
_KEPT: Final = frozenset(
    {"HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV"}
)
_KEPT_PREFIX: Final = "OPENBLAS_"  # which kernels numpy's library may choose is the machine's business


@dataclass(frozen=True, slots=True)
class Spec:
    """What a scorer runs: the engine of `module`, with `source` (a package, a folder or a file)."""

    name: str
    module: str
    source: str
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Ready:
    """What a process says once it has loaded."""

    engine: str
    labels: frozenset[str]


class ProcessFailed(Exception):
    """The process did not start, ended, or answered nonsense. Its words are for the operator."""


class ScorerProcess:
    """A started process. `start` makes one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.ended = asyncio.ensure_future(process.wait())

    @classmethod
    async def start(cls, spec: Spec) -> ScorerProcess:
        """Spawn it; `ready` says when it has loaded. Raises OSError."""
        # The working directory is the caller's: sources may be relative. Its own sys.path does not have it (-P).
        arguments = (
            sys.executable,
            "-P",
            "-m",
            "proxy.scoring.worker",
            spec.module,
            spec.source,
            str(spec.threads),
        )
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # libraries may quote the text that they choke on
            env=environment(os.environ, spec.threads),
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> Ready:
        """Wait until it has loaded. Raises ProcessFailed."""
        try:
            async with asyncio.timeout(START_S):
                told = await self._read()
        except TimeoutError:
            raise ProcessFailed(f"it had not loaded after {START_S:.0f} s") from None
        if "failed" in told:
            raise ProcessFailed(f"it cannot load: {told['failed']}")
        ready = told.get("ready")
        labels = ready.get("labels") if isinstance(ready, dict) else None
        if not isinstance(ready, dict) or not isinstance(labels, list):
            raise ProcessFailed("it said something else than that it is ready")
        return Ready(str(ready.get("engine")), frozenset(map(str, labels)))

    async def ask(self, number: int, text: str) -> dict[str, object]:
        """Put one question and wait for its answer. Raises ProcessFailed; BadFrame where it answers nonsense."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            # Not drained: one short question at a time is on its way, and a dead process shows at its output.
            stdin.write(encode({"id": number, "text": text}))
        except (OSError, RuntimeError):  # RuntimeError: uvloop's word for a pipe that was closed
            raise ProcessFailed("it ended") from None
        answer = await self._read()
        if answer.get("id") != number:
            raise BadFrame("an answer to another question")
        return answer

    async def _read(self) -> dict[str, object]:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            count = length(await stdout.readexactly(LENGTH_BYTES))
            return decode(await stdout.readexactly(count))
        except asyncio.IncompleteReadError:
            raise ProcessFailed("it ended") from None

    async def end(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDING_S):
                await asyncio.shield(self.ended)


def environment(mine: Mapping[str, str], threads: int) -> dict[str, str]:
    """What a scorer process sees of the environment: none of the proxy's secrets, and that it is offline."""
    kept = {name: value for name, value in mine.items() if name in _KEPT or name.startswith(_KEPT_PREFIX)}
    count = str(threads)
    return kept | {
        "PYTHONPATH": str(_TOP),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
    }
