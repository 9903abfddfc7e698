"""An engine that fails as it is told to: what real ones do once a year, on demand. It loads in no time."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from typing import Final

from proxy.scoring.worker import Engine, Scores

LABEL: Final = "PERSON"


def load(source: str, threads: int) -> Engine:
    """`source` is a file: with `broken` in it the engine cannot load, with `gone` the process ends."""
    with open(source, encoding="utf-8") as file:
        state = file.read().strip()
    if state == "broken":
        raise ValueError("the model is broken")
    if state == "gone":
        os._exit(3)
    return Engine("odd", (LABEL,), _score)


def _score(text: str) -> Scores:
    """A PERSON for each capitalised word, unless the text's first word says otherwise."""
    match text.split()[:1]:
        case ["crash"]:
            os._exit(1)
        case ["hang"]:
            threading.Event().wait()
        case ["raise"]:
            raise ValueError(text)
        case ["nonsense"]:
            return [(LABEL, 7.0, 0, 1)]
        case ["stranger"]:
            return [("SOMETHING", 0.5, 0, 1)]
        case ["outside"]:
            return [(LABEL, 0.5, 0, len(text) + 1)]
        case ["print"]:
            print("a library's greeting", flush=True)
        case ["connect"]:
            socket.create_connection(("127.0.0.1", 9))
        case ["program"]:
            subprocess.run([sys.executable, "-c", ""], check=True)
        case ["environment"]:
            return [(LABEL, 1.0, 0, 1)] if "GUARDRAIL_TEST_SECRET" in os.environ else []
    return [(LABEL, 0.5, *word.span()) for word in re.finditer(r"\b[A-Z]\w*", text)]
