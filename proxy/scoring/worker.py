"""The process behind a scorer: `python -m proxy.scoring.worker MODULE SOURCE THREADS`.

The module has `load(source: str, threads: int) -> Engine`.

It loads its engine, says that it is ready, and answers one question after another on its standard input and
output. It ends when its input ends: that is also what it sees when the proxy dies, however it dies. It opens
no connection and starts no program: libraries that would fetch a model fail instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import BinaryIO, Final, TypeAlias

from proxy.scoring.frames import LENGTH_BYTES, decode, encode, length

Scores: TypeAlias = Sequence[tuple[str, float, int, int]]
"""Label, score from 0 to 1, and the range, half-open, in characters of the text asked."""

WARM_TEXT: Final = "Jane Doe of London wrote on Monday that this is fine."

_REFUSED: Final = (
    *("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostby"),
    *("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork"),
)
"""Beginnings of the interpreter's audit events for what would leave the process."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What a process scores with: `name` for people, every label that it can give, and the scoring itself."""

    name: str
    labels: tuple[str, ...]
    score: Callable[[str], Scores]


class Refused(OSError):
    """A library tried to leave the process."""


def keep_inside() -> None:
    """From here on this process opens no connection and starts no program. It cannot be undone."""

    def hook(event: str, _: tuple[object, ...]) -> None:
        if event.startswith(_REFUSED):
            raise Refused(f"a scorer process does no {event}")

    sys.addaudithook(hook)


def keep_out(*packages: str) -> None:
    """Have these packages count as not installed, where the engine does without them."""
    for name in packages:
        sys.modules[name] = None  # type: ignore[assignment]  # what the import system takes for "not there"


def serve(engine: Engine, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer questions until the input ends."""
    while head := source.read(LENGTH_BYTES):
        question = decode(source.read(length(head)))
        answer: dict[str, object] = {"id": question["id"]}
        try:
            answer["scored"] = engine.score(str(question["text"]))
        except Exception as error:  # noqa: BLE001 - one text's failure is an answer, and the next text has its turn
            answer["error"] = type(error).__name__
        sink.write(encode(answer))
        sink.flush()


def main(module: str, source: str, threads: str) -> int:
    """Run the process; the exit status is 1 where the engine does not load."""
    # Whatever prints goes to standard error; the answers keep the real output for themselves.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        keep_inside()
        loaded: Engine = import_module(module).load(source, int(threads))
        loaded.score(WARM_TEXT)
    except Exception as error:  # noqa: BLE001 - told to the proxy, which tells its operator
        sink.write(encode({"failed": f"{type(error).__name__}: {error}"[:2000]}))
        sink.flush()
        return 1
    sink.write(encode({"ready": {"engine": loaded.name, "labels": loaded.labels}}))
    sink.flush()
    serve(loaded, sys.stdin.buffer, sink)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
