"""The file in which the watch outlives the process."""

from __future__ import annotations

import os
from pathlib import Path

from proxy import jsonio
from proxy.jsonio import InvalidJson
from proxy.model.record import Json


def write(path: Path, state: Json) -> None:
    """Whole or not at all. Raises OSError."""
    part = path.with_suffix(".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(jsonio.dumps(state))
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(path)


def read(path: Path) -> Json:
    """None where there is no file. Raises OSError, ValueError."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return jsonio.loads(raw)
    except InvalidJson as error:
        raise ValueError(str(error)) from None
